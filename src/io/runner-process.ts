// One runner process, from spawn to end: its command line, its pipes, its frames. Which order runs where
// and who is to blame is runner-slot.ts's.

import type {ChildProcess} from 'node:child_process';
import {lstatSync, readlinkSync, realpathSync} from 'node:fs';
import {createRequire} from 'node:module';
import {setPriority} from 'node:os';
import {dirname, extname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {cleaned} from '../base/text.ts';
import {
  decodeEnded,
  decodeState,
  type EndedFrame,
  FRAME,
  FrameReader,
  type StateFrame,
} from './runner-frames.ts';
import type {Jail} from './sandbox.ts';

const SELF = fileURLToPath(import.meta.url);
const EXTENSION = extname(SELF);
const WORKER = join(dirname(SELF), `runner-worker${EXTENSION}`);
/** An engine that runs out of memory says so above a long trace of itself. */
const STDERR_CHARS_MAX = 8_192;
/** Of it, in the reason of a runner that ended. */
const SAID_CHARS_MAX = 200;

/** What its process runs: a runner of one kind cannot become one of the other. */
export type Engine = 'wasm' | 'js';

/** Of V8 and of the sandbox of js apps. */
const HEAP_MIB = 64;
/** Addons and prototype tricks are what an escape would try first. */
const ENGINE_FLAGS = ['--disable-proto=delete', '--no-addons', '--no-warnings'];

/** A script runs slower by a factor of five to ten, and as the language says. */
const PLAIN_FLAGS = ['--no-opt', '--no-maglev'];

/**
 * The work of a wasm module is outside of V8's heap, so its share is small, and nothing makes code from strings. That of a
 * script is in the heap, and each workunit is evaluated anew.
 */
const flagsOf = (engine: Engine, memoryMib: number): string[] =>
  engine === 'wasm'
    ? [
        `--max-old-space-size=${HEAP_MIB}`,
        '--max-semi-space-size=2',
        '--disallow-code-generation-from-strings',
      ]
    : [`--max-old-space-size=${HEAP_MIB + memoryMib}`, '--max-semi-space-size=8'];

/** The one library that each needs. */
const LIBRARY: Readonly<Record<Engine, string>> = {
  wasm: '@bjorn3/browser_wasi_shim',
  js: 'ses',
};

/** Node 20 has it as an experiment, 22 and later for good. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

/** From source (tests, development) a compiler in between reads too much for a closed world. */
const isCompiled = EXTENSION === '.js';

/** Our own code, its library and the engine itself: all that a runner reads. */
function readablePaths(engine: Engine): string[] {
  if (!isCompiled) return [];
  const library = LIBRARY[engine];
  const folder = dirname(dirname(createRequire(SELF).resolve(library)));
  const ours = join(dirname(SELF), '..');
  return [ours, join(ours, '..', 'package.json'), folder, ...linksTo(library)];
}

function sourceFlags(engine: Engine): string[] {
  if (!isCompiled) return [`--import=${import.meta.resolve('tsx')}`];
  const readable = readablePaths(engine).map(
    path => `--allow-fs-read=${path}${isFolder(path) ? '/*' : ''}`,
  );
  // For its watchdog, which is a thread.
  return [PERMISSION, '--allow-worker', ...readable];
}

const isFolder = (path: string): boolean =>
  lstatSync(path, {throwIfNoEntry: false})?.isDirectory() ?? false;

/** Links on the way to a library (pnpm, `npm link`): to follow one, the loader has to read it. */
function linksTo(library: string): string[] {
  const links: string[] = [];
  let folder = dirname(SELF);
  while (folder !== dirname(folder)) {
    folder = dirname(folder);
    for (const name of ['', dirname(library), library]) {
      let path = join(folder, 'node_modules', name);
      // A link may lead to a link.
      while (lstatSync(path, {throwIfNoEntry: false})?.isSymbolicLink()) {
        if (links.includes(path)) break;
        links.push(path);
        path = resolve(dirname(path), readlinkSync(path));
      }
    }
  }
  return links;
}

export type ProcessOptions = {
  readonly kind: Engine;
  readonly jail: Jail;
  /** Its working directory, which is there. */
  readonly dir: string;
  /** 0 (as we) … 19 (only what is left over). */
  readonly niceness: number;
  readonly memoryMib: number;
  /** Scripts are compiled to fast code once they have run for a while. Default true. */
  readonly isOptimized?: boolean | undefined;
  /** Longest frame of this kind that it may send now. */
  readonly lengthMax: (kind: number) => number;
};

export type ProcessEnd = {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** What it said last on stderr. */
  readonly stderr: string;
};

/** Node's own words around the line that says what is wrong. */
const FRAMING = /^(at |\^|[{}]|Node\.js v)/;
const FAULT = /^(Uncaught |FATAL )?\w*Error\b.*: /i;

/** The line of stderr that says why a runner ended: its error without the stack, else its last words. */
export function lastWords(stderr: string): string {
  const lines = stderr.split('\n').map(line => cleaned(line.trim()));
  const said = lines.filter(line => line !== '' && !FRAMING.test(line));
  return (said.find(line => FAULT.test(line)) ?? said.at(-1) ?? '').slice(0, SAID_CHARS_MAX);
}

/** Why a runner ended by itself. */
export function storyOf({signal, code, stderr}: ProcessEnd): string {
  const how = `the runner ended (${signal ?? `exit code ${code}`})`;
  const said = lastWords(stderr);
  return said === '' ? how : `${how}: ${said}`;
}

export type ProcessHandlers = {
  /** @param refusal why the app cannot be run; '' = it can */
  onReady(refusal: string): void;
  onEnded(ended: EndedFrame): void;
  onState(state: StateFrame): void;
  /** After all results of one read; `false` = the last one was malformed. */
  onChunk(isWhole: boolean): void;
  /** It ended by itself; not called after kill(). */
  onEnd(end: ProcessEnd): void;
};

export class RunnerProcess {
  readonly #child: ChildProcess;
  readonly #handlers: ProcessHandlers;
  readonly #reader: FrameReader;
  /** All that it wrote has been read and it is gone. */
  readonly ended: Promise<void>;
  #stderr = '';
  #isKilled = false;
  #isSane = true;

  constructor(options: ProcessOptions, handlers: ProcessHandlers) {
    const {kind, jail, dir, niceness, memoryMib, isOptimized = true, lengthMax} = options;
    this.#handlers = handlers;
    this.#reader = new FrameReader(lengthMax);
    const plain = isOptimized ? [] : PLAIN_FLAGS;
    const flags = [...flagsOf(kind, memoryMib), ...plain, ...ENGINE_FLAGS, ...sourceFlags(kind)];
    const argv = [realpathSync(process.execPath), ...flags, WORKER, kind];
    const readable = [realpathSync(process.execPath), ...readablePaths(kind)];
    this.#child = jail.start(argv, {dir, niceness, memoryMib, readable});
    const {stdin, stdout, stderr, pid} = this.#child;
    this.ended = new Promise(resolve => {
      this.#child.once('close', (code, signal) => {
        resolve();
        this.#onClose(code, signal);
      });
    });
    // A spawn that fails closes too; a pipe that breaks is seen as the end of the process.
    this.#child.on('error', error => this.#keepStderr(error.message));
    stdin?.on('error', () => {});
    this.#child.stdio[3]?.on('error', () => {});
    stdout?.on('data', (chunk: Uint8Array) => this.#onChunk(chunk));
    stderr?.on('data', (chunk: Uint8Array) => this.#keepStderr(String(chunk)));
    if (pid !== undefined) beNice(pid, niceness);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  write(bytes: Uint8Array): void {
    this.#child.stdin?.write(bytes);
  }

  /** No handler is called any more. */
  kill(): void {
    if (this.#isKilled) return;
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
  }

  #onChunk(chunk: Uint8Array): void {
    if (this.#isKilled) return;
    const isWhole = this.#reader.push(chunk, frame => this.#onFrame(frame));
    if (!this.#isKilled) this.#handlers.onChunk(isWhole && this.#isSane);
  }

  #onFrame(frame: Uint8Array): void {
    if (this.#isKilled || !this.#isSane) return;
    if (frame[0] === FRAME.ready) {
      this.#handlers.onReady(new TextDecoder().decode(frame.subarray(1)));
      return;
    }
    if (frame[0] === FRAME.state) {
      const state = decodeState(frame);
      if (state === undefined) this.#isSane = false;
      else this.#handlers.onState(state);
      return;
    }
    const ended = frame[0] === FRAME.ended ? decodeEnded(frame) : undefined;
    if (ended === undefined) this.#isSane = false;
    else this.#handlers.onEnded(ended);
  }

  #keepStderr(text: string): void {
    this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS_MAX);
  }

  #onClose(code: number | null, signal: string | null): void {
    if (this.#isKilled) return;
    this.#isKilled = true;
    this.#handlers.onEnd({
      code: code ?? undefined,
      signal: signal ?? undefined,
      stderr: this.#stderr,
    });
  }
}

function beNice(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It has ended already, or the system has no priorities: it runs as we do.
  }
}
