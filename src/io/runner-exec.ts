// Runs one workunit of an exec app: the program that the node's owner wrote beside the action's name,
// never a shell. Input on stdin, output on stdout. Time and output are held as for wasm; what else the
// program may do is what the owner's account may do.

import {type ChildProcessWithoutNullStreams, spawn} from 'node:child_process';
import {closeSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {MIB} from '../base/units.ts';
import type {FailReason} from '../wire/message.ts';
import {MemoryWatch} from './memory-watch.ts';
import {type Means, ofGroup} from './program-means.ts';
import type {ExecProgram, Outcome} from './runner-job.ts';

const STDERR_CHARS_MAX = 200;
/** For output that is still in the pipes when the program has ended. */
const PIPES_GRACE_MS = 1_000;

const PLACE = /\{(\d{1,2})\}/g;
const BUNDLE = '{bundle}';
const PLACES = /\{(bundle|\d{1,2})\}/g;

/** Does the owner's line take files of the app? */
export const takesBundle = (template: readonly string[]): boolean =>
  template.some(element => element.includes(BUNDLE));

/**
 * An action's argv with the batch's args filled in: an element `{args}` becomes all of them, `{1}` …
 * `{16}` inside an element the one of that number, '' when it is missing. `{bundle}` is the folder of the
 * app's files. What is filled in is not looked at again.
 */
export const fillArgv = (
  template: readonly string[],
  args: readonly string[],
  folder = '',
): string[] =>
  template.flatMap(element =>
    element === '{args}'
      ? args
      : [
          element.replace(PLACES, (_, place: string) =>
            place === 'bundle' ? folder : (args[Number(place) - 1] ?? ''),
          ),
        ],
  );

/** Why these args cannot be given: no place asks for the last of them. As for captures. */
export function surplusOf(
  template: readonly string[],
  args: readonly string[],
): string | undefined {
  if (template.includes('{args}')) return undefined;
  const places = template.flatMap(element => Array.from(element.matchAll(PLACE), ([, no]) => no));
  const taken = Math.max(0, ...places.map(Number));
  if (args.length <= taken) return undefined;
  return taken === 0
    ? 'the action takes no arguments'
    : `the action takes at most ${taken} arguments, the batch gives ${args.length}`;
}

export type ExecOrder = {
  readonly program: ExecProgram;
  readonly input: Uint8Array;
  /** Its file descriptor 4; empty = nothing to read there. */
  readonly shared: Uint8Array;
  readonly timeMs: number;
  /** Of the program and all that it started, resident. */
  readonly memoryMib: number;
  readonly outputBytesMax: number;
  readonly dir: string;
};

export type ExecRun = {
  /** Ends the program and all that it started; no outcome follows. */
  readonly stop: () => void;
  /** Stops it, or lets it go on; its time limit stands still with it. */
  readonly hold: (isHeld: boolean) => void;
  /** The program is gone. */
  readonly ended: Promise<void>;
};

/** As `execute`; where that cannot even begin, this is how it ended. */
export function begun(order: ExecOrder, done: (outcome: Outcome) => void): ExecRun {
  try {
    return execute(order, done);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const ended = Promise.resolve().then(() =>
      done({kind: 'failed', reason: 'inputMissing', detail, cpuMs: 0}),
    );
    return {stop: () => {}, hold: () => {}, ended};
  }
}

/** `done` is called once, unless stopped before. Throws when the disk has no room for what is shared. */
function execute(order: ExecOrder, done: (outcome: Outcome) => void): ExecRun {
  const {argv, env, openMeans = ofGroup} = order.program;
  const [program = '', ...args] = argv;
  const startedAt = performance.now();
  // A process group of its own, so that what it starts ends with it.
  const shared = readableOf(order.dir, order.shared);
  const child = spawn(program, args, {
    cwd: order.dir,
    env: env ?? {PATH: process.env['PATH'] ?? '/usr/bin:/bin'},
    stdio: ['pipe', 'pipe', 'pipe', 'ignore', shared],
    detached: true,
  }) as ChildProcessWithoutNullStreams;
  closeSync(shared);
  let verdict: Outcome | undefined;
  let isOver = false;
  const elapsedMs = (): number => performance.now() - startedAt - still.ms;
  const failed = (reason: FailReason, detail: string): void => {
    verdict ??= {kind: 'failed', reason, detail, cpuMs: elapsedMs()};
    means.kill();
  };
  const means = openMeans(child.pid, why => failed('runnerLost', why));
  const still = new Stillness(means);
  const limit = (): NodeJS.Timeout =>
    setTimeout(
      () => failed('timedOut', `not done within ${order.timeMs} ms`),
      Math.max(1, order.timeMs - elapsedMs()),
    );
  let timer = limit();
  const memory = new MemoryWatch(() =>
    failed('outOfMemory', `more than ${order.memoryMib} MiB of memory`),
  );
  if (child.pid !== undefined && means.isOurs) memory.watch(child.pid, order.memoryMib * MIB);
  const said = gather(child, order.outputBytesMax, () =>
    failed('outputTooLarge', 'more output than allowed'),
  );
  // A program need not read its input.
  child.stdin.on('error', () => {});
  child.stdin.end(order.input);
  const ended = endOf(child, end => {
    clearTimeout(timer);
    memory.stop();
    if (means.isOurs || (end.kind === 'closed' && end.signal !== null)) means.kill();
    const outcome =
      end.kind === 'closed'
        ? (verdict ?? outcomeOf(end, said, elapsedMs(), means))
        : ({kind: 'failed', reason: 'refused', detail: end.detail, cpuMs: 0} as const);
    if (!isOver) done(outcome);
    isOver = true;
  }).then(means.gone);
  const stop = (): void => {
    isOver = true;
    means.kill();
  };
  const hold = (isHeld: boolean): void => {
    clearTimeout(timer);
    still.become(isHeld);
    if (!isHeld && !isOver) timer = limit();
  };
  return {stop, hold, ended};
}

/** A descriptor from which these bytes can be read, in a file without a name. Throws where there is no room. */
function readableOf(dir: string, bytes: Uint8Array): number {
  if (bytes.length === 0) return openSync('/dev/null', 'r');
  const path = join(dir, '.shared');
  try {
    writeFileSync(path, bytes, {mode: 0o600});
    return openSync(path, 'r');
  } finally {
    rmSync(path, {force: true});
  }
}

/** How long a program was made to stand still. */
class Stillness {
  readonly #means: Means;
  #ms = 0;
  #since: number | undefined;

  constructor(means: Means) {
    this.#means = means;
  }

  get ms(): number {
    return this.#ms + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  become(isStill: boolean): void {
    if (isStill === (this.#since !== undefined)) return;
    this.#means.become(isStill);
    this.#ms = this.ms;
    this.#since = isStill ? performance.now() : undefined;
  }
}

type Said = {readonly chunks: Uint8Array[]; stderr: string};

/** What the program says, as far as it is allowed to. */
function gather(
  child: ChildProcessWithoutNullStreams,
  bytesMax: number,
  tooMuch: () => void,
): Said {
  const said: Said = {chunks: [], stderr: ''};
  let size = 0;
  child.stdout.on('data', (chunk: Uint8Array) => {
    size += chunk.length;
    if (size > bytesMax) tooMuch();
    else said.chunks.push(chunk);
  });
  child.stderr.on('data', (chunk: Uint8Array) => {
    said.stderr = (said.stderr + String(chunk)).slice(-STDERR_CHARS_MAX);
  });
  return said;
}

type End =
  | {readonly kind: 'closed'; readonly code: number | null; readonly signal: string | null}
  | {readonly kind: 'notStarted'; readonly detail: string};

/** Calls back once; resolves after that. */
function endOf(child: ChildProcessWithoutNullStreams, take: (end: End) => void): Promise<void> {
  return new Promise<void>(resolve => {
    const finish = (end: End): void => {
      take(end);
      resolve();
    };
    child.on('error', error => {
      // A program that cannot be started never closes.
      if (child.pid === undefined) finish({kind: 'notStarted', detail: error.message});
    });
    // What left the group (a daemon) may hold the pipes open for ever.
    child.on('exit', () => {
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, PIPES_GRACE_MS).unref();
    });
    child.on('close', (code, signal) => finish({kind: 'closed', code, signal}));
  });
}

function outcomeOf(
  {code, signal}: Extract<End, {readonly kind: 'closed'}>,
  {stderr, chunks}: Said,
  cpuMs: number,
  means: Means,
): Outcome {
  if (code === 0) return {kind: 'done', output: Buffer.concat(chunks), cpuMs};
  const how = signal === null ? `exit code ${code}` : `ended by ${signal}`;
  const said = stderr.trim();
  const detail = said === '' ? how : `${how}: ${said}`;
  const own = signal === null ? 'trapped' : 'runnerLost';
  const reason = (code === null ? undefined : means.reasonOf(code)) ?? own;
  return {kind: 'failed', reason, detail, cpuMs};
}
