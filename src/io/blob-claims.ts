// Who asks for a blob and who deletes it, in the one process that owns the folder. Whoever is told that a blob is
// there may name it in a row a moment later, so between the two it must not go:
//
//   asked before its deletion began   it stays, for as long as this sweep lasts; BlobStore makes it young for the next
//   asked while it is being deleted   the asker waits, and finds that it is gone
//
// Nothing waits between the look at who asked and the beginning of a deletion, so there is no third case.

import {assert} from '../base/assert.ts';
import type {BlobId} from '../base/types.ts';

export class BlobClaims {
  /** Since the sweep under way began; undefined = nobody sweeps. */
  #asked: Set<BlobId> | undefined;
  /** How many are asking now. */
  readonly #asking = new Map<BlobId, number>();
  readonly #going = new Map<BlobId, Promise<void>>();

  /** Runs `act`, which looks for the blob or makes it; no sweep deletes it meanwhile, nor this one later. */
  async hold<T>(blobId: BlobId, act: () => Promise<T>): Promise<T> {
    this.#asked?.add(blobId);
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

  /** A sweep begins: what is asked for from now on stays. One at a time. */
  begin(): void {
    assert(this.#asked === undefined, 'one sweep at a time');
    this.#asked = new Set(this.#asking.keys());
  }

  end(): void {
    this.#asked = undefined;
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
