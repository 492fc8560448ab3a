// Keeps the board quiet around the instants of shots: what computes stands still from shortly before until shortly
// after, for a busy processor costs 2 to 5 ms of lateness now and then.

import type {MonoMs} from '../base/types.ts';
import type {Clock} from '../runtime/ports.ts';

/** Enough to stop all of some dozen processes, and for what they have in hand to end. */
const BEFORE_MS = 50;
/** An exposure; a camera that writes its file may be disturbed. */
const AFTER_MS = 100;
const TIMER_MS_MAX = 2 ** 30;

export class QuietTimes {
  readonly #clock: Clock;
  readonly #hush: (isQuiet: boolean) => void;
  /** Instants that are not over. */
  readonly #instants: MonoMs[] = [];
  #isQuiet = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param hush called with each change */
  constructor(clock: Clock, hush: (isQuiet: boolean) => void) {
    this.#clock = clock;
    this.#hush = hush;
  }

  /** Of an instant that is over or all but over nothing follows: stopping takes time too. */
  expect(at: MonoMs): void {
    if (at - this.#clock.now().mono < BEFORE_MS / 2) return;
    this.#instants.push(at);
    this.#look();
  }

  /** A shot of this instant was cancelled; another one of it keeps it quiet. */
  forget(at: MonoMs): void {
    const i = this.#instants.indexOf(at);
    if (i < 0) return;
    this.#instants.splice(i, 1);
    this.#look();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#instants.length = 0;
    this.#become(false);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const now = this.#clock.now().mono;
    const left = this.#instants.filter(at => at + AFTER_MS > now);
    this.#instants.splice(0, this.#instants.length, ...left);
    this.#become(left.some(at => at - BEFORE_MS <= now));
    const changes = left.map(at => (at - BEFORE_MS > now ? at - BEFORE_MS : at + AFTER_MS));
    if (changes.length === 0) return;
    const nextMs = Math.min(...changes) - now;
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.ceil(nextMs), TIMER_MS_MAX));
    this.#timer.unref();
  }

  #become(isQuiet: boolean): void {
    if (isQuiet === this.#isQuiet) return;
    this.#isQuiet = isQuiet;
    this.#hush(isQuiet);
  }
}
