// Programs that carry out shots. Two kinds:
//
// A persistent one is started beforehand, so that starting is not in the path of a shot. It runs in
// the folder of the shots and speaks lines:
//   it  > us   ready                              once, when it is armed
//   us  > it   fire <shot> <file> <asked> [args]  at the instant: do it now. <shot> is `capture-shot`; <file>
//              a bare name without spaces to write to; <asked> the asked instant on the master's clock, in
//              milliseconds since 1970 with a fraction; [args] a JSON list of texts when there are any
//   it  > us   fired <shot> <unix ms>             it triggered, by its own wall clock, with a fraction
//   it  > us   done <shot> <file>[,<file>...]     what it wrote: bare names that begin with <shot>
//   it  > us   failed <shot> <reason>             instead of done
// Other lines are not for us. The end of its input tells it to end. It fired between our writing of
// `fire` and our reading of `fired` (some 0.1 ms, more on a busy board): its own word only says
// where between. A word far outside is no truth (a clock that was set): then the reading counts,
// late by at most that time. So a firing is never told earlier than it was asked for.
//
// A command is started for each shot: `{file}` `{shot}` `{at}` in its arguments are filled in, an
// argument `{args}` becomes all of the operator's, and never a shell. It has fired when it has
// started.

import {asMonoMs, type MonoMs, type WallMs} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {Clock} from '../runtime/ports.ts';
import {onLines, Program} from './program.ts';

export type ShotJob = {
  /** `capture-shot`, e.g. `42-1`; begins the name of every file of the shot. */
  readonly shot: string;
  /** Bare name of the file to write, in the program's working folder. */
  readonly file: string;
  readonly askedWall: WallMs;
  readonly args: readonly string[];
};

export type ShotEnd = {
  /** undefined = it never fired. */
  readonly firedAt: MonoMs | undefined;
  readonly doneAt: MonoMs;
  /** What the program says it wrote; undefined = whatever begins with the shot's name. */
  readonly files: readonly string[] | undefined;
  readonly failure: string | undefined;
};

/** One shot at a time: `shoot` is not called again before its promise is fulfilled. */
export interface Shooter {
  /** Starts what can be started before the instant. */
  arm(): void;
  /** Triggers now, in this turn when it is armed. Always fulfilled, at the latest at the time limit. */
  shoot(job: ShotJob): Promise<ShotEnd>;
  /** Kills what runs; a shot under way ends as failed. */
  close(): Promise<void>;
}

export type ProgramSpec = {
  readonly argv: readonly string[];
  /** Working folder. */
  readonly dir: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** A persistent one was started. */
  readonly onStart?: (pid: number) => unknown;
};

/** An armed program that nobody asks for ends, so that a camera is free for others. */
export const IDLE_END_MS = 10 * MINUTE_MS;
/** From the end of its input to its forced end. */
const END_GRACE_MS = 2 * SECOND_MS;

/** Two processes' ideas of the wall clock, each of which runs evenly from its own start. */
const CLOCKS_APART_MS = 1;

const seconds = (ms: number): string => `${ms / SECOND_MS} s`;

type Underway = {
  readonly job: ShotJob;
  readonly end: (shot: ShotEnd) => void;
  readonly timer: NodeJS.Timeout;
  /** When `fire` was written; undefined = not armed yet. */
  toldAt: MonoMs | undefined;
  firedAt: MonoMs | undefined;
};

