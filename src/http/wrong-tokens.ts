// Wrong tokens, counted by the address they come from. Nobody guesses 32 random bytes; the count tells a
// program with an old token to slow down, and the operator that somebody tries. It never keeps a right
// token out: on one machine all programs share one address, and an owner must not be locked out by another.

import {keepNewest} from '../base/newest.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';

/** From here on the answer is "wait". */
const FAILURES_MAX = 5;
const WINDOW_MS = MINUTE_MS;
/** Addresses remembered; the oldest goes first. */
const SOURCES_MAX = 1_024;

type Count = {since: number; failures: number};

export class WrongTokens {
  readonly #counts = new Map<string, Count>();

  /** One more from there. @returns seconds to wait, 0 while there are few. */
  note(source: string, now: number): number {
    let count = this.#counts.get(source);
    // A clock that was set back begins a new window too.
    if (count === undefined || now - count.since >= WINDOW_MS || now < count.since) {
      count = {since: now, failures: 0};
      this.#counts.delete(source);
      this.#counts.set(source, count);
      keepNewest(this.#counts, SOURCES_MAX);
    }
    count.failures++;
    if (count.failures <= FAILURES_MAX) return 0;
    return Math.max(1, Math.ceil((count.since + WINDOW_MS - now) / SECOND_MS));
  }
}
