// Whose are the canonical results of a batch? The pages name reports, the reports name nodes. Asked once, when
// a node is revoked; reads in the background and keeps only the newest answers in memory.

import {hex32} from '../base/bytes.ts';
import {keepNewest} from '../base/newest.ts';
import type {BatchId, NodeId} from '../base/types.ts';
import type {SinglesPage} from '../core/core.ts';
import {
  type Decision,
  decodePage,
  decodePageKey,
  decodeReportRow,
  reportKey,
  type TableName,
} from '../core/tables.ts';
import type {Singles} from '../runtime/ports.ts';

/** The part of a store that is needed. */
export type Rows = {
  get(table: TableName, key: string): Promise<Uint8Array | undefined>;
  scan(table: TableName, from: string, to: string): AsyncIterable<readonly [string, Uint8Array]>;
};

/** Pages told at once. */
const PAGES_PER_PART = 256;
/** Results of one report are decided near each other. */
const REPORTS_KEPT = 4_096;

export class StoredSingles implements Singles {
  readonly #rows: Rows;
  readonly #fatal: (error: unknown) => void;
  #closed = false;

  constructor(rows: Rows, fatal: (error: unknown) => void) {
    this.#rows = rows;
    this.#fatal = fatal;
  }

  list(
    nodeId: NodeId,
    batchIds: readonly BatchId[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): void {
    this.#list(nodeId, batchIds, found).catch((error: unknown) => {
      if (!this.#closed) this.#fatal(error);
    });
  }

  /** What is being read is given up; the next start of the master begins anew. */
  close(): void {
    this.#closed = true;
  }

  async #list(
    nodeId: NodeId,
    batchIds: readonly BatchId[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): Promise<void> {
    const reports = new Map<number, NodeId | undefined>();
    let pages: SinglesPage[] = [];
    let total = 0;
    for await (const [key, value] of this.#pagesOf(batchIds)) {
      if (this.#closed) return;
      const offsets = await this.#offsetsOf(nodeId, decodePage(value), reports);
      if (offsets.length === 0) continue;
      total += offsets.length;
      pages.push({...decodePageKey(key), offsets});
      if (pages.length < PAGES_PER_PART) continue;
      found(pages);
      pages = [];
    }
    if (!this.#closed) found(pages, total);
  }

  async *#pagesOf(batchIds: readonly BatchId[]): AsyncGenerator<readonly [string, Uint8Array]> {
    for (const batchId of batchIds)
      yield* this.#rows.scan('page', hex32(batchId), hex32(batchId + 1));
  }

  async #offsetsOf(
    nodeId: NodeId,
    page: ReadonlyMap<number, Decision>,
    reports: Map<number, NodeId | undefined>,
  ): Promise<number[]> {
    const offsets: number[] = [];
    for (const [offset, decision] of page) {
      if (decision.kind !== 'done') continue;
      if ((await this.#nodeOf(decision.reportNo, reports)) === nodeId) offsets.push(offset);
    }
    return offsets.sort((a, b) => a - b);
  }

  async #nodeOf(
    reportNo: number,
    reports: Map<number, NodeId | undefined>,
  ): Promise<NodeId | undefined> {
    if (reports.has(reportNo)) return reports.get(reportNo);
    const row = await this.#rows.get('report', reportKey(reportNo));
    const nodeId = row && decodeReportRow(row).nodeId;
    reports.set(reportNo, nodeId);
    keepNewest(reports, REPORTS_KEPT);
    return nodeId;
  }
}
