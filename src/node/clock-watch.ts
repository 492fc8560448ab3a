// Whether what this node knows of the master's clock can still be true.

import type {MonoMs, Now, WallMs} from '../base/types.ts';
import type {ClockSync} from '../core/clock-sync.ts';

/** Rounding moves the two clocks of a machine against each other by less than this. */
const WALL_STEP_MS = 1;
/** A word of the master in an Assign is not on its way for longer than this. */
const MASTER_STEP_MS = 4_000;

export class ClockWatch {
  #offset: number | undefined;

  /**
   * A machine that slept did not count the time (CLOCK_MONOTONIC stands still), but its wall clock went on. What
   * it knew of the master's clock is wrong then, and it must not take an old command for a fresh one. A wall
   * clock that somebody set looks the same; asking the master anew costs little.
   *
   * @returns by how many milliseconds the wall clock moved against the monotonic one; 0 = it did not
   */
  jumpOf({mono, wall}: Now): number {
    const offset = wall - mono;
    const before = this.#offset ?? offset;
    this.#offset = offset;
    return Math.abs(offset - before) < WALL_STEP_MS ? 0 : offset - before;
  }

  /** The master's machine slept: its clock is behind what we think, and its commands would look too old. */
  contradicts(clock: ClockSync, said: WallMs, now: MonoMs): boolean {
    const known = clock.toWall(now);
    return known !== undefined && Math.abs(said - known) > MASTER_STEP_MS;
  }
}
