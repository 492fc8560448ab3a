// Blobs of one node and their way to the master: TCP, so an upload arrives whole or fails.

import type {BlobId} from '../base/types.ts';
import type {UploadPurpose} from '../core/core.ts';
import type {NodeBlobs, Tell} from '../runtime/ports.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';

export type SimBlobsOptions = {
  readonly clock: SimClock;
  readonly tell: Tell;
  /** The node's own files: they outlive its processes. */
  readonly files: Map<BlobId, number>;
  readonly uploadMs: () => number;
  /** true = the connection breaks on the way. */
  readonly breaks: () => boolean;
  /** What the master's blob server says; undefined = it has the blob now. */
  readonly store: (blobId: BlobId, size: number, purpose: UploadPurpose) => string | undefined;
};

export class SimBlobs implements NodeBlobs {
  readonly #options: SimBlobsOptions;
  readonly #uploading = new Set<BlobId>();

  constructor(options: SimBlobsOptions) {
    this.#options = options;
  }

  access(): void {}

  upload(blobId: BlobId, size: number, purpose: UploadPurpose): void {
    if (this.#uploading.has(blobId)) return;
    const {clock, files, uploadMs, tell} = this.#options;
    if (files.get(blobId) !== size) {
      tell({type: 'uploadFailed', blobId, reason: 'there is no such file', isFull: false});
      return;
    }
    this.#uploading.add(blobId);
    clock.after(uploadMs(), EVENT.blob, () => this.#arrive(blobId, size, purpose));
  }

  #arrive(blobId: BlobId, size: number, purpose: UploadPurpose): void {
    const {tell, breaks, store} = this.#options;
    this.#uploading.delete(blobId);
    const reason = breaks() ? 'connection reset' : store(blobId, size, purpose);
    if (reason === undefined) tell({type: 'uploaded', blobId});
    else tell({type: 'uploadFailed', blobId, reason, isFull: false});
  }

  drop(blobId: BlobId): void {
    this.#options.files.delete(blobId);
  }
}
