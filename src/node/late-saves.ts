// Saves that may be lost: spool rows that the master has acknowledged, the number of its newest receipt.
// They ride with the next save that matters, or go alone after a while; a synced write for each receipt
// would double the wear of an SD card. Lost in a crash, a row is only sent and acknowledged once more; so
// its blobs go when the row goes, not before.

import {addMono, type BlobId, type MonoMs, NEVER} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Op} from '../core/tables.ts';

const LATE_MS = 5 * SECOND_MS;
const OPS_MAX = 1_024;
const NOTHING = {ops: [], blobs: []};

export class LateSaves {
  readonly #ops = new Map<string, Op>();
  #blobs: BlobId[] = [];
  #dueAt: MonoMs = NEVER;

  /** A later one for the same row takes the place of an earlier one. */
  add(op: Op, now: MonoMs): void {
    if (this.#ops.size === 0) this.#dueAt = addMono(now, LATE_MS);
    this.#ops.set(`${op.table}/${op.key}`, op);
  }

  /** A save that matters was made of this row: an older value must not ride behind it. */
  supersede(table: Op['table'], key: string): void {
    this.#ops.delete(`${table}/${key}`);
  }

  /** To be dropped once the saves of now are durable. */
  addBlob(blobId: BlobId): void {
    this.#blobs.push(blobId);
  }

  /** @param riding a save that matters is made in this turn anyway */
  take(
    now: MonoMs,
    riding: boolean,
  ): {readonly ops: readonly Op[]; readonly blobs: readonly BlobId[]} {
    if (!riding && now < this.#dueAt && this.#ops.size < OPS_MAX) return NOTHING;
    const taken = {ops: [...this.#ops.values()], blobs: this.#blobs};
    this.#ops.clear();
    this.#blobs = [];
    this.#dueAt = NEVER;
    return taken;
  }

  wakeAt(): MonoMs {
    return this.#dueAt;
  }
}
