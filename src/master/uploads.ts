// Which outputs are here as files, as far as this life of the master was told: reports may name them, several of them
// the same one (outputs may be equal). What is forgotten is asked for again, and then told again.

import {keepNewest} from '../base/newest.ts';
import type {BlobId, MonoMs} from '../base/types.ts';
import {HOUR_MS} from '../base/units.ts';
import type {OutputRef} from '../wire/message.ts';

/** The oldest is forgotten. */
const BLOBS_WAITING_MAX = 65_536;
/**
 * So long one is believed to be here. The shell deletes what no row names a day after it was stored or asked for
 * (io/blob-sweep.ts), so this must be shorter by far.
 */
const KNOWN_MS = HOUR_MS;

export class Uploads {
  readonly #blobs = new Map<BlobId, {readonly size: number; readonly at: MonoMs}>();

  stored(blobId: BlobId, size: number, at: MonoMs): void {
    this.#blobs.set(blobId, {size, at});
    keepNewest(this.#blobs, BLOBS_WAITING_MAX);
  }

  /** Whether a report may name it. */
  has(output: OutputRef, now: MonoMs): boolean {
    if (output.kind === 'inline') return true;
    const stored = this.#blobs.get(output.blobId);
    return stored?.size === output.size && now - stored.at < KNOWN_MS;
  }
}
