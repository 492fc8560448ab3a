import type {MonoMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';

/** Lets `perSecond` things through in the long run, and at most `burst` at once. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, burst: number = 2 * perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = 0;
  }

  /** Is there one? */
  has(now: MonoMs): boolean {
    return this.#at(now) >= 1;
  }

  /** Takes one, or says that there is none. */
  take(now: MonoMs): boolean {
    this.#tokens = this.#at(now);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #at(now: MonoMs): number {
    const gained = ((now - this.#filledAt) * this.#perSecond) / SECOND_MS;
    return Math.min(this.#burst, this.#tokens + Math.max(0, gained));
  }
}
