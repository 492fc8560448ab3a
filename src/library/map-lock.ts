// One run at a time has a state file of `volley map --resume`: two would each write results that the other wrote.
//
//   run.state.lock   {"pid":123,"host":"laptop"}; left over from a kill it is taken over
//
// Node has no flock. Of a process of another machine (a folder that two of them share) nobody here knows whether
// it still runs, so its lock stays until somebody deletes it.

import {linkSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import process from 'node:process';
import {VolleyError} from '../base/errors.ts';
import {errnoOf, isAlive} from '../io/key-files.ts';

type Holder = {readonly pid: number; readonly host: string};

export class StateLock {
  readonly #path: string;

  /** Throws VOLLEY_USAGE while another run holds it. */
  constructor(statePath: string) {
    this.#path = `${statePath}.lock`;
    const draft = `${this.#path}.${process.pid}`;
    try {
      const own: Holder = {pid: process.pid, host: hostname()};
      writeFileSync(draft, JSON.stringify(own));
      while (!this.#take(draft)) this.#clear(statePath);
    } catch (error) {
      if (error instanceof VolleyError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new VolleyError('VOLLEY_CANNOT_WRITE', {path: this.#path, reason}, error);
    } finally {
      rmSync(draft, {force: true});
    }
  }

  release(): void {
    rmSync(this.#path, {force: true});
  }

  /** A link: it is there whole, or not at all. */
  #take(draft: string): boolean {
    try {
      linkSync(draft, this.#path);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  /** Throws when its holder runs, or may. */
  #clear(statePath: string): void {
    const holder = this.#holder();
    if (holder === 'gone') return;
    if (holder?.host === hostname() && !isAlive(holder.pid)) {
      rmSync(this.#path, {force: true});
      return;
    }
    const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another run';
    const reason = `${statePath} is in use by ${who}; wait for its end, or delete ${this.#path} if there is no such run`;
    throw new VolleyError('VOLLEY_USAGE', {reason});
  }

  #holder(): Holder | 'gone' | undefined {
    try {
      const {pid, host} = JSON.parse(readFileSync(this.#path, 'utf8')) as Partial<Holder>;
      return typeof pid === 'number' && typeof host === 'string' ? {pid, host} : undefined;
    } catch (error) {
      return errnoOf(error) === 'ENOENT' ? 'gone' : undefined;
    }
  }
}
