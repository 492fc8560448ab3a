// Who asks for a blob and who deletes it, in the one process that owns the folder. Whoever is told that a blob is
// there may name it in a row a moment later, so between the two it must not go:
//
//   asked before its deletion began   it stays, for as long as this sweep lasts; BlobStore makes it young for the next
//   asked while it is being deleted   the asker waits, and finds that it is gone
//
// Nothing waits between the look at who asked and the beginning of a deletion, so there is no third case.
//
// Rows go, and what they named goes with them without a day's grace: the blobs are noted here (`unname`) and are *ripe*
// for the next sweep, unless somebody asks for them first. Who names a blob asks for it and then writes the row, or has
// it written; in between lies a moment, or, where it takes longer, `naming`: while that lasts nothing ripens. So of a
// ripe blob everybody who asked before it was noted has written by now, and will be seen by the mark (the sweep waits
// for rows under way), and whoever asked later has taken it off the list.

import {assert} from '../base/assert.ts';
import type {BlobId, MonoMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';

/** Noted at once; what is more waits for its grace. About 10 MiB. */
export const UNNAMED_MAX = 65_536;
/** Somebody at another machine was told that the blob is here, and names it in his next request. */
const RIPE_MS = 5 * SECOND_MS;

export type Unnamed = {readonly count: number; readonly bytes: number};

export class BlobClaims {
  /** Since the sweep under way began; undefined = nobody sweeps. */
  #asked: Set<BlobId> | undefined;
  /** How many are asking now. */
  readonly #asking = new Map<BlobId, number>();
  readonly #going = new Map<BlobId, Promise<void>>();
  /** Of rows that went; oldest first. */
  readonly #unnamed = new Map<BlobId, {readonly size: number; readonly at: MonoMs}>();
  #unnamedBytes = 0;
  /** Those of them that this sweep may delete. */
  readonly #ripe = new Set<BlobId>();
  #naming = 0;

  /** Runs `act`, which looks for the blob or makes it; no sweep deletes it meanwhile, nor this one later. */
  async hold<T>(blobId: BlobId, act: () => Promise<T>): Promise<T> {
    this.#asked?.add(blobId);
    this.#ripe.delete(blobId);
    this.#forget(blobId);
    this.#asking.set(blobId, (this.#asking.get(blobId) ?? 0) + 1);
    try {
      await this.#going.get(blobId);
      return await act();
    } finally {
      const others = (this.#asking.get(blobId) ?? 0) - 1;
      if (others > 0) this.#asking.set(blobId, others);
      else this.#asking.delete(blobId);
    }
  }

  /** Runs `act`, which asks for blobs and has them named: none of those that rows named ripens meanwhile. */
  async naming<T>(act: () => Promise<T>): Promise<T> {
    this.#naming += 1;
    try {
      return await act();
    } finally {
      this.#naming -= 1;
    }
  }

  /** A row that named it is gone. Others may name it still: the mark will tell. */
  unname(blobId: BlobId, size: number, at: MonoMs): void {
    if (this.#asking.has(blobId) || this.#unnamed.size >= UNNAMED_MAX) return;
    this.#forget(blobId);
    this.#unnamed.set(blobId, {size, at});
    this.#unnamedBytes += size;
  }

  get unnamed(): Unnamed {
    return {count: this.#unnamed.size, bytes: this.#unnamedBytes};
  }

  /** Ripe, and nobody has asked for it since. */
  isRipe(blobId: BlobId): boolean {
    return this.#ripe.has(blobId);
  }

  #forget(blobId: BlobId): void {
    this.#unnamedBytes -= this.#unnamed.get(blobId)?.size ?? 0;
    this.#unnamed.delete(blobId);
  }

  /** A sweep begins: what is asked for from now on stays. One at a time. */
  begin(now: MonoMs): void {
    assert(this.#asked === undefined, 'one sweep at a time');
    this.#asked = new Set(this.#asking.keys());
    if (this.#naming > 0) return;
    for (const [blobId, {at}] of this.#unnamed) {
      if (now - at < RIPE_MS) break;
      this.#forget(blobId);
      this.#ripe.add(blobId);
    }
  }

  end(): void {
    this.#asked = undefined;
    this.#ripe.clear();
  }

  /** @returns false = somebody asked for it since the sweep began, and `act` did not run */
  async remove(blobId: BlobId, act: () => Promise<void>): Promise<boolean> {
    assert(this.#asked !== undefined, 'only a sweep removes');
    if (this.#asked.has(blobId)) return false;
    const removed = act();
    // Who waits finds by himself what came of it.
    this.#going.set(
      blobId,
      removed.catch(() => {}),
    );
    try {
      await removed;
    } finally {
      this.#going.delete(blobId);
    }
    return true;
  }
}
