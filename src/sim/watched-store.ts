// A disk that tells what became durable, and when: also what a commit under way at a crash left behind.

import type {Op} from '../core/tables.ts';
import type {Store} from '../runtime/ports.ts';
import type {SimStore} from './sim-store.ts';

export class WatchedStore implements Store {
  readonly disk: SimStore;
  readonly #onDurable: (ops: readonly Op[]) => void;
  #pending: readonly Op[] | undefined;

  /** @param onDurable may throw: the process that commits then stops with it */
  constructor(disk: SimStore, onDurable: (ops: readonly Op[]) => void) {
    this.disk = disk;
    this.#onDurable = onDurable;
  }

  commit(ops: readonly Op[], done: (error?: Error) => void): void {
    this.#pending = ops;
    this.disk.commit(ops, error => {
      this.#pending = undefined;
      let failure = error;
      try {
        if (!error) this.#onDurable(ops);
      } catch (cause) {
        failure = cause as Error;
      }
      done(failure);
    });
  }

  crash(): void {
    const ops = this.#pending;
    const before = this.disk.commits;
    this.#pending = undefined;
    this.disk.crash();
    if (ops && this.disk.commits > before) this.#onDurable(ops);
  }
}
