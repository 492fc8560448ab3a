// Failed workunits begin anew. Which ones they are stands in the pages on disk: the shell lists those, a slice
// at a time, and the next slice is asked for when what the last one brought is nearly taken up. Each slice is
// saved with the counters, so a master that dies goes on where it was: what is undecided is undecided.
//
// A batch that has ended runs again. Its workunits that were never decided come up with the failed ones.

import {assert} from '../base/assert.ts';
import type {BatchId, Now} from '../base/types.ts';
import type {MasterEvent} from '../core/core.ts';
import {PAGE_WORKUNITS} from '../core/tables.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import type {Results} from './results.ts';

type Listed = Extract<MasterEvent, {type: 'pagesListed'}>;

/** 4,096 workunits. */
export const PAGES_PER_SLICE = 64;
/** Runs of indexes that may wait in the feeder: each look at one walks them. */
const RUNS_MAX = 1_024;

export class Retries {
  readonly #context: MasterContext;
  readonly #results: Results;
  /** The next page of each batch that is looked through; undefined = a slice is being listed. */
  readonly #next = new Map<BatchId, number | undefined>();
  /** Batches of which the shell lists a slice. Who is retried, cancelled and retried again waits for the old one. */
  readonly #listed = new Set<BatchId>();

  constructor(context: MasterContext, results: Results) {
    this.#context = context;
    this.#results = results;
    for (const batch of context.running) if (batch.retrying) this.#next.set(batch.row.id, 0);
  }

  begin(batch: Batch): void {
    const retries = (batch.control.retries ?? 0) + 1;
    batch.control = {...batch.control, retries, retrying: true};
    if (!batch.running) {
      batch.beginAgain();
      // All that is not done begins anew; of one that runs only what has failed.
      batch.control = {...batch.control, baseTry: retries};
      this.#context.running.add(batch);
    }
    this.#context.dirtyBatches.add(batch);
    this.#next.set(batch.row.id, 0);
  }

  /** Asks for what is to be looked at next; at the end of each turn. */
  pump(): void {
    for (const [batchId, from] of this.#next) {
      const batch = this.#context.batches.get(batchId);
      if (!batch?.running || !batch.retrying) this.#next.delete(batchId);
      else if (from !== undefined && batch.feeder.runs < RUNS_MAX && !this.#listed.has(batchId)) {
        this.#next.set(batchId, undefined);
        this.#listed.add(batchId);
        this.#context.emit({type: 'listPages', batchId, from, count: PAGES_PER_SLICE});
      }
    }
  }

  onListed({batchId, from, count, pages}: Listed, now: Now): void {
    const batch = this.#context.batches.get(batchId);
    assert(this.#listed.delete(batchId), `pages of batch ${batchId} were not asked for`);
    if (!batch?.running || !batch.retrying) return;
    if (!this.#next.has(batchId) || this.#next.get(batchId) !== undefined) return; // of an earlier retry
    const listed = new Map(pages.map(({pageNo, decisions}) => [pageNo, decisions]));
    const last = Math.ceil(batch.row.count / PAGE_WORKUNITS);
    const end = Math.min(from + count, last);
    for (let pageNo = from; pageNo < end; pageNo++) batch.retryPage(pageNo, listed.get(pageNo));
    this.#context.dirtyBatches.add(batch);
    this.#context.workNo += 1;
    this.#next.set(batchId, end);
    if (end < last) return;
    this.#next.delete(batchId);
    batch.endRetry();
    this.#results.endIfOver(batch, now);
  }
}
