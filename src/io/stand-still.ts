// Stops processes and lets them go on, with all that they started: SIGSTOP and SIGCONT, which no program can
// refuse. What is stopped takes no processor and keeps its memory.

import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join, sep} from 'node:path';
import {processTree} from './process-memory.ts';

/** A program that forks while it is being stopped is looked at again, at most so often. */
const LOOKS_MAX = 4;

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
};

/** @returns those that were stopped, for goOn() */
export function standStill(pid: number): readonly number[] {
  const stopped = new Set<number>();
  for (let look = 0; look < LOOKS_MAX; look++) {
    const fresh = processTree(pid).filter(one => !stopped.has(one));
    if (fresh.length === 0) break;
    for (const one of fresh) {
      send(one, 'SIGSTOP');
      stopped.add(one);
    }
  }
  return [...stopped];
}

/** Children first: a parent that goes on must not find them standing still. */
export function goOn(pids: readonly number[]): void {
  for (const pid of [...pids].reverse()) send(pid, 'SIGCONT');
}

const text = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
};

const cwdOf = (pid: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
};

/**
 * Ends what an earlier life of the node left standing still in these folders: whoever is killed cannot let
 * go of what it stopped, and who stands still does not see that its node is gone. We start programs without
 * HOME; somebody's own that stands still here is not ours.
 *
 * @returns how many were ended
 */
export function endLeftovers(dir: string): number {
  let ended = 0;
  let pids: string[] = [];
  try {
    pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  } catch {
    // No /proc: nothing can be found.
  }
  for (const pid of pids) {
    if (Number(pid) === process.pid || !cwdOf(pid).startsWith(join(dir, sep))) continue;
    const isStopped = /^State:\s+T/m.test(text(`/proc/${pid}/status`));
    if (!isStopped || /(^|\0)HOME=/.test(text(`/proc/${pid}/environ`))) continue;
    send(Number(pid), 'SIGKILL');
    ended += 1;
  }
  return ended;
}
