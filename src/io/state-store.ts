// What apps saved of workunits that are not done: one file for each workunit, so that a run that was cut off
// goes on where it was. A file is bound to its app, its arguments and its input, and names its own hash: one
// that is damaged, or of anything else, is taken away, and the run starts anew. Nothing here is worth a sync:
// what a power cut leaves is checked as everything else.
//
//   <batch>-<index>   one line of JSON (Head), then the bytes that the app saved

import {createHash} from 'node:crypto';
import {mkdirSync, readdirSync, statSync, unlinkSync} from 'node:fs';
import {readFile, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {BlobId, ReplicaId} from '../base/types.ts';
import {DAY_MS, MIB} from '../base/units.ts';
import {STATE_BYTES_MAX} from '../wire/limits.ts';

const FILES_MAX = 256;
const TOTAL_BYTES_MAX = 64 * MIB;
/** A workunit that did not come back in this time will not. */
const KEPT_MS = 14 * DAY_MS;
const HEAD_BYTES_MAX = 16_384;
const NAME = /^\d{1,10}-\d{1,10}$/;

/** What a saved state belongs to. */
export type StateOf = {
  readonly replicaId: ReplicaId;
  readonly appId: BlobId;
  readonly args: readonly string[];
  readonly input: Uint8Array;
};

export type SavedState = {
  readonly bytes: Uint8Array;
  /** Time that was spent on it. */
  readonly spentMs: number;
};

type Head = {
  readonly format: 1;
  readonly app: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly spentMs: number;
  readonly sha256: string;
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** `1/7/2` is the third replica of workunit 7: what was saved is the workunit's. */
const nameOf = (replicaId: ReplicaId): string => replicaId.split('/').slice(0, 2).join('-');

export class StateStore {
  readonly #dir: string;
  /** Bytes of each file, the one written longest ago in front. */
  readonly #files = new Map<string, number>();
  #total = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param now wall clock, ms */
  constructor(dir: string, now: number) {
    this.#dir = dir;
    mkdirSync(dir, {recursive: true, mode: 0o700});
    const found = readdirSync(dir).map(name => ({name, ...about(join(dir, name))}));
    for (const {name, size, at} of found.sort((a, b) => a.at - b.at)) {
      const isOurs = NAME.test(name) && now - at < KEPT_MS;
      if (isOurs) this.#count(name, size);
      else unlinkSync(join(dir, name));
    }
    for (const name of this.#surplus()) unlinkSync(join(dir, name));
  }

  get size(): number {
    return this.#files.size;
  }

  #count(name: string, size: number): void {
    this.#forget(name);
    this.#files.set(name, size);
    this.#total += size;
  }

  #forget(name: string): boolean {
    this.#total -= this.#files.get(name) ?? 0;
    return this.#files.delete(name);
  }

  /** Takes out of the list what is too much. */
  #surplus(): string[] {
    const names: string[] = [];
    for (const name of this.#files.keys()) {
      if (this.#files.size <= FILES_MAX && this.#total <= TOTAL_BYTES_MAX) break;
      this.#forget(name);
      names.push(name);
    }
    return names;
  }

  /** One after the other; what fails is as if it had not been asked for: the run would start anew. */
  #inTurn<T>(act: () => Promise<T>): Promise<T | undefined> {
    const done = this.#last.then(act).catch(() => undefined);
    this.#last = done;
    return done;
  }

  /** What was saved of this very work; undefined = nothing. */
  async load(of: StateOf): Promise<SavedState | undefined> {
    const name = nameOf(of.replicaId);
    if (!this.#files.has(name)) return undefined;
    const file = await this.#inTurn(() => readFile(join(this.#dir, name)));
    const saved = file && opened(new Uint8Array(file), of);
    if (!saved) await this.drop(of.replicaId);
    return saved;
  }

  save(of: StateOf, {bytes, spentMs}: SavedState): Promise<unknown> {
    const name = nameOf(of.replicaId);
    const {appId: app, args, input} = of;
    const bound = {format: 1, app, args, input: sha256(input)} as const;
    const head: Head = {...bound, spentMs: Math.round(spentMs), sha256: sha256(bytes)};
    const file = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]);
    this.#count(name, file.length);
    const surplus = this.#surplus();
    return this.#inTurn(async () => {
      for (const other of surplus) await rm(join(this.#dir, other), {force: true});
      if (!this.#files.has(name)) return; // dropped meanwhile
      const part = join(this.#dir, `${name}.part`);
      await writeFile(part, file, {mode: 0o600});
      await rename(part, join(this.#dir, name));
    });
  }

  /** Its work is done, or not wanted any more. Costs nothing where nothing was saved. */
  async drop(replicaId: ReplicaId): Promise<void> {
    const name = nameOf(replicaId);
    if (!this.#forget(name)) return;
    await this.#inTurn(() => rm(join(this.#dir, name), {force: true}));
  }

  /** Resolves when all that was asked for is done. */
  async close(): Promise<void> {
    await this.#last;
  }
}

function about(path: string): {readonly size: number; readonly at: number} {
  const {size, mtimeMs} = statSync(path);
  return {size, at: mtimeMs};
}

function opened(file: Uint8Array, of: StateOf): SavedState | undefined {
  const end = file.subarray(0, HEAD_BYTES_MAX).indexOf(10);
  const head = end < 0 ? undefined : headOf(Buffer.from(file.subarray(0, end)).toString('utf8'));
  const bytes = file.subarray(end + 1);
  const fits =
    head?.format === 1 &&
    head.app === of.appId &&
    JSON.stringify(head.args) === JSON.stringify(of.args) &&
    head.input === sha256(of.input) &&
    bytes.length <= STATE_BYTES_MAX &&
    head.sha256 === sha256(bytes);
  if (!fits || !(head.spentMs >= 0)) return undefined;
  return {bytes, spentMs: head.spentMs};
}

function headOf(text: string): Head | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Head) : undefined;
  } catch {
    return undefined;
  }
}
