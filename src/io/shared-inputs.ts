// What workunits of a batch read beside their own input: the same bytes for all of them, so they are fetched once
// and kept while the batch (or the round of it) runs. In memory: the next round brings others.

import {VolleyError} from '../base/errors.ts';
import {keepNewest} from '../base/newest.ts';
import type {BlobId} from '../base/types.ts';
import {OUTPUT_LIMIT_BYTES_MAX} from '../wire/limits.ts';
import type {BlobRef, Input} from '../wire/message.ts';

/** Two batches that take turns, each with one. At 64 MiB each this is the most a board gives for it. */
const KEPT_MAX = 2;

export class SharedInputs {
  readonly #read: (input: Input) => Promise<Uint8Array>;
  /** In the order of their last use. */
  readonly #kept = new Map<BlobId, Promise<Uint8Array>>();

  /** @param read the bytes of an input; rejects when they cannot be had */
  constructor(read: (input: Input) => Promise<Uint8Array>) {
    this.#read = read;
  }

  /** The same array each time, while it is kept. Rejects as `read` does; the next call tries again. */
  async get({blobId, size}: BlobRef): Promise<Uint8Array> {
    if (size > OUTPUT_LIMIT_BYTES_MAX)
      throw new VolleyError('VOLLEY_TOO_LARGE', {
        what: 'the shared input',
        size,
        limit: OUTPUT_LIMIT_BYTES_MAX,
      });
    const known = this.#kept.get(blobId);
    const reading = known ?? this.#read({kind: 'slice', blobId, offset: 0, length: size});
    this.#kept.delete(blobId);
    this.#kept.set(blobId, reading);
    keepNewest(this.#kept, KEPT_MAX);
    try {
      return await reading;
    } catch (error) {
      if (this.#kept.get(blobId) === reading) this.#kept.delete(blobId);
      throw error;
    }
  }
}
