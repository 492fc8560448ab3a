// Lets work run a part of the time: on for a while, still for a while. Short, so that a fan and a person do not
// notice; long, so that stopping costs nothing against it.

/** One turn of on and still. */
const PERIOD_MS = 400;
/** Shorter than this is not worth two signals: the turn gets longer instead. */
const LEAST_MS = 20;

export class DutyCycle {
  readonly #set: (isOn: boolean) => void;
  readonly #isNeeded: () => boolean;
  #percent = 100;
  #isOn = true;
  #timer: NodeJS.Timeout | undefined;

  /** @param set called with each change; @param isNeeded false = nothing runs: no timer either */
  constructor(set: (isOn: boolean) => void, isNeeded: () => boolean) {
    this.#set = set;
    this.#isNeeded = isNeeded;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  change(percent: number): void {
    this.#percent = percent;
    this.wake();
  }

  /** There may be work again, or less of a limit. */
  wake(): void {
    if (this.#percent >= 100) this.stop();
    else if (this.#timer === undefined) this.#turn(true);
  }

  #turn(isOn: boolean): void {
    this.#timer = undefined;
    this.#become(isOn || !this.#isNeeded());
    if (!this.#isNeeded()) return;
    const least = Math.min(this.#percent, 100 - this.#percent);
    const periodMs = Math.max(PERIOD_MS, (100 * LEAST_MS) / least);
    const part = isOn ? this.#percent / 100 : 1 - this.#percent / 100;
    this.#timer = setTimeout(() => this.#turn(!isOn), periodMs * part);
  }

  #become(isOn: boolean): void {
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    this.#set(isOn);
  }

  /** From now on all of the time. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#become(true);
  }
}
