// A ProcessRunner with apps and inputs from memory, and a wasm program that misbehaves on demand.

import {execFile} from 'node:child_process';
import {cpSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {asBatchId, asBlobId, type BlobId, type ReplicaId, replicaId} from '../../src/base/types.ts';
import type {AppManifest} from '../../src/core/app.ts';
import type {NodeEvent, RunOrder} from '../../src/core/core.ts';
import {admitModule} from '../../src/io/app-source.ts';
import {ProcessRunner, type RunnerOptions} from '../../src/io/runner.ts';
import type {FetchedApp} from '../../src/node/app-shelf.ts';
import {temporaryFolder} from '../rig/folders.ts';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

const run = promisify(execFile);

/**
 * Compiles AssemblyScript that may import from src/apps/lib. In a process of its own: through tsx the
 * compiler would be compiled itself, which takes eight seconds.
 */
export async function compile(source: string, ...options: string[]): Promise<Uint8Array> {
  const folder = temporaryFolder('asc');
  cpSync(join(ROOT, 'src/apps/lib'), join(folder, 'lib'), {recursive: true});
  writeFileSync(join(folder, 'test.ts'), source);
  const compiler = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
  const args = ['test.ts', '--outFile', 'test.wasm', '--runtime', 'stub', '-O'];
  if (source.includes('./lib/wasi')) args.push('--use', 'abort=lib/wasi/abort');
  await run(process.execPath, [compiler, ...args, ...options], {cwd: folder});
  return new Uint8Array(readFileSync(join(folder, 'test.wasm')));
}

/** Does what the first letter of its input says. */
export const HOSTILE = `
import {read, readAll, inputAt, inputLength, write, fail} from "./lib/wasi";
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(id: u32, precision: u64, at: usize): u32;
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(at: usize, length: u32): u32;
@external("wasi_snapshot_preview1", "environ_sizes_get")
declare function environ_sizes_get(count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, size: usize): u32;
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(pointers: usize, bytes: usize): u32;
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(fd: u32, dir: u32, path: usize, length: u32, o: u32, r: u64, i: u64,
  flags: u32, out: usize): u32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovecs: usize, n: u32, count: usize): u32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

const scratch: usize = memory.data(4096);
let counter: u32 = 0;

function dig(n: u32): u32 {
  store<u32>(scratch, n);
  return dig(n + 1) + load<u32>(scratch);
}
function show(value: u32): void {
  store<u32>(scratch + 64, value);
  write(scratch + 64, 4);
}
function spell(): void {
  args_sizes_get(scratch, scratch + 4);
  const count = load<u32>(scratch);
  const size = load<u32>(scratch, 4);
  args_get(scratch + 8, scratch + 512);
  write(scratch + 512, size);
}
export function _start(): void {
  counter++;
  const dirty = load<u32>(scratch + 2048);
  store<u32>(scratch + 2048, 0xdead);
  readAll();
  const what = load<u8>(inputAt);
  if (what == 0x6c) for (;;) counter++;
  if (what == 0x74) unreachable();
  if (what == 0x66) for (;;) write(scratch, 4096);
  if (what == 0x72) show(dig(0));
  if (what == 0x6d) for (let i = 0; ; i++) if (memory.grow(1) < 0) return show(i);
  if (what == 0x78) fail("it is \\u0007 broken");
  if (what == 0x7a) proc_exit(0);
  if (what == 0x70) fd_write(1, 0xfffffff0, 5, 0xfffffff0);
  if (what == 0x76) { memory.grow(16 * 250); fd_write(1, 65536, 31 * 1024 * 1024, 8); return; }
  if (what == 0x64) { memory.grow(3); show(dirty + counter + memory.size()); return; }
  if (what == 0x61) return spell();
  if (what == 0x77) {
    clock_time_get(0, 1, scratch + 128);
    clock_time_get(1, 1, scratch + 136);
    random_get(scratch + 144, 16);
    environ_sizes_get(scratch + 160, scratch + 164);
    store<u32>(scratch + 168, path_open(3, 0, scratch, 1, 0, 0, 0, 0, scratch + 200));
    write(scratch + 128, 44);
    return;
  }
  write(inputAt, inputLength);
}
`;

export const manifestOf = (name: string, change: Partial<AppManifest> = {}): AppManifest => ({
  format: 1,
  name,
  version: '1.0.0',
  description: '',
  runtime: 'wasm',
  limits: {timeSeconds: 60, memoryMib: 4, outputBytes: 2 ** 20},
  ...change,
});

export type Ended = Extract<NodeEvent, {type: 'computed'}> | Extract<NodeEvent, {type: 'failed'}>;

export const appIdOf = (name: string): BlobId =>
  asBlobId(Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64));

