// The world that a workunit sees: stdin, stdout, stderr, args, the state it saved before, and what its batch
// shares. No file, no clock (it stands at 0), no environment; randomness is a stream seeded by the workunit,
// so that all replicas see the same. The calls are those of browser_wasi_shim; what would tell the time or
// another secret is replaced here.

import {Fd, WASI, WASIProcExit, wasi} from '@bjorn3/browser_wasi_shim';
import {concat, EMPTY, toUtf8} from '../base/bytes.ts';
import {Prng} from '../base/prng.ts';
import {WASI_ANSWERED, WASI_DENIED, WASI_MODULE} from '../core/wasi-calls.ts';
import {MEMORY_IMPORT, PAGE_BYTES, prepareWasm} from '../core/wasm.ts';
import {STATE_BYTES_MAX} from '../wire/limits.ts';
import type {RunFrame, Status} from './runner-frames.ts';

/** A memory up to this is cleared and used again; mapping a new one takes longer up to about here. */
const REUSED_PAGES_MAX = 16;
const PAGES_MAX = 65_536;
/** Room for output that is not made anew for each run. */
const OUTPUT_BYTES_KEPT = 65_536;
const STDERR_BYTES_MAX = 4_096;
/** Of stderr, in the reason of a failure. */
const STDERR_SHOWN_CHARS = 200;

export type Ended = {
  readonly status: Status;
  /** Of `done`; good until the next run. */
  readonly output: Uint8Array;
  readonly reason: string;
};

class OutputFlood extends Error {}

class StreamFd extends Fd {
  override fd_fdstat_get() {
    const fdstat = new wasi.Fdstat(wasi.FILETYPE_UNKNOWN, 0);
    fdstat.fs_rights_base = BigInt(wasi.RIGHTS_FD_READ | wasi.RIGHTS_FD_WRITE);
    return {ret: wasi.ERRNO_SUCCESS, fdstat};
  }

  override fd_fdstat_set_flags(): number {
    return wasi.ERRNO_SUCCESS;
  }

  override fd_seek() {
    return {ret: wasi.ERRNO_SPIPE, offset: 0n};
  }

  override fd_tell() {
    return {ret: wasi.ERRNO_SPIPE, offset: 0n};
  }

  override fd_close(): number {
    return wasi.ERRNO_SUCCESS;
  }
}

class InputFd extends StreamFd {
  #rest: Uint8Array = EMPTY;

  open(bytes: Uint8Array): this {
    this.#rest = bytes;
    return this;
  }

  override fd_read(size: number) {
    const data = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(data.length);
    return {ret: wasi.ERRNO_SUCCESS, data};
  }
}

/** One buffer that grows: a program may write byte by byte. */
class OutputFd extends StreamFd {
  #buffer = new Uint8Array(OUTPUT_BYTES_KEPT);
  #length = 0;
  #bytesMax = 0;

  open(bytesMax: number): this {
    if (this.#buffer.length > OUTPUT_BYTES_KEPT) this.#buffer = new Uint8Array(OUTPUT_BYTES_KEPT);
    this.#length = 0;
    this.#bytesMax = bytesMax;
    return this;
  }

  /** Good until the next open(). */
  get written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  override fd_write(data: Uint8Array) {
    const length = this.#length + data.length;
    if (length > this.#bytesMax) throw new OutputFlood();
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      grown.set(this.written);
      this.#buffer = grown;
    }
    this.#buffer.set(data, this.#length);
    this.#length = length;
    return {ret: wasi.ERRNO_SUCCESS, nwritten: data.length};
  }
}

/** Keeps the last bytes only: what a program says before it dies is what matters. */
class ErrorFd extends StreamFd {
  #tail: Uint8Array = EMPTY;

  open(): this {
    this.#tail = EMPTY;
    return this;
  }

  override fd_write(data: Uint8Array) {
    const kept = data.subarray(-STDERR_BYTES_MAX);
    const old = this.#tail.subarray(-(STDERR_BYTES_MAX - kept.length) || this.#tail.length);
    const tail = new Uint8Array(old.length + kept.length);
    tail.set(old);
    tail.set(kept, old.length);
    this.#tail = tail;
    return {ret: wasi.ERRNO_SUCCESS, nwritten: data.length};
  }

