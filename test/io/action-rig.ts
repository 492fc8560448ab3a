// A node's actions in a folder of their own, for tests: orders shots, keeps what was told and stored.

import {createHash} from 'node:crypto';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {asBlobId, asCaptureId, asWallMs, type BlobId, type MonoMs} from '../../src/base/types.ts';
import type {NodeEvent} from '../../src/core/core.ts';
import {ActionRunner} from '../../src/io/actions.ts';
import type {ActionSpec} from '../../src/io/allowed-actions.ts';
import type {ShotLimits} from '../../src/io/shot-files.ts';
import {SystemClock} from '../../src/io/system-clock.ts';
import type {FireOrder} from '../../src/runtime/ports.ts';

export type ShotDone = Extract<NodeEvent, {type: 'shotDone'}>;

export const clock = new SystemClock();
export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** Persistent program: `body` has `line` (words of a fire line), `say`, `write`, `fired`. */
export const speaking = (body: string, start = ''): string => `
  import {appendFileSync, symlinkSync, writeFileSync} from 'node:fs';
  import {createInterface} from 'node:readline';
  const say = text => process.stdout.write(text + '\\n');
  const write = (name, text = 'picture') => writeFileSync(name, text);
  const fired = (shot, at = performance.timeOrigin + performance.now()) => say('fired ' + shot + ' ' + at);
  ${start}
  createInterface({input: process.stdin}).on('line', text => {
    const line = text.split(' ');
    const [, shot, file, asked] = line;
    ${body}
  });
  say('ready');
`;
/** Does all that is asked of it. */
export const HONEST =
  "fired(shot); write(file, 'picture of ' + text); say('done ' + shot + ' ' + file);";

export class Rig {
  readonly dir: string;
  readonly blobs = new Map<string, Uint8Array>();
  readonly runner: ActionRunner;
  readonly ends: ShotDone[] = [];
  #waiting: {count: number; resolve: () => void} | undefined;

  constructor(
    t: ExecutionContext,
    actions: (dir: string) => Record<string, Partial<ActionSpec>>,
    limits?: ShotLimits,
  ) {
    this.dir = mkdtempSync(join(tmpdir(), 'volley actions, '));
    const specs = Object.entries(actions(this.dir)).map(([name, spec]): [string, ActionSpec] => [
      name,
      {argv: [], persistent: false, timeoutMs: 10_000, extension: 'jpg', ...spec},
    ]);
    this.runner = new ActionRunner({
      dir: this.shots,
      actions: new Map(specs),
      clock,
      tell: event => this.#onEvent(event),
      putFile: path => this.#putFile(path),
      ...(limits ? {limits} : {}),
    });
    t.teardown(async () => {
      await this.runner.close();
      await rm(this.dir, {recursive: true, force: true});
    });
  }

  get shots(): string {
    return join(this.dir, 'shots');
  }

  /** Orders one shot and gives its end. */
  async shoot(action: string, order: Partial<FireOrder> = {}): Promise<ShotDone> {
    const before = this.ends.length;
    this.fire(action, order);
    await this.until(before + 1);
    return this.ends[before] as ShotDone;
  }

  fire(action: string, order: Partial<FireOrder> = {}): MonoMs {
    const fireAt = order.fireAt ?? clock.now().mono;
    this.runner.fire({
      type: 'fire',
      captureId: asCaptureId(42),
      shot: 1,
      action,
      args: [],
      fireAt,
      fireAtWall: asWallMs(1_763_672_400_123.25),
      ...order,
    });
    return fireAt;
  }

  until(count: number): Promise<void> {
    if (this.ends.length >= count) return Promise.resolve();
    return new Promise(resolve => {
      this.#waiting = {count, resolve};
    });
  }

  textOf(end: ShotDone, at = 0): string {
    return Buffer.from(this.blobs.get(end.files[at]?.blobId ?? '') ?? []).toString('utf8');
  }

  #onEvent(event: NodeEvent): void {
    if (event.type !== 'shotDone') return;
    this.ends.push(event);
    if (this.#waiting !== undefined && this.ends.length >= this.#waiting.count) {
      this.#waiting.resolve();
    }
  }

  async #putFile(path: string): Promise<{blobId: BlobId; size: number}> {
    const bytes = readFileSync(path);
    const blobId = asBlobId(sha256(bytes));
    this.blobs.set(blobId, bytes);
    rmSync(path);
    return {blobId, size: bytes.length};
  }
}

/** A rig with one persistent action `x` whose program is `source`. */
export const rigOf = (
  t: ExecutionContext,
  source: string,
  spec: Partial<ActionSpec> = {},
  limits?: ShotLimits,
): Rig =>
  new Rig(
    t,
    dir => {
      writeFileSync(join(dir, 'x.mjs'), source);
      return {x: {argv: [process.execPath, join(dir, 'x.mjs')], persistent: true, ...spec}};
    },
    limits,
  );

/** A rig with one command `x`: node with `source` and further arguments. */
export const commandRig = (
  t: ExecutionContext,
  source: string,
  more: readonly string[] = [],
  spec: Partial<ActionSpec> = {},
): Rig => new Rig(t, () => ({x: {argv: [process.execPath, '-e', source, '--', ...more], ...spec}}));
