// How much of a map is under way, and what may still come: the window that is its back-pressure. And the way in
// which its parts wait for each other: nobody polls.

/** Wakes whoever waits; a call that comes before the wait is not lost. */
export class Wake {
  #called = false;
  #resolve: (() => void) | undefined;

  call(): void {
    this.#called = true;
    this.#resolve?.();
  }

  /** One waits at a time. */
  async wait(): Promise<void> {
    if (!this.#called)
      await new Promise<void>(resolve => {
        this.#resolve = resolve;
      });
    this.#resolve = undefined;
    this.#called = false;
  }
}

/** Until it is settled, but no longer. */
export async function within(settling: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([settling, late]);
  clearTimeout(timer);
}

export type Window = {
  /** Inputs read whose results were not taken. */
  readonly ahead: number;
  /** Bytes of them; the last one read may be above it. */
  readonly bytes: number;
  /** Batches. */
  readonly batches: number;
};

export class Room {
  readonly window: Window;
  /** Called when there is more room. */
  readonly #onFree: () => void;
  #inputs = 0;
  #bytes = 0;
  #batches = 0;

  constructor(window: Window, onFree: () => void) {
    this.window = window;
    this.#onFree = onFree;
  }

  /** Inputs that may still be read, beside `inputs` of `bytes` that were and are in no batch yet. */
  free(inputs: number, bytes: number): number {
    if (inputs + this.#inputs === 0) return this.window.ahead;
    if (bytes + this.#bytes >= this.window.bytes) return 0;
    return Math.max(0, this.window.ahead - this.#inputs - inputs);
  }

  get isIdle(): boolean {
    return this.#batches === 0;
  }

  get hasBatch(): boolean {
    return this.#batches < this.window.batches;
  }

  get batches(): number {
    return this.#batches;
  }

  get inputs(): number {
    return this.#inputs;
  }

  begin(): void {
    this.#batches += 1;
  }

  enter(bytes: number): void {
    this.#inputs += 1;
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#inputs -= 1;
    this.#bytes -= bytes;
    this.#onFree();
  }

  end(): void {
    this.#batches -= 1;
    this.#onFree();
  }
}
