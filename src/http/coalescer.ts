// Many changes of one thing become few tellings: the first after quiet goes at once, then at most one
// each window, and never is the last one lost. A change of `mark` (the state of a batch, say) is worth
// telling at once, window or not. A telling that takes long makes the window longer: all tellings of one thing
// together take a tenth of the time at most, so that watching does not hold up what is watched.

type Window = {timer: NodeJS.Timeout | undefined; changed: boolean; mark: string};

/** A window is so many times as long as the telling before it took. */
const TIMES = 10;
const WINDOW_MS_MAX = 5_000;

export class Coalescer<K> {
  readonly #windows = new Map<K, Window>();
  readonly #windowMs: number;
  readonly #tell: (key: K) => void;

  constructor(windowMs: number, tell: (key: K) => void) {
    this.#windowMs = windowMs;
    this.#tell = tell;
  }

  touch(key: K, mark = ''): void {
    const window = this.#windows.get(key);
    if (window === undefined) {
      const opened: Window = {timer: undefined, changed: false, mark};
      this.#windows.set(key, opened);
      this.#tellIn(opened, key);
      return;
    }
    if (window.mark === mark) {
      window.changed = true;
      return;
    }
    window.mark = mark;
    this.#tellIn(window, key);
  }

  /** Nothing more is told. */
  clear(): void {
    for (const {timer} of this.#windows.values()) clearTimeout(timer);
    this.#windows.clear();
  }

  /** Tells, and begins a window. */
  #tellIn(window: Window, key: K): void {
    clearTimeout(window.timer);
    window.changed = false;
    const since = performance.now();
    this.#tell(key);
    const tookMs = performance.now() - since;
    if (this.#windows.get(key) !== window) return; // cleared meanwhile
    const windowMs = Math.max(this.#windowMs, Math.min(tookMs * TIMES, WINDOW_MS_MAX));
    window.timer = setTimeout(() => this.#close(window, key), windowMs);
  }

  #close(window: Window, key: K): void {
    if (window.changed) this.#tellIn(window, key);
    else this.#windows.delete(key);
  }
}
