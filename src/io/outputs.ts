// The outputs of a stage put together, for what follows it: one blob of all of them in the order of their indexes.
// Pages say which item of which report is canonical; the bytes are in the report or in a blob. Whole it is the input
// of one workunit; with a halo each workunit gets the part that holds its own output and its neighbours'.

import {setTimeout as sleep} from 'node:timers/promises';
import {viewOf} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {keepNewest} from '../base/newest.ts';
import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Gathered} from '../core/lookups.ts';
import type {GatherHow} from '../core/stages.ts';
import {
  type Decision,
  decodePage,
  decodeReportRow,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
  reportKey,
} from '../core/tables.ts';
import type {Outputs} from '../runtime/ports.ts';
import {decodeResults} from '../wire/codec.ts';
import {BLOB_BYTES_MAX} from '../wire/limits.ts';
import type {OutputRef, ResultItem} from '../wire/message.ts';
import type {BlobStore} from './blob-store.ts';
import type {Rows} from './singles.ts';

/** Neighbours share reports; each is at most a datagram. */
const REPORTS_KEPT = 512;
/** How often it is tried again when the disk is full. */
const FULL_MS = 2 * SECOND_MS;
/** Where a part begins and where it ends, f64 LE: up to 2^53. */
export const PART_ENTRY_BYTES = 16;

export class StoredOutputs implements Outputs {
  readonly #rows: Rows;
  readonly #blobs: BlobStore;
  #closed = false;

  constructor(rows: Rows, blobs: BlobStore) {
    this.#rows = rows;
    this.#blobs = blobs;
  }

  /** What is being put together is given up; the next start of the master begins anew. */
  close(): void {
    this.#closed = true;
  }

  gather(stage: BatchId, count: number, how: GatherHow, done: (gathered: Gathered) => void): void {
    this.#patiently(() => this.#gather(stage, count, how)).then(
      gathered => this.#closed || done(gathered),
      (error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        if (!this.#closed) done({kind: 'failed', reason});
      },
    );
  }

  /** A full disk is no fault of the batch: it stands until there is room. */
  async #patiently(gather: () => Promise<Gathered>): Promise<Gathered> {
    for (;;) {
      try {
        return await gather();
      } catch (error) {
        const isFull = error instanceof VolleyError && error.code === 'VOLLEY_NO_SPACE';
        if (!isFull || this.#closed) throw error;
        await sleep(FULL_MS, undefined, {ref: false});
      }
    }
  }

  async #gather(stage: BatchId, count: number, how: GatherHow): Promise<Gathered> {
    const ends = new Float64Array(count);
    const stream = this.#bytesOf(stage, count, ends);
    const what = 'the outputs together';
    const {blobId, size} = await this.#blobs.putStream(stream, {limit: BLOB_BYTES_MAX, what});
    if (how === 'whole') return {kind: 'source', source: {kind: 'blob', blobId, size, count: 1}};
    const indexBlobId = await this.#blobs.put(partsOf(ends, how.halo));
    // The index took its time to be written: asked for again, so that no sweep takes it meanwhile (blob-claims.ts).
    if (!(await this.#blobs.has(blobId))) throw damaged(`blob ${blobId} went while it was indexed`);
    return {kind: 'source', source: {kind: 'parts', blobId, size, indexBlobId, count}};
  }

  /** @param ends is filled in: where each output ends */
  async *#bytesOf(
    stage: BatchId,
    count: number,
    ends: Float64Array,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let index = 0;
    let at = 0;
    for await (const output of this.#outputsOf(stage, count)) {
      if (this.#closed) return;
      if (output.kind === 'inline') {
        at += output.bytes.length;
        yield output.bytes;
      } else {
        at += output.size;
        yield* this.#blobs.stream(output.blobId, 0, output.size);
      }
      ends[index++] = at;
    }
  }

  async *#outputsOf(stage: BatchId, count: number): AsyncGenerator<OutputRef, void, undefined> {
    const reports = new Map<number, readonly ResultItem[]>();
    for (let pageNo = 0; pageNo <= pageNoOf(count - 1); pageNo++) {
      const row = await this.#rows.get('page', pageKey(stage, pageNo));
      const page = row ? decodePage(row) : new Map<number, Decision>();
      const inPage = Math.min(PAGE_WORKUNITS, count - pageNo * PAGE_WORKUNITS);
      for (let offset = 0; offset < inPage; offset++) {
        const index = pageNo * PAGE_WORKUNITS + offset;
        yield await this.#outputOf(stage, index, page.get(offset), reports);
      }
    }
  }

  async #outputOf(
    batchId: BatchId,
    index: number,
    decision: Decision | undefined,
    reports: Map<number, readonly ResultItem[]>,
  ): Promise<OutputRef> {
    if (decision?.kind !== 'done') throw damaged(`workunit ${batchId}/${index} has no output`);
    const {reportNo} = decision;
    let items = reports.get(reportNo);
    if (!items) {
      const row = await this.#rows.get('report', reportKey(reportNo));
      items = (row && decodeResults(decodeReportRow(row).body)) ?? [];
      reports.set(reportNo, items);
      keepNewest(reports, REPORTS_KEPT);
    }
    const item = items[decision.item];
    if (item?.batchId !== batchId || item.index !== index || item.status !== 'done')
      throw damaged(`report ${reportNo} does not hold the result of ${batchId}/${index}`);
    return item.output;
  }
}

/** Where the part of each workunit begins and ends. */
function partsOf(ends: Float64Array, halo: number): Uint8Array {
  const bytes = new Uint8Array(ends.length * PART_ENTRY_BYTES);
  const view = viewOf(bytes);
  for (let i = 0; i < ends.length; i++) {
    view.setFloat64(i * PART_ENTRY_BYTES, ends[i - halo - 1] ?? 0, true);
    view.setFloat64(i * PART_ENTRY_BYTES + 8, ends[Math.min(i + halo, ends.length - 1)] ?? 0, true);
  }
  return bytes;
}

const damaged = (reason: string): VolleyError => new VolleyError('VOLLEY_STORE_DAMAGED', {reason});
