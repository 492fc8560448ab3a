// How long to wait for an answer before saying it again, learnt from the answers. On a quiet LAN that is a
// few milliseconds, so what is lost on the way costs little; a master that is busy, or whose disk is slow,
// answers late every time and is not asked twice for it.

/** Enough that one of them was not lost on the way, also when half of all questions are. */
const SAMPLES = 16;
/** The way there and back, four times over: commits and turns of the master come and go. */
const TIMES = 4;
const WAIT_MS_MIN = 40;

export class RoundTrip {
  readonly #waitMsMax: number;
  readonly #samples: number[] = [];
  #at = 0;

  /** @param waitMsMax what is waited before anything is known, and at most */
  constructor(waitMsMax: number) {
    this.#waitMsMax = waitMsMax;
  }

  /** @param ms from the first time it was said to the answer, however often it was said */
  answered(ms: number): void {
    this.#samples[this.#at] = ms;
    this.#at = (this.#at + 1) % SAMPLES;
  }

  /** Until the first repeat. */
  get waitMs(): number {
    const least = Math.min(...this.#samples);
    return Math.min(this.#waitMsMax, Math.max(WAIT_MS_MIN, least * TIMES));
  }
}

/** Doubling would cost seconds after a few losses; a master that stands still for one is asked nine times. */
const GROWTH = 1.3;

/** The wait after this one. */
export const longerWait = (waitMs: number, maxMs: number): number =>
  Math.min(waitMs * GROWTH, Math.max(waitMs, maxMs));
