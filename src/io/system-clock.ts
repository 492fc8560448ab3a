// The real clock: the only file of the house that knows timers, Date and performance.
//
// `mono` is performance.now(). `wall` is the same clock plus an offset, so that it has fractions of
// a millisecond and runs evenly; Date.now() only tells when the system's clock was set (NTP after
// boot, a suspended laptop), and then the offset is taken anew. Slewing moves both clocks alike.

import {uptime} from 'node:os';
import {asMonoMs, asWallMs, type MonoMs, NEVER, type Now, type WallMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Clock} from '../runtime/ports.ts';

/** What CLOCK_MONOTONIC, which all processes of a machine share, is ahead of our `mono`; ms. Never changes. */
export const KERNEL_AHEAD_MS = kernelAhead();

/** The two are read one after the other: of some tries the one that took least is within a microsecond or so. */
function kernelAhead(): number {
  let best = {tookMs: Number.POSITIVE_INFINITY, aheadMs: 0};
  for (let i = 0; i < 10; i++) {
    const before = performance.now();
    const kernelMs = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    const tookMs = after - before;
    if (tookMs < best.tookMs) best = {tookMs, aheadMs: kernelMs - (before + after) / 2};
  }
  return best.aheadMs;
}

/**
 * How long this machine has been suspended, ms, counted from anywhere and in steps of 10. Linux has a clock that goes on
 * meanwhile (CLOCK_BOOTTIME, which os.uptime tells) beside the monotonic one, which stands still; nobody who sets a wall
 * clock moves either. Elsewhere os.uptime goes by the wall clock, so nothing is told.
 */
export const sleptMs = (): number =>
  process.platform === 'linux' ? uptime() * SECOND_MS - performance.now() : 0;

/** Node turns anything above into 1 ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** Below this, Date.now() and our wall differ by rounding and by being read one after the other. */
const STEP_MS = 50;

export class SystemClock implements Clock {
  #offset = performance.timeOrigin;
  #at = NEVER;
  #ring: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #timerAt: number = NEVER;
  #immediate: NodeJS.Immediate | undefined;

  now(): Now {
    const mono = performance.now();
    // Twice, since we may have been put to sleep between the two readings.
    if (Math.abs(Date.now() - (mono + this.#offset)) > STEP_MS) this.#followStep();
    return {mono: asMonoMs(mono), wall: asWallMs(mono + this.#offset)};
  }

  alarmAt(at: MonoMs, ring: () => void): void {
    this.#at = at;
    this.#ring = ring;
    if (at === NEVER) this.#disarm();
    // A timer that ends before is kept: it arms the next one. Setting timers anew for each turn
    // costs.
    else if (this.#timer === undefined || this.#timerAt > at) this.#arm();
  }

  soon(turn: () => void): void {
    setImmediate(turn);
  }

  /** Takes the alarm back. Needs no call when the process ends. */
  close(): void {
    this.#at = NEVER;
    this.#disarm();
  }

  #arm(): void {
    this.#disarm();
    const now = performance.now();
    const delay = this.#at - now;
    if (delay <= 0) {
      this.#immediate = setImmediate(() => this.#onTimer());
      return;
    }
    const ms = Math.min(Math.ceil(delay), TIMER_MS_MAX);
    this.#timerAt = now + ms;
    this.#timer = setTimeout(() => this.#onTimer(), ms);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#timerAt = NEVER;
  }

  #onTimer(): void {
    this.#disarm();
    if (this.#at === NEVER) return;
    // setTimeout fires up to 0.5 ms early, and a capped timer long before.
    if (performance.now() < this.#at) {
      this.#arm();
      return;
    }
    this.#at = NEVER;
    this.#ring();
  }

  #followStep(): void {
    for (let i = 0; i < 3; i++) {
      const before = performance.now();
      const wall = Date.now();
      const after = performance.now();
      if (after - before > STEP_MS / 10) continue;
      const offset = wall + 0.5 - (before + after) / 2;
      if (Math.abs(offset - this.#offset) > STEP_MS) this.#offset = offset;
      return;
    }
  }
}

/** Calls `act` again and again; does not keep the process alive. The returned function ends it. */
export function every(ms: number, act: () => void): () => void {
  const timer = setInterval(act, Math.min(ms, TIMER_MS_MAX));
  timer.unref();
  return () => clearInterval(timer);
}

/** `2026-11-20T21:12:05.123Z`, for logs and file names. */
export const isoTime = (wall: WallMs): string => new Date(wall).toISOString();
