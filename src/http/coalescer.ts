// Many changes of one thing become few tellings: the first after quiet goes at once, then at most one
// each window, and never is the last one lost. A change of `mark` (the state of a batch, say) is worth
// telling at once, window or not.

type Window = {timer: NodeJS.Timeout; changed: boolean; mark: string};

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
      this.#windows.set(key, {timer: this.#close(key), changed: false, mark});
      this.#tell(key);
      return;
    }
    if (window.mark === mark) {
      window.changed = true;
      return;
    }
    window.mark = mark;
    window.changed = false;
    this.#tell(key);
  }

  /** Nothing more is told. */
  clear(): void {
    for (const {timer} of this.#windows.values()) clearTimeout(timer);
    this.#windows.clear();
  }

  #close(key: K): NodeJS.Timeout {
    return setTimeout(() => {
      const window = this.#windows.get(key);
      if (window === undefined) return;
      if (!window.changed) {
        this.#windows.delete(key);
        return;
      }
      window.changed = false;
      window.timer = this.#close(key);
      this.#tell(key);
    }, this.#windowMs);
  }
}
