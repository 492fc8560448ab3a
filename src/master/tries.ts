// In which try each workunit of a batch is. One that failed and began anew is in a later one: numbers of its replicas go on
// there, and what comes of its earlier replicas counts no more. Its neighbours are still where they were, also after a
// restart: what nodes have in hand of them counts.

import type {BatchId} from '../base/types.ts';
import {type Op, PAGE_WORKUNITS, pageKey, pageNoOf, put} from '../core/tables.ts';
import {encodeTries} from '../core/tries.ts';

export class Tries {
  /** By page and offset; others are in the try of their batch. */
  readonly #pages = new Map<number, Map<number, number>>();
  readonly #dirty = new Set<number>();

  /** From its row. */
  restore(pageNo: number, tries: Map<number, number>): void {
    this.#pages.set(pageNo, tries);
  }

  /** @param baseTry that of the batch */
  of(index: number, baseTry = 0): number {
    const own = this.#pages.get(pageNoOf(index))?.get(index % PAGE_WORKUNITS) ?? 0;
    return Math.max(own, baseTry);
  }

  set(index: number, tryNo: number): void {
    const pageNo = pageNoOf(index);
    let tries = this.#pages.get(pageNo);
    if (!tries) {
      tries = new Map();
      this.#pages.set(pageNo, tries);
    }
    tries.set(index % PAGE_WORKUNITS, tryNo);
    this.#dirty.add(pageNo);
  }

  /** Rows of what changed since the last call. */
  saves(batchId: BatchId): Op[] {
    const ops: Op[] = [];
    for (const pageNo of this.#dirty) {
      const tries = this.#pages.get(pageNo);
      if (tries) ops.push(put('tries', pageKey(batchId, pageNo), encodeTries(tries)));
    }
    this.#dirty.clear();
    return ops;
  }
}