export class RunnerRig {
  readonly dir = temporaryFolder('runner');
  readonly runner: ProcessRunner;
  readonly ended: Ended[] = [];
  readonly blobs: Uint8Array[] = [];
  lastId = replicaId(asBatchId(1), 0, 0);
  onEvent: (event: NodeEvent) => void = () => {};
  readonly #apps = new Map<BlobId, FetchedApp>();
  #waiting: (() => void)[] = [];
  #next = 0;

  constructor(options: Partial<RunnerOptions> = {}, Runner = ProcessRunner) {
    this.runner = new Runner({
      slots: 1,
      tell: event => {
        this.onEvent(event);
        if (event.type === 'progress') return;
        this.ended.push(event as Ended);
        for (const wake of this.#waiting.splice(0)) wake();
      },
      fetchApp: async appId => this.#apps.get(appId) ?? {kind: 'missing', reason: 'no such app'},
      readInput: async () => {
        throw new Error('no such input');
      },
      putBlob: async bytes => asBlobId(String(this.blobs.push(bytes)).padStart(64, '0')),
      actions: new Map(),
      dir: this.dir,
      ...options,
    });
  }

  add(manifest: AppManifest, module: Uint8Array = new Uint8Array()): this {
    const app: FetchedApp =
      manifest.runtime === 'wasm' ? admitModule(manifest, module) : {kind: 'app', manifest, module};
    this.#apps.set(appIdOf(manifest.name), app);
    return this;
  }

  /** Gives an order with this input; returns its replica. */
  run(app: string, input: string | Uint8Array, change: Partial<RunOrder> = {}): ReplicaId {
    const id = replicaId(asBatchId(1), this.#next++, 0);
    this.lastId = change.replicaId ?? id;
    this.runner.run({
      replicaId: id,
      slot: 0,
      appId: appIdOf(app),
      args: [],
      input: {kind: 'inline', bytes: new Uint8Array(Buffer.from(input as string))},
      timeLimitMs: 20_000,
      memoryLimitMib: 1_024,
      outputLimitBytes: 2 ** 20,
      seed: 7,
      ...change,
    });
    return id;
  }

  async end(id: ReplicaId): Promise<Ended> {
    for (;;) {
      const ended = this.ended.find(one => one.replicaId === id);
      if (ended !== undefined) return ended;
      await new Promise<void>(wake => {
        this.#waiting.push(wake);
      });
    }
  }

  /** `done <output>` or `<reason>: <detail>`. */
  async story(id: ReplicaId): Promise<string> {
    const ended = await this.end(id);
    if (ended.type === 'failed') return `${ended.reason}: ${ended.detail}`;
    return ended.output.kind === 'inline'
      ? `done ${Buffer.from(ended.output.bytes)}`
      : `done blob of ${ended.output.size}`;
  }

  /** The whole output, inline or blob; rejects for a failure. */
  async bytes(id: ReplicaId): Promise<Buffer> {
    const ended = await this.end(id);
    if (ended.type === 'failed') throw new Error(`${ended.reason}: ${ended.detail}`);
    const {output} = ended;
    return Buffer.from(
      output.kind === 'inline' ? output.bytes : (this.blobs[Number(output.blobId) - 1] ?? []),
    );
  }
}

/** Resolves once `is` holds; looks every 10 ms for at most a minute. */
export async function until(is: () => boolean): Promise<boolean> {
  for (let i = 0; i < 6_000; i++) {
    if (is()) return true;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return false;
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended, too: it only waits for its parent.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
