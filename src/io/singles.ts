// Whose are the canonical results of a batch? The pages name reports, the reports name nodes. Asked once, when
// a node is revoked, and then slice by slice for what is to be checked again; reads in the background and keeps
// only the newest answers in memory.

import {hex32} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {keepNewest} from '../base/newest.ts';
import type {NodeId} from '../base/types.ts';
import {type Check, checkKey, decodeChecks, decodeDoubtKey, hashOfOutput} from '../core/checks.ts';
import {
  type CheckPage,
  type ListedBatch,
  type SinglesPage,
  standingAlone,
} from '../core/lookups.ts';
import {
  type Decision,
  decodePage,
  decodePageKey,
  decodeReportRow,
  pageKey,
  reportKey,
  type TableName,
} from '../core/tables.ts';
import type {Singles} from '../runtime/ports.ts';
import {decodeResults} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {ResultItem} from '../wire/message.ts';

/** The part of a store that is needed. */
export type Rows = {
  get(table: TableName, key: string): Promise<Uint8Array | undefined>;
  scan(table: TableName, from: string, to: string): AsyncIterable<readonly [string, Uint8Array]>;
};

/** Pages told at once: 64 workunits each at most, so a turn lists or takes out no more than 1,024 of them. */
const PAGES_PER_PART = 16;
/** Results of one report are decided near each other; each at most a datagram, so under 4 MiB. */
const REPORTS_KEPT = 2_048;

type Hash = Pick<Crypto, 'sha256'>;
/** `items` undefined: it is another node's. */
type Kept = {readonly items: readonly ResultItem[] | undefined};

export class StoredSingles implements Singles {
  readonly #rows: Rows;
  readonly #crypto: Hash;
  readonly #fatal: (error: unknown) => void;
  #closed = false;

  constructor(rows: Rows, crypto: Hash, fatal: (error: unknown) => void) {
    this.#rows = rows;
    this.#crypto = crypto;
    this.#fatal = fatal;
  }

  list(
    nodeId: NodeId,
    batches: readonly ListedBatch[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): void {
    this.#guard(this.#list(nodeId, batches, found));
  }

  read(
    nodeId: NodeId,
    after: string,
    read: (pages: readonly CheckPage[], isLast: boolean) => void,
  ): void {
    this.#guard(this.#read(nodeId, after, read));
  }

  #guard(reading: Promise<void>): void {
    reading.catch((error: unknown) => {
      if (!this.#closed) this.#fatal(error);
    });
  }

  /** What is being read is given up; the next start of the master begins anew. */
  close(): void {
    this.#closed = true;
  }

  async #list(
    nodeId: NodeId,
    batches: readonly ListedBatch[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): Promise<void> {
    const reports = new Map<number, Kept>();
    let pages: SinglesPage[] = [];
    let total = 0;
    for await (const {key, page} of this.#pagesOf(batches)) {
      if (this.#closed) return;
      const singles = await this.#singlesOf(nodeId, page, reports);
      if (singles.size === 0) continue;
      total += singles.size;
      pages.push({...decodePageKey(key), singles});
      if (pages.length < PAGES_PER_PART) continue;
      found(pages);
      pages = [];
    }
    if (!this.#closed) found(pages, total);
  }

  async *#pagesOf(
    batches: readonly ListedBatch[],
  ): AsyncGenerator<{readonly key: string; readonly page: ReadonlyMap<number, Decision>}> {
    for (const {batchId, onlySingle} of batches)
      for await (const [key, value] of this.#rows.scan('page', hex32(batchId), hex32(batchId + 1)))
        yield {key, page: standingAlone(decodePage(value), onlySingle)};
  }

  async #singlesOf(
    nodeId: NodeId,
    page: ReadonlyMap<number, Decision>,
    reports: Map<number, Kept>,
  ): Promise<Map<number, Check>> {
    const singles = new Map<number, Check>();
    for (const [offset, decision] of [...page].sort(([a], [b]) => a - b)) {
      if (decision.kind !== 'done') continue;
      const {reportNo, item} = decision;
      const {items} = await this.#reportOf(nodeId, reportNo, reports);
      const result = items?.[item];
      if (items === undefined) continue;
      if (result?.status !== 'done') throw damaged(`report ${reportNo} holds no result ${item}`);
      const hash = hashOfOutput(this.#crypto, result.output);
      singles.set(offset, {state: 'open', reportNo, item, hash});
    }
    return singles;
  }

  async #reportOf(nodeId: NodeId, reportNo: number, reports: Map<number, Kept>): Promise<Kept> {
    const known = reports.get(reportNo);
    if (known) return known;
    const value = await this.#rows.get('report', reportKey(reportNo));
    const row = value && decodeReportRow(value);
    const kept = {items: row?.nodeId === nodeId ? decodeResults(row.body) : undefined};
    reports.set(reportNo, kept);
    keepNewest(reports, REPORTS_KEPT);
    return kept;
  }

  async #read(
    nodeId: NodeId,
    after: string,
    read: (pages: readonly CheckPage[], isLast: boolean) => void,
  ): Promise<void> {
    const pages: CheckPage[] = [];
    const from = after === '' ? nodeId : `${after} `; // sorts before any later key
    for await (const [key] of this.#rows.scan('doubt', from, `${nodeId}~`)) {
      if (this.#closed) return;
      if (pages.length === PAGES_PER_PART) return read(pages, false);
      const {batchId, pageNo} = decodeDoubtKey(key);
      const page = await this.#rows.get('page', pageKey(batchId, pageNo));
      if (!page) throw damaged(`page ${pageKey(batchId, pageNo)} is missing`);
      const checks = await this.#rows.get('check', checkKey(batchId, pageNo, nodeId));
      pages.push({
        batchId,
        pageNo,
        decisions: decodePage(page),
        checks: checks ? decodeChecks(checks) : new Map(),
      });
    }
    if (!this.#closed) read(pages, true);
  }
}

const damaged = (reason: string): VolleyError => new VolleyError('VOLLEY_STORE_DAMAGED', {reason});
