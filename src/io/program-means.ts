// How a program is ended and made to stand still, with all that belongs to it. One that we started is a group of
// processes; one in a container is the engine's (runner-container.ts).

import type {FailReason} from '../wire/message.ts';
import {goOn, standStill} from './stand-still.ts';

export type Means = {
  /** true: it and what it started are descendants of ours, whose memory can be looked at. */
  readonly isOurs: boolean;
  /** Ends all of it; also after its end, and again. */
  readonly kill: () => void;
  readonly become: (isStill: boolean) => void;
  /** What this exit code means, where that is not the program's own word. */
  readonly reasonOf: (code: number) => FailReason | undefined;
  /** Resolves when what kill() began is over. */
  readonly gone: () => Promise<void>;
};

/** Calls `fail` when the program cannot be made to stand still. */
export type OpenMeans = (pid: number | undefined, fail: (why: string) => void) => Means;

export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of the group have ended.
  }
}

/** Of a process that leads a group of its own. */
export const ofGroup: OpenMeans = pid => {
  let stopped: readonly number[] = [];
  return {
    isOurs: true,
    kill: () => killGroup(pid),
    become: isStill => {
      if (pid === undefined) return;
      if (isStill) stopped = standStill(pid);
      else goOn(stopped);
    },
    reasonOf: () => undefined,
    gone: async () => {},
  };
};
