// Meets an instant: a timer to a few milliseconds before it, then a wait that only the kernel ends, then a short
// spin. A timer of Node alone is up to 1 ms late and up to 0.5 ms early. Spinning for long uses up the time slice of a
// process, and whoever has used it up is put aside just when it matters; so most of the last milliseconds are slept.
// Nothing ever comes early.

import type {MonoMs} from '../base/types.ts';
import type {Clock} from '../runtime/ports.ts';

/** The timer ends so long before: it may be late by a turn of the event loop. */
const TIMER_AHEAD_MS = 5;
/** Waking up takes the kernel some 0.1 ms, more on a small board. */
const SPIN_MS = 0.3;
/** Timers above 2^31-1 ms fire at once; a day is as good, since it looks again. */
const TIMER_MS_MAX = 2 ** 30;

const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4));

/** Until a timer is due that leaves the last milliseconds to standUntil; 0 = that is now. */
export const timerMs = (at: MonoMs, now: MonoMs): number =>
  Math.min(Math.max(0, at - TIMER_AHEAD_MS - now), TIMER_MS_MAX);

/** Returns at the instant and not before it: nothing else of this process happens until then. */
export function standUntil(at: MonoMs, clock: Clock): void {
  for (;;) {
    const leftMs = at - clock.now().mono;
    if (leftMs <= 0) return;
    if (leftMs > SPIN_MS) Atomics.wait(NEVER_WOKEN, 0, 0, leftMs - SPIN_MS);
  }
}
