// One runner process, from spawn to end: its command line, its pipes, its frames. Which order runs where
// and who is to blame is runner-slot.ts's.

import type {ChildProcess} from 'node:child_process';
import {lstatSync, readlinkSync, realpathSync} from 'node:fs';
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
const STDERR_CHARS_MAX = 2_048;
/** Of it, in the reason of a runner that ended. */
const SAID_CHARS_MAX = 200;

/**
 * V8's share is small, for the work is outside of its heap. Code from strings, addons and prototype
 * tricks are what an escape out of wasm would try first.
 */
const ENGINE_FLAGS = [
  '--max-old-space-size=64',
  '--max-semi-space-size=2',
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
  '--no-addons',
  '--no-warnings',
];

const SHIM = '@bjorn3/browser_wasi_shim';

/** Node 20 has it as an experiment, 22 and later for good. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

/** From source (tests, development) a compiler in between reads too much for a closed world. */
const isCompiled = EXTENSION === '.js';

/** Our own code, the WASI shim and the engine itself: all that a runner reads. */
function readablePaths(): string[] {
  if (!isCompiled) return [];
  const shim = dirname(dirname(fileURLToPath(import.meta.resolve(SHIM))));
  const ours = join(dirname(SELF), '..');
  return [ours, join(ours, '..', 'package.json'), shim, ...linksToShim()];
}

function sourceFlags(): string[] {
  if (!isCompiled) return [`--import=${import.meta.resolve('tsx')}`];
  const readable = readablePaths().map(
    path => `--allow-fs-read=${path}${isFolder(path) ? '/*' : ''}`,
  );
  // For its watchdog, which is a thread.
  return [PERMISSION, '--allow-worker', ...readable];
}

const isFolder = (path: string): boolean =>
  lstatSync(path, {throwIfNoEntry: false})?.isDirectory() ?? false;

/** Links on the way to the shim (pnpm, `npm link`): to follow one, the loader has to read it. */
function linksToShim(): string[] {
  const links: string[] = [];
  let folder = dirname(SELF);
  while (folder !== dirname(folder)) {
    folder = dirname(folder);
    for (const name of ['', '@bjorn3', SHIM]) {
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
  readonly jail: Jail;
  /** Its working directory, which is there. */
  readonly dir: string;
  /** 0 (as we) … 19 (only what is left over). */
  readonly niceness: number;
  readonly memoryMib: number;
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
  onReady(): void;
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
    const {jail, dir, niceness, memoryMib, lengthMax} = options;
    this.#handlers = handlers;
    this.#reader = new FrameReader(lengthMax);
    const argv = [realpathSync(process.execPath), ...ENGINE_FLAGS, ...sourceFlags(), WORKER];
    const readable = [realpathSync(process.execPath), ...readablePaths()];
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
      this.#handlers.onReady();
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