  get text(): string {
    return new TextDecoder()
      .decode(this.#tail)
      .trim()
      .slice(-STDERR_SHOWN_CHARS)
      .replace(/[^\x21-\x7e]+/g, ' ');
  }
}

/**
 * File descriptor 3: what an earlier run saved is read from it; what is written to it is saved as a whole by
 * fd_sync or fd_datasync. Whoever writes too much is told so, and what was saved before stays.
 */
class StateFd extends InputFd {
  #parts: Uint8Array[] = [];
  #length = 0;
  #save: (bytes: Uint8Array) => void = () => {};

  start(bytes: Uint8Array, save: (bytes: Uint8Array) => void): this {
    this.#parts = [];
    this.#length = 0;
    this.#save = save;
    return this.open(bytes);
  }

  override fd_write(data: Uint8Array) {
    if (this.#length + data.length > STATE_BYTES_MAX) {
      this.#parts = [];
      this.#length = 0;
      return {ret: wasi.ERRNO_FBIG, nwritten: 0};
    }
    this.#parts.push(data);
    this.#length += data.length;
    return {ret: wasi.ERRNO_SUCCESS, nwritten: data.length};
  }

  override fd_sync(): number {
    this.#save(concat(...this.#parts));
    this.#parts = [];
    this.#length = 0;
    return wasi.ERRNO_SUCCESS;
  }

  /** C libraries look for folders from here on until they are told that there is nothing. */
  override fd_prestat_get() {
    return {ret: wasi.ERRNO_BADF, prestat: null};
  }
}

type Compiled = {
  readonly module: WebAssembly.Module;
  readonly descriptor: {initial: number; maximum: number};
};

/** One app, compiled once; each run gets an instance of its own. */
export class Sandbox {
  readonly #stdin = new InputFd();
  readonly #stdout = new OutputFd();
  readonly #stderr = new ErrorFd();
  readonly #state = new StateFd();
  /** File descriptor 4. */
  readonly #sharedFd = new InputFd();
  #shared: Uint8Array = EMPTY;
  // Its debug log, on unless it is told, would go to stdout, where the frames go.
  readonly #wasi = new WASI([], [], [], {debug: false});
  readonly #calls: WebAssembly.ModuleImports;
  #app: Compiled | string = 'no app was given';
  #memory: WebAssembly.Memory | undefined;
  #args: readonly Uint8Array[] = [];
  #random = new Prng(0);

  constructor() {
    this.#calls = this.#makeCalls();
  }

  /**
   * `module` has been bounded by the node; every instruction is looked at here, before it is compiled.
   * '' or why it cannot be run.
   */
  load(module: Uint8Array): string {
    this.#memory = undefined;
    const prepared = prepareWasm(module);
    if (prepared.kind === 'refused') {
      this.#app = prepared.reason;
      return this.#app;
    }
    const {initialPages, maximumPages = PAGES_MAX} = prepared;
    const descriptor = {initial: initialPages, maximum: maximumPages};
    try {
      this.#app = {module: new WebAssembly.Module(prepared.bytes), descriptor};
      return '';
    } catch (error) {
      this.#app = messageOf(error);
      return this.#app;
    }
  }

  /** What every later run may read beside its input. */
  share(bytes: Uint8Array): void {
    this.#shared = bytes;
  }

  /** @param save takes what the app saves, as often as it does */
  run(order: RunFrame, save: (bytes: Uint8Array) => void = () => {}): Ended {
    if (typeof this.#app === 'string')
      return {
        status: 'refused',
        output: EMPTY,
        reason: `the module does not compile: ${this.#app}`,
      };
    this.#args = ['app', ...order.args].map(arg => toUtf8(`${arg}\0`));
    this.#random = new Prng(order.seed);
    this.#wasi.fds = [
      this.#stdin.open(order.input),
      this.#stdout.open(order.outputBytesMax),
      this.#stderr.open(),
      this.#state.start(order.state, save),
      this.#sharedFd.open(this.#shared),
    ];
    try {
      const code = this.#start(this.#app);
      if (code === 0) return {status: 'done', output: this.#stdout.written, reason: ''};
      return {status: 'exited', output: EMPTY, reason: this.#story(`exit code ${code}`)};
    } catch (error) {
      return this.#fault(error);
    }
  }

  #start({module, descriptor}: Compiled): number {
    const memory = this.#takeMemory(descriptor);
    // A start section runs before there is an instance; the calls need the memory only.
    this.#wasi.inst = {exports: {memory}};
    try {
      const instance = new WebAssembly.Instance(module, {
        [MEMORY_IMPORT.module]: {[MEMORY_IMPORT.name]: memory},
        [WASI_MODULE]: this.#calls,
      });
      return this.#wasi.start(instance as Parameters<WASI['start']>[0]);
    } catch (error) {
      if (error instanceof WASIProcExit) return error.code;
      throw error;
    }
  }

  /** Zeroed, at its initial size: one that a run has grown is not used again. */
  #takeMemory(descriptor: Compiled['descriptor']): WebAssembly.Memory {
    const {initial} = descriptor;
    const old = this.#memory;
    if (old !== undefined && old.buffer.byteLength === initial * PAGE_BYTES) {
      new Uint8Array(old.buffer).fill(0);
      return old;
    }
    const memory = new WebAssembly.Memory(descriptor);
    this.#memory = initial <= REUSED_PAGES_MAX ? memory : undefined;
    return memory;
  }

