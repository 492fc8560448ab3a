// Results of a batch in the order of their indexes, from committed rows: a page says which item of which
// report is canonical, the report is the signed evidence as the node sent it. Neighbours share reports,
// so the last few decoded ones are kept. Nothing runs ahead of the reader by more than a page.

import {fromUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {keepNewest} from '../base/newest.ts';
import type {BatchId, NodeId} from '../base/types.ts';
import {type Check, decodeChecks} from '../core/checks.ts';
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
  /** Of a broadcast: its nodes by index (core/operator-rows.ts). */
  readonly nodes?: readonly NodeId[];
  /** false = what was to be checked again when the batch was cancelled stays as it was. */
  readonly running: boolean;
  /** Those that are not wanted (any more); their outputs are not read. */
  readonly skip?: ((index: number) => boolean) | undefined;
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
  const checks = new Checks(rows, batchId, query);
  const first = pageKey(batchId, pageNoOf(query.from));
  const end = pageKey(batchId, pageNoOf(query.to - 1) + 1);
  try {
    await checks.begin(); // before the pages: a check that is over is never shown with an output from before it
    for await (const [key, value] of rows.scan('page', first, end)) {
      const base = Number.parseInt(key.slice(8), 16) * PAGE_WORKUNITS;
      const checked = await checks.of(key);
      for (const [index, decision] of decisionsOf(value, base, key, checked)) {
        if (!isAsked(query, index, decision)) continue;
        const label = {...labelOf(checked.get(index - base)), ...ownerOf(query, index)};
        yield decision
          ? {...(await viewOf(reports, batchId, index, decision)), ...label}
          : {batch: batchId, index, state: 'rechecking', size: 0};
      }
    }
  } finally {
    await checks.close();
  }
}

const isAsked = (
  {from, to, state, skip}: ResultQuery,
  index: number,
  decision: Decision | undefined,
): boolean =>
  index >= from &&
  index < to &&
  (state === undefined || state === decision?.kind) &&
  skip?.(index) !== true;

/** By rising index; undefined = it is being checked again. */
function decisionsOf(
  value: Uint8Array,
  base: number,
  key: string,
  checked: ReadonlyMap<number, Check>,
): [number, Decision | undefined][] {
  try {
    const page = new Map<number, Decision | undefined>(decodePage(value));
    for (const [offset, {state}] of checked) if (state === 'open') page.set(offset, undefined);
    return [...page]
      .map(([offset, decision]): [number, Decision | undefined] => [base + offset, decision])
      .sort(([a], [b]) => a - b);
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

const ownerOf = ({nodes}: ResultQuery, index: number): Pick<ResultView, 'nodeId'> => {
  const nodeId = nodes?.[index];
  return nodeId === undefined ? {} : {nodeId};
};

const labelOf = (check: Check | undefined): Pick<ResultView, 'check'> =>
  check?.state === 'confirmed' || check?.state === 'replaced' ? {check: check.state} : {};

/** Rows of `check` beside the pages, read as the pages are. */
class Checks {
  readonly #rows: AsyncIterator<readonly [string, Uint8Array]>;
  readonly #running: boolean;
  #next: readonly [string, Uint8Array] | undefined;

  constructor(rows: Rows, batchId: BatchId, {from, to, running}: ResultQuery) {
    const first = pageKey(batchId, pageNoOf(from));
    const end = pageKey(batchId, pageNoOf(to - 1) + 1);
    this.#rows = rows.scan('check', first, end)[Symbol.asyncIterator]();
    this.#running = running;
  }

  /** By offset; where a workunit was checked twice, what is newer. */
  async of(page: string): Promise<Map<number, Check>> {
    const found = new Map<number, Check>();
    while (this.#next && this.#next[0] < `${page}~`) {
      const [key, value] = this.#next;
      if (key.startsWith(page)) this.#add(key, value, found);
      await this.#step();
    }
    return found;
  }

  #add(key: string, value: Uint8Array, found: Map<number, Check>): void {
    try {
      for (const [offset, check] of decodeChecks(value)) {
        if (check.state === 'open' && !this.#running) continue;
        const known = found.get(offset);
        if (!known || known.reportNo < check.reportNo) found.set(offset, check);
      }
    } catch (error) {
      throw damaged(`check ${key} cannot be read`, error);
    }
  }

  begin(): Promise<void> {
    return this.#step();
  }

  async close(): Promise<void> {
    await this.#rows.return?.();
  }

  async #step(): Promise<void> {
    const {done, value} = await this.#rows.next();
    this.#next = done ? undefined : value;
  }
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