export class PersistentProgram implements Shooter {
  readonly #spec: ProgramSpec;
  readonly #idleEndMs: number;
  readonly #running = new Set<Program>();
  #program: Program | undefined;
  #ready = false;
  #underway: Underway | undefined;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(spec: ProgramSpec, idleEndMs: number = IDLE_END_MS) {
    this.#spec = spec;
    this.#idleEndMs = idleEndMs;
  }

  arm(): void {
    if (this.#program !== undefined || this.#closed) return;
    const program = new Program(this.#spec.argv, this.#spec.dir, 'pipe');
    this.#program = program;
    this.#ready = false;
    this.#running.add(program);
    if (program.child?.pid !== undefined) this.#spec.onStart?.(program.child.pid);
    onLines(program.child, line => {
      if (this.#program === program) this.#onLine(line);
    });
    void program.gone.then(reason => this.#onGone(program, reason));
    this.#restartIdle();
  }

  shoot(job: ShotJob): Promise<ShotEnd> {
    return new Promise(end => {
      const timer = setTimeout(() => this.#onTimeout(), this.#spec.timeoutMs);
      this.#underway = {job, end, timer, toldAt: undefined, firedAt: undefined};
      clearTimeout(this.#idle);
      this.arm();
      if (this.#ready) this.#tell();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#end('the node is stopping', undefined);
    this.#program = undefined;
    const running = [...this.#running];
    for (const program of running) program.kill();
    await Promise.all(running.map(program => program.gone));
  }

  #tell(): void {
    const shot = this.#underway;
    if (shot === undefined || shot.toldAt !== undefined) return;
    const {job} = shot;
    const args = job.args.length === 0 ? '' : ` ${JSON.stringify(job.args)}`;
    shot.toldAt = this.#spec.clock.now().mono;
    this.#program?.child?.stdin?.write(
      `fire ${job.shot} ${job.file} ${job.askedWall.toFixed(3)}${args}\n`,
    );
  }

  #onLine(line: string): void {
    const [word, name, ...rest] = line.split(' ');
    if (word === 'ready') {
      this.#ready = true;
      this.#tell();
      return;
    }
    const shot = this.#underway;
    // a late line of an earlier shot says nothing about this one
    if (shot === undefined || shot.toldAt === undefined || name !== shot.job.shot) return;
    if (word === 'fired')
      shot.firedAt ??= this.#instantOf(Number(rest[0] ?? Number.NaN), shot.toldAt);
    else if (word === 'failed') this.#end(rest.join(' ') || 'the action gave no reason', undefined);
    else if (word === 'done') this.#onDone(shot, rest.join(' '));
  }

  #onDone(shot: Underway, list: string): void {
    if (shot.firedAt === undefined)
      this.#end('the action was done without having fired', undefined);
    else this.#end(undefined, list === '' ? [] : list.split(','));
  }

  /** The program's wall-clock instant on our monotonic clock. */
  #instantOf(claimedWall: number, toldAt: MonoMs): MonoMs {
    const {mono, wall} = this.#spec.clock.now();
    const instant = mono - (wall - claimedWall);
    const isNear = instant > toldAt - CLOCKS_APART_MS && instant < mono + CLOCKS_APART_MS;
    return isNear ? asMonoMs(Math.min(Math.max(instant, toldAt), mono)) : mono;
  }

  #onTimeout(): void {
    const what = this.#ready ? 'the action took' : 'starting the action took';
    this.#program?.kill();
    this.#program = undefined;
    this.#end(`${what} longer than ${seconds(this.#spec.timeoutMs)}`, undefined);
  }

  #onGone(program: Program, reason: string): void {
    this.#running.delete(program);
    if (this.#program !== program) return;
    this.#program = undefined;
    clearTimeout(this.#idle);
    this.#end(reason === '' ? 'the action ended before the shot was done' : reason, undefined);
  }

  #end(failure: string | undefined, files: readonly string[] | undefined): void {
    const shot = this.#underway;
    if (shot === undefined) return;
    this.#underway = undefined;
    clearTimeout(shot.timer);
    this.#restartIdle();
    shot.end({
      firedAt: shot.firedAt,
      doneAt: this.#spec.clock.now().mono,
      files: files ?? [],
      failure,
    });
  }

  #restartIdle(): void {
    clearTimeout(this.#idle);
    if (this.#program === undefined) return;
    this.#idle = setTimeout(() => this.#endIdle(), this.#idleEndMs);
    this.#idle.unref();
  }

  #endIdle(): void {
    const program = this.#program;
    if (program === undefined || this.#underway !== undefined) return;
    this.#program = undefined;
    program.child?.stdin?.end();
    setTimeout(() => {
      if (this.#running.has(program)) program.kill();
    }, END_GRACE_MS).unref();
  }
}

export class CommandProgram implements Shooter {
  readonly #spec: ProgramSpec;
  readonly #pathOf: (file: string) => string;
  #program: Program | undefined;
  #stopping = false;

  /** @param pathOf absolute path of a file in the working folder */
  constructor(spec: ProgramSpec, pathOf: (file: string) => string) {
    this.#spec = spec;
    this.#pathOf = pathOf;
  }

  arm(): void {
    // it starts with the shot
  }

  async shoot(job: ShotJob): Promise<ShotEnd> {
    const {argv, dir, timeoutMs, clock} = this.#spec;
    if (job.args.length > 0 && !argv.includes('{args}')) {
      return this.#ended(undefined, 'the action takes no arguments');
    }
    const program = new Program(fillTemplate(argv, job, this.#pathOf(job.file)), dir, 'ignore');
    // spawn has returned: the program runs since a moment, or never will
    const firedAt = program.started ? clock.now().mono : undefined;
    this.#program = program;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      program.kill();
    }, timeoutMs);
    let failure = await program.gone;
    clearTimeout(timer);
    this.#program = undefined;
    if (isLate) failure = `the action took longer than ${seconds(timeoutMs)}`;
    else if (this.#stopping) failure = 'the node is stopping';
    return this.#ended(firedAt, failure === '' ? undefined : failure);
  }

  async close(): Promise<void> {
    this.#stopping = true;
    this.#program?.kill();
    await this.#program?.gone;
  }

  #ended(firedAt: MonoMs | undefined, failure: string | undefined): ShotEnd {
    return {firedAt, doneAt: this.#spec.clock.now().mono, files: undefined, failure};
  }
}

/** The template's arguments with their places filled; what is filled in is never looked at again. */
export function fillTemplate(
  argv: readonly string[],
  job: ShotJob,
  path: string,
): readonly string[] {
  const values: Readonly<Record<string, string>> = {
    '{file}': path,
    '{shot}': job.shot,
    '{at}': job.askedWall.toFixed(3),
  };
  return argv.flatMap(part =>
    part === '{args}'
      ? job.args
      : [part.replace(/\{(?:file|shot|at)\}/g, place => values[place] ?? place)],
  );
}
