// A command that is started for each shot: `{file}` `{shot}` `{at}` in its arguments are filled in, an
// argument `{args}` becomes all of the operator's, and never a shell. It has fired when it has started.

import type {MonoMs} from '../base/types.ts';
import type {Applied} from '../core/action-events.ts';
import {Program} from './program.ts';
import {
  type ProgramSpec,
  type Shooter,
  type ShotEnd,
  type ShotJob,
  STOPPING,
  seconds,
} from './shooter.ts';

export class CommandProgram implements Shooter {
  readonly aheadMs = 0;
  readonly isReady = true;
  readonly #spec: ProgramSpec;
  readonly #pathOf: (file: string) => string;
  #program: Program | undefined;
  #stopping = false;
  #aborted = '';

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
    if (job.isPreview) return this.#ended(undefined, 'the action makes no previews');
    if (job.args.length > 0 && !argv.includes('{args}')) {
      return this.#ended(undefined, 'the action takes no arguments');
    }
    const program = new Program(fillTemplate(argv, job, this.#pathOf(job.file)), dir, 'ignore');
    // spawn has returned: the program runs since a moment, or never will
    const firedAt = program.started ? clock.now().mono : undefined;
    this.#program = program;
    this.#aborted = '';
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      program.kill();
    }, timeoutMs);
    let failure = await program.gone;
    clearTimeout(timer);
    this.#program = undefined;
    if (isLate) failure = `the action took longer than ${seconds(timeoutMs)}`;
    else if (this.#stopping) failure = STOPPING;
    else if (this.#aborted !== '') failure = this.#aborted;
    return this.#ended(firedAt, failure === '' ? undefined : failure);
  }

  set(): Promise<Applied> {
    const reason = 'the action takes no settings: it is started anew for each shot';
    return Promise.resolve({ok: false, reason});
  }

  abort(reason: string): void {
    this.#aborted = reason;
    this.#program?.kill();
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
