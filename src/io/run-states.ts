// What the runs under way have saved: the newest of each is kept here and written now and then, and whenever
// a run is about to stand still or to end without a result.

import type {ReplicaId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {SavedState, StateOf, StateStore} from './state-store.ts';

/** A card lives longer when it is written to less; a killed node loses no more work than this. */
const WRITE_MS = 10 * SECOND_MS;

type Newest = {readonly of: StateOf; saved: SavedState; writtenAt: number; isWritten: boolean};

export class RunStates {
  readonly #store: StateStore | undefined;
  readonly #newest = new Map<ReplicaId, Newest>();

  /** @param store undefined = nothing is kept over runs */
  constructor(store: StateStore | undefined) {
    this.#store = store;
  }

  async load(of: StateOf): Promise<SavedState | undefined> {
    return await this.#store?.load(of);
  }

  /** @param now monotonic, ms */
  saved(of: StateOf, saved: SavedState, now: number): void {
    const known = this.#newest.get(of.replicaId);
    const newest = known ?? {of, saved, writtenAt: Number.NEGATIVE_INFINITY, isWritten: false};
    newest.saved = saved;
    newest.isWritten = false;
    this.#newest.set(of.replicaId, newest);
    if (now - newest.writtenAt < WRITE_MS) return;
    newest.writtenAt = now;
    this.#write(newest);
  }

  #write(newest: Newest): void {
    if (newest.isWritten) return;
    newest.isWritten = true;
    void this.#store?.save(newest.of, newest.saved);
  }

  /** Writes what is not written yet. */
  flush(): void {
    for (const newest of this.#newest.values()) this.#write(newest);
  }

  /** The run is over. @param isWanted the workunit may come again */
  over(replicaId: ReplicaId, isWanted: boolean): void {
    const newest = this.#newest.get(replicaId);
    this.#newest.delete(replicaId);
    if (!isWanted) void this.#store?.drop(replicaId);
    else if (newest) this.#write(newest);
  }

  async close(): Promise<void> {
    this.flush();
    await this.#store?.close();
  }
}
