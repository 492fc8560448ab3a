// Results of a batch in the order of their indexes, from committed rows: a page says which item of which
// report is canonical, the report is the signed evidence as the node sent it. Neighbours share reports,
// so the last few decoded ones are kept. Nothing runs ahead of the reader by more than a page.

import {fromUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {keepNewest} from '../base/newest.ts';
import type {BatchId} from '../base/types.ts';
import type {Decision} from '../core/tables.ts';
import {
  decodePage,
  decodeReportRow,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
  reportKey,
} from '../core/tables.ts';
import type {ResultView} from '../core/views.ts';
import {decodeResults} from '../wire/codec.ts';
import type {ResultItem} from '../wire/message.ts';
import type {MasterHandle} from './handle.ts';

/** Decoded reports kept: each at most one datagram, so under 1 MiB in all. */
const REPORTS_KEPT = 512;

export type ResultQuery = {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly state: 'done' | 'failed' | undefined;
};

type Rows = Pick<MasterHandle, 'read' | 'scan'>;

/** Throws VOLLEY_STORE_DAMAGED where rows contradict each other. */
export async function* readResults(
  rows: Rows,
  batchId: BatchId,
  query: ResultQuery,
): AsyncGenerator<ResultView, void, undefined> {
  if (query.from >= query.to) return;
  const reports = new Reports(rows);
  const first = pageKey(batchId, pageNoOf(query.from));
  const end = pageKey(batchId, pageNoOf(query.to - 1) + 1);
  for await (const [key, value] of rows.scan('page', first, end)) {
    const base = Number.parseInt(key.slice(8), 16) * PAGE_WORKUNITS;
    for (const [index, decision] of decisionsOf(value, base, key)) {
      if (index < query.from || index >= query.to) continue;
      if (query.state !== undefined && query.state !== decision.kind) continue;
      yield await viewOf(reports, batchId, index, decision);
    }
  }
}

function decisionsOf(value: Uint8Array, base: number, key: string): [number, Decision][] {
  try {
    const decisions = [...decodePage(value)].map(([offset, decision]): [number, Decision] => [
      base + offset,
      decision,
    ]);
    return decisions.sort(([a], [b]) => a - b);
  } catch (error) {
    throw damaged(`page ${key} cannot be read`, error);
  }
}

async function viewOf(
  reports: Reports,
  batch: BatchId,
  index: number,
  decision: Decision,
): Promise<ResultView> {
  if (decision.kind === 'failed')
    return {batch, index, state: 'failed', size: 0, reason: decision.reason};
  const item = (await reports.get(decision.reportNo))[decision.item];
  if (item?.batchId !== batch || item.index !== index || item.status !== 'done')
    throw damaged(`report ${decision.reportNo} does not hold the result of ${batch}/${index}`);
  const {output} = item;
  if (output.kind === 'blob')
    return {batch, index, state: 'done', blobId: output.blobId, size: output.size};
  const head = {batch, index, state: 'done', size: output.bytes.length} as const;
  const text = fromUtf8(output.bytes);
  return text === undefined
    ? {...head, base64: Buffer.from(output.bytes).toString('base64')}
    : {...head, text};
}

class Reports {
  readonly #rows: Rows;
  /** In the order of their last use. */
  readonly #kept = new Map<number, readonly ResultItem[]>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  async get(reportNo: number): Promise<readonly ResultItem[]> {
    const kept = this.#kept.get(reportNo);
    if (kept !== undefined) {
      this.#kept.delete(reportNo);
      this.#kept.set(reportNo, kept);
      return kept;
    }
    const items = await this.#read(reportNo);
    this.#kept.set(reportNo, items);
    keepNewest(this.#kept, REPORTS_KEPT);
    return items;
  }

  async #read(reportNo: number): Promise<readonly ResultItem[]> {
    const row = await this.#rows.read('report', reportKey(reportNo));
    if (row === undefined) throw damaged(`report ${reportNo} is missing`);
    const items = decodeResults(bodyOf(row, reportNo));
    if (items === undefined) throw damaged(`report ${reportNo} holds no results`);
    return items;
  }
}

function bodyOf(row: Uint8Array, reportNo: number): Uint8Array {
  try {
    return decodeReportRow(row).body;
  } catch (error) {
    throw damaged(`report ${reportNo} cannot be read`, error);
  }
}

const damaged = (reason: string, cause?: unknown): VolleyError =>
  new VolleyError('VOLLEY_STORE_DAMAGED', {reason}, cause);
