// One run at a time has a state file of `volley map --resume`: two would each write results that the other wrote.
//
//   run.state.lock        {"pid":123,"host":"laptop","id":…}; left over from a kill it is taken over
//   run.state.lock.over   the same, for the moment in which somebody takes it over
//
// Node has no flock. A lock is a link: it is there whole, or not at all, and one of many makes it. Two who find that
// its holder is dead must not both remove it: the second one would remove the lock that the first one made. So who
// removes one holds its `.over` while he looks again and removes; that one is a lock like any other.
//
// Of a process of another machine (a folder that two of them share) nobody here knows whether it still runs, so its
// lock stays until somebody deletes it.

import {randomBytes} from 'node:crypto';
import {linkSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import process from 'node:process';
import {VolleyError} from '../base/errors.ts';
import {errnoOf, isAlive} from '../io/key-files.ts';

type Holder = {readonly pid: number; readonly host: string};

/** Who has a lock, or may: unknown where its file is none of ours. */
type Held = {readonly path: string; readonly holder: Holder | undefined};

/** A take-over is some system calls of another process. */
const OVER_TRIES = 200;
const OVER_MS = 5;

export class StateLock {
  readonly #path: string;
  /** What its file says, and no other one. */
  readonly #text: string;

  /** Throws VOLLEY_USAGE while another run holds it. */
  constructor(statePath: string) {
    this.#path = `${statePath}.lock`;
    const id = randomBytes(8).toString('hex');
    this.#text = JSON.stringify({pid: process.pid, host: hostname(), id});
    const draft = `${this.#path}.${id}`;
    let held: Held | undefined;
    try {
      writeFileSync(draft, this.#text);
      held = take(this.#path, draft);
    } catch (error) {
      const [message] = (error instanceof Error ? error.message : String(error)).split(', ');
      const reason = `${message} (its lock file)`;
      throw new VolleyError('VOLLEY_CANNOT_WRITE', {path: statePath, reason}, error);
    } finally {
      rmSync(draft, {force: true});
    }
    if (held) throw inUse(statePath, held);
  }

  /** One that somebody deleted may be another run's by now. */
  release(): void {
    if (textOf(this.#path) === this.#text) rmSync(this.#path, {force: true});
  }
}

function inUse(statePath: string, {path, holder}: Held): VolleyError {
  const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another run';
  const reason = `${statePath} is in use by ${who}; wait for its end, or delete ${path} if there is no such run`;
  return new VolleyError('VOLLEY_USAGE', {reason});
}

/** Returns who has it; undefined = we. */
function take(path: string, draft: string): Held | undefined {
  for (let tries = 0; ; ) {
    if (link(draft, path)) return undefined;
    const text = textOf(path);
    if (text === undefined) continue; // its holder has just gone
    const holder = holderIn(text);
    if (!isDead(holder)) return {path, holder};
    const other = removeDead(path, draft);
    if (other && ++tries === OVER_TRIES) return other;
    if (other) pause();
  }
}

/** Returns who is about to do so. */
function removeDead(path: string, draft: string): Held | undefined {
  const over = `${path}.over`;
  const other = take(over, draft);
  if (other) return other;
  try {
    const text = textOf(path);
    if (text !== undefined && isDead(holderIn(text))) rmSync(path, {force: true});
  } finally {
    rmSync(over, {force: true});
  }
  return undefined;
}

const isDead = (holder: Holder | undefined): boolean =>
  holder?.host === hostname() && !isAlive(holder.pid);

function link(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** undefined = there is no such file. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function holderIn(text: string): Holder | undefined {
  try {
    const {pid, host} = JSON.parse(text) as Partial<Holder>;
    return typeof pid === 'number' && typeof host === 'string' ? {pid, host} : undefined;
  } catch {
    return undefined;
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OVER_MS);
}
