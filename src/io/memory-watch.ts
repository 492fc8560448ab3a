// Ends what takes too much memory: looks at a process and its descendants several times in fifty
// milliseconds, while something runs in it.

import {residentBytes} from './process-memory.ts';

/** Often enough that a kill follows within 50 ms; a look takes some 20 µs. */
const LOOK_MS = 20;

export class MemoryWatch {
  readonly #onTooMuch: () => void;
  #timer: NodeJS.Timeout | undefined;
  #pid = 0;
  #bytesMax = 0;

  /** @param onTooMuch called once for each watch() */
  constructor(onTooMuch: () => void) {
    this.#onTooMuch = onTooMuch;
  }

  /** From now on this process and this limit, until stop(). */
  watch(pid: number, bytesMax: number): void {
    this.#pid = pid;
    this.#bytesMax = bytesMax;
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    if (residentBytes(this.#pid) <= this.#bytesMax) return;
    this.stop();
    this.#onTooMuch();
  }
}