  #story(what: string): string {
    const said = this.#stderr.text;
    return said === '' ? what : `${what}: ${said}`;
  }

  /** Throws what is not the app's doing: the process ends and the node sees a lost runner. */
  #fault(error: unknown): Ended {
    const ended = (status: Status, reason: string): Ended => ({status, output: EMPTY, reason});
    if (error instanceof OutputFlood) return ended('outputTooLarge', 'more output than allowed');
    if (error instanceof WebAssembly.RuntimeError)
      return ended('trapped', this.#story(error.message));
    if (error instanceof WebAssembly.LinkError) return ended('refused', error.message);
    if (error instanceof RangeError) {
      if (/call stack/.test(error.message)) return ended('outOfMemory', 'stack overflow');
      if (/memory|allocat/i.test(error.message)) return ended('outOfMemory', error.message);
      // A pointer outside of the memory, found by the shim.
      return ended('trapped', this.#story('a WASI call got a bad pointer'));
    }
    throw error;
  }

  #makeCalls(): WebAssembly.ModuleImports {
    const calls: WebAssembly.ModuleImports = {};
    for (const name of WASI_DENIED) calls[name] = () => wasi.ERRNO_NOTCAPABLE;
    for (const name of WASI_ANSWERED) {
      const call = this.#wasi.wasiImport[name];
      if (call !== undefined) calls[name] = call;
    }
    const view = () => new DataView(this.#wasi.inst.exports.memory.buffer);
    const zero64 = (at: number): number => {
      view().setBigUint64(at, 0n, true);
      return wasi.ERRNO_SUCCESS;
    };
    calls['clock_time_get'] = (_id: number, _precision: bigint, at: number) => zero64(at >>> 0);
    calls['clock_res_get'] = (_id: number, at: number) => zero64(at >>> 0);
    calls['random_get'] = (at: number, length: number) => {
      const bytes = new Uint8Array(view().buffer, at >>> 0, length >>> 0);
      for (let i = 0; i < bytes.length; i++) bytes[i] = this.#random.uint32() >>> 24;
      return wasi.ERRNO_SUCCESS;
    };
    calls['args_sizes_get'] = (count: number, size: number) => {
      const bytes = this.#args.reduce((sum, arg) => sum + arg.length, 0);
      view().setUint32(count >>> 0, this.#args.length, true);
      view().setUint32(size >>> 0, bytes, true);
      return wasi.ERRNO_SUCCESS;
    };
    calls['args_get'] = (pointers: number, bytes: number) => {
      const memory = view();
      let at = bytes >>> 0;
      this.#args.forEach((arg, i) => {
        memory.setUint32((pointers >>> 0) + 4 * i, at, true);
        new Uint8Array(memory.buffer, at, arg.length).set(arg);
        at += arg.length;
      });
      return wasi.ERRNO_SUCCESS;
    };
    calls['poll_oneoff'] = (from: number, to: number, count: number, eventsAt: number) =>
      pollAtOnce(view(), from >>> 0, to >>> 0, count >>> 0, eventsAt >>> 0);
    return calls;
  }
}

/** Every subscription has already happened: with a clock that stands still, waiting would be for ever. */
function pollAtOnce(view: DataView, from: number, to: number, count: number, at: number): number {
  for (let i = 0; i < count; i++) {
    const event = to + 32 * i;
    view.setBigUint64(event, view.getBigUint64(from + 48 * i, true), true);
    view.setUint16(event + 8, wasi.ERRNO_SUCCESS, true);
    view.setUint8(event + 10, view.getUint8(from + 48 * i + 8));
    view.setBigUint64(event + 16, 0n, true);
    view.setUint16(event + 24, 0, true);
  }
  view.setUint32(at, count, true);
  return wasi.ERRNO_SUCCESS;
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
