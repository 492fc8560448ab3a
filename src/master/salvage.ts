// What can be saved of a damaged store of a master: rows in, rows out, and what it cost. Pure; io/store-rebuild.ts
// reads and writes. What is left must be what a master could have written: MasterRestore's checks hold on it.
//
//   page    a decision stands if the reports that are there prove it; else the workunit is open again
//   vote    only of workunits that are open, of members, and never so many that they would decide; those that went with
//           the end of a batch whose row is an older one, and runs, are missing: their workunits are told
//   batch   counters follow from its pages; one that ended and lost decisions goes on
//           decisions that its row counts and no page has are told by their number
//           a batch whose row is lost leaves a tombstone: its number must not be given again
//           what operators decided about it stays (salvage-orders.ts); one that they deleted goes on going
//   check   what was to be checked again is looked up anew: nodes that were revoked are listed once more
//   credit  when anything was lost, or may be older than a page: counted anew from the reports, in the order in which
//           they came
//   meta    `recovered` tells nodes which of their receipts are void
//   epoch   well above the newest one that is known: the row may be an old one
//
// Reports are evidence, signed by the nodes: they stay, also those that nothing names any more. They are told one
// after the other and not kept: they are nearly all of a store.

import {hex32} from '../base/bytes.ts';
import {keepNewest} from '../base/newest.ts';
import {asBatchId, asNodeId, type BatchId, type NodeId} from '../base/types.ts';
import type {Readable, Tables} from '../core/journal-salvage.ts';
import {NUMBERS_KEY, type NumbersRow} from '../core/operator-rows.ts';
import {
  type BatchRow,
  batchKey,
  type Decision,
  decodeCredit,
  decodePage,
  decodePageKey,
  decodeReportRow,
  decodeVote,
  encodeCredit,
  encodeJson,
  encodePage,
  jsonRow,
  NO_CREDIT,
  type NodeRow,
  PAGE_WORKUNITS,
  pageKey,
  pageNoOf,
  type TableName,
} from '../core/tables.ts';
import {decodeResults} from '../wire/codec.ts';
import {type CaptureRow, captureOf, restoreShot, type ShotRow} from './capture-row.ts';
import {EPOCH_KEY, RECOVERED_KEY, type RecoveredRow} from './context.ts';
import {type Decided, Recount} from './recount.ts';
import {endWithoutNodes, gapsIn, goOnWithStages, openOf, stateOf} from './salvage-batches.ts';
import {closeChecks, listAgain} from './salvage-checks.ts';
import {deletedIn, keepNumbers, ordersLost, quarantinedIn} from './salvage-orders.ts';
import {attempt, keepVotes, sorted, Unvoted} from './salvage-votes.ts';
import {tombstone} from './tombstone.ts';

/** Starts of a master that a stale epoch row may hide; far below the leap that nodes' Hellos may ask for. */
const EPOCH_LEAP = 1_000;

/** Decoded pages that are kept: reports tell of neighbours at about the same time. */
const PAGES_MAX = 1_024;

export type BatchLoss = {
  readonly batchId: BatchId;
  readonly name: string;
  /**
   * Workunits that were decided and are open again, and open ones whose votes are gone; undefined = the row itself
   * is lost.
   */
  readonly reopened: readonly number[] | undefined;
  /**
   * Decisions that its row counts and that are gone, or do not stand. Where a page and the journal that named it are
   * both gone nobody knows which: they are not in `reopened`. At least; the row may be an older one.
   */
  readonly decisionsLost: number;
};

export type Loss = {
  readonly batches: readonly BatchLoss[];
  /**
   * Numbers that were given out, first and last of each gap, and that nothing is left of: lost, or deleted and the
   * word of it is lost. Of those above the highest one known nobody knows.
   */
  readonly missingBatches: readonly (readonly [number, number])[];
  /** Rows that were left out, or of what operators decided lost or out of date, `table/key`: reason. */
  readonly rows: readonly {readonly rowKey: string; readonly reason: string}[];
  /** Nodes whose rows are lost or out of date: a revocation may be among what is gone. */
  readonly doubtfulNodes: readonly NodeId[];
  /** Whether credit was counted anew. */
  readonly recounted: boolean;
  /** Receipts above this number of the journal are void: nodes offer again what they keep of them. */
  readonly voidAfter: number;
};

type Pages = Map<number, Map<number, Decision>>;

export class MasterSalvage {
  readonly #tables: Tables;
  readonly #damaged: ReadonlySet<string>;
  readonly #hasGaps: boolean;
  readonly #rows: {rowKey: string; reason: string}[] = [];
  readonly #losses: BatchLoss[] = [];
  readonly #recount = new Recount((batchId, index) => this.#decidedOf(batchId, index));
  /** Batches whose rows are there. */
  readonly #known = new Map<BatchId, BatchRow>();
  readonly #unvoted: Unvoted;
  /** Batches that reports are about. */
  readonly #reported = new Set<number>();
  /** Pages that were looked into last; undefined = it cannot be read. */
  readonly #pages = new Map<string, ReadonlyMap<number, Decision> | undefined>();
  /** How many items those reports have that votes name; 0 = it is not there. */
  readonly #itemsOf = new Map<number, number>();
  readonly #badReports = new Set<string>();
  readonly #revoked = new Set<string>();
  /** Batches that operators deleted. Reports of others may still name them. */
  #deleted: ReadonlySet<number> = new Set();
  #lastReportNo = 0;

  /** @param readable its tables are changed by `mend`; reports may be among them, or be told by `report` */
  constructor({tables, damaged, hasGaps}: Omit<Readable, 'lastGood'>) {
    this.#tables = tables;
    this.#damaged = damaged;
    this.#hasGaps = hasGaps;
    for (const value of this.#table('batch').values()) {
      const row = attempt(() => jsonRow<BatchRow>(value));
      if (row) this.#known.set(row.id, row);
    }
    this.#unvoted = new Unvoted(this.#known.keys(), damaged);
    for (const value of this.#table('vote').values()) {
      const vote = attempt(() => decodeVote(value));
      if (vote) this.#itemsOf.set(vote.reportNo, 0);
    }
    for (const [key, value] of this.#table('node'))
      if (attempt(() => jsonRow<NodeRow>(value))?.revokedAt) this.#revoked.add(key);
  }

  /** A row of table `report`; they come in the order of their keys, before `mend`. */
  report(key: string, value: Uint8Array): void {
    const row = attempt(() => decodeReportRow(value));
    const items = row && decodeResults(row.body);
    if (!row || !items) {
      this.#badReports.add(key);
      this.#leaveOut('report', key, 'it cannot be read');
      return;
    }
    const reportNo = Number.parseInt(key, 16);
    this.#lastReportNo = Math.max(this.#lastReportNo, reportNo);
    for (const {batchId} of items) this.#reported.add(batchId);
    if (this.#itemsOf.has(reportNo)) this.#itemsOf.set(reportNo, items.length);
    this.#recount.hear(reportNo, row.nodeId, items);
    this.#unvoted.hear(row.nodeId, items);
  }

  /** Keys of reports that cannot be read. */
  get badReports(): ReadonlySet<string> {
    return this.#badReports;
  }

  #decidedOf(batchId: BatchId, index: number): Decided | undefined {
    const batch = this.#known.get(batchId);
    if (!batch || index >= batch.count) return undefined;
    const key = pageKey(batchId, pageNoOf(index));
    if (!this.#pages.has(key)) {
      const row = this.#table('page').get(key);
      this.#pages.set(key, row && attempt(() => decodePage(row)));
      keepNewest(this.#pages, PAGES_MAX);
    }
    const decision = this.#pages.get(key)?.get(index % PAGE_WORKUNITS);
    return decision && {batch, decision};
  }

  /**
   * Puts the tables right.
   * @param wall for batches that turn out to be ended
   * @param lastGood number of the last commit that nothing is missing of
   */
  mend(wall: number, lastGood: number): Loss {
    for (const [key, value] of sorted(this.#table('report'))) this.report(key, value);
    this.#json();
    this.#checks();
    this.#rows.push(...ordersLost(this.#tables, this.#damaged));
    this.#deleted = deletedIn(this.#table('history'));
    keepNumbers(this.#table('meta'), this.#table('history'), this.#lastReportNo);
    const batches = this.#batches();
    for (const row of batches.values()) this.#mendBatch(row, wall);
    goOnWithStages(this.#table('batch'));
    this.#shots();
    const isOlder = this.#hasGaps || [...this.#damaged].some(key => /^(credit|page)\//.test(key));
    const recounted = isOlder || this.#losses.length > 0;
    if (recounted) this.#giveCredit(this.#recount.credits);
    // Who voted for what is open again may have its receipt for long: the vote went when it was decided.
    const isReopened = this.#losses.some(({reopened}) => reopened !== undefined);
    const voidAfter = this.#void(isReopened ? 0 : lastGood);
    const doubtfulNodes = this.#doubtfulNodes();
    const highest = this.#meta<NumbersRow>(NUMBERS_KEY)?.batchId ?? 0;
    const missingBatches = gapsIn([...batches.keys(), ...this.#deleted], highest);
    const [losses, rows] = [this.#losses, this.#rows];
    return {batches: losses, missingBatches, rows, doubtfulNodes, recounted, voidAfter};
  }

  #table(table: TableName): Map<string, Uint8Array> {
    let rows = this.#tables.get(table);
    if (!rows) {
      rows = new Map();
      this.#tables.set(table, rows);
    }
    return rows;
  }

  #leaveOut(table: TableName, key: string, reason: string): void {
    this.#table(table).delete(key);
    this.#rows.push({rowKey: `${table}/${key}`, reason});
  }

  /** Rows that a core reads as JSON, and credit. */
  #json(): void {
    const tables = ['app', 'release', 'token', 'node', 'control', 'capture', 'batch', 'history'];
    for (const table of tables as TableName[])
      for (const [key, value] of [...this.#table(table)])
        if (!attempt(() => jsonRow(value))) this.#leaveOut(table, key, 'it cannot be read');
    for (const [key, value] of [...this.#table('credit')])
      if (!attempt(() => decodeCredit(value))) this.#leaveOut('credit', key, 'it cannot be read');
    // An older row of a token may hold uses that are spent.
    for (const key of [...this.#table('token').keys()])
      if (this.#damaged.has(`token/${key}`)) this.#leaveOut('token', key, 'it may have been used');
  }

  /** Not those that are known to be revoked: that is never taken back. */
  #doubtfulNodes(): NodeId[] {
    const ids: NodeId[] = [];
    for (const rowKey of this.#damaged) {
      if (!rowKey.startsWith('node/')) continue;
      const key = rowKey.slice('node/'.length);
      if (!this.#revoked.has(key)) ids.push(asNodeId(key));
    }
    return ids.sort();
  }

  #checks(): void {
    this.#table('doubt').clear();
    for (const key of closeChecks(this.#table('check')))
      this.#leaveOut('check', key, 'it cannot be read');
    listAgain(this.#table('node'));
  }

  /** Every batch that anything names. */
  #batches(): Map<BatchId, BatchRow> {
    const batches = new Map<BatchId, BatchRow>();
    for (const [id, row] of this.#known) batches.set(id, row);
    const named = new Set(this.#reported);
    for (const table of ['page', 'vote'] as const)
      for (const key of this.#table(table).keys()) named.add(Number.parseInt(key.slice(0, 8), 16));
    for (const rowKey of this.#damaged)
      if (/^(batch|page|vote)\//.test(rowKey))
        named.add(Number.parseInt(rowKey.split('/')[1]?.slice(0, 8) ?? '', 16));
    for (const id of named) {
      const batchId = asBatchId(id);
      if (!(id > 0) || batches.has(batchId) || this.#deleted.has(id)) continue;
      batches.set(batchId, tombstone(batchId));
      this.#losses.push({batchId, name: '', reopened: undefined, decisionsLost: 0});
    }
    return batches;
  }

  /** Its row may be an older one, or what it stands for gone: the next start goes on with the deletion. */
  #letGo(row: BatchRow): void {
    const votes = this.#table('vote');
    for (const key of [...votes.keys()]) if (key.startsWith(hex32(row.id))) votes.delete(key);
    const lastReportNo = Math.max(row.lastReportNo, this.#lastReportNo);
    const going: BatchRow = {...row, deleting: true, lastReportNo};
    this.#table('batch').set(batchKey(row.id), encodeJson(going));
  }

  #mendBatch(found: BatchRow, wall: number): void {
    if (found.deleting || this.#deleted.has(found.id)) return this.#letGo(found);
    const row = endWithoutNodes(found, this.#table('meta'), wall);
    const pages = this.#pagesOf(row);
    const damaged = this.#damagedPages(row);
    const reopened = new Set<number>();
    const counts = this.#keepDecisions(row, pages, reopened);
    for (const pageNo of damaged)
      for (const index of openOf(row, pageNo, pages.get(pageNo))) reopened.add(index);
    const isDecided = (index: number): boolean =>
      pages.get(pageNoOf(index))?.has(index % PAGE_WORKUNITS) ?? false;
    const quarantined = quarantinedIn(this.#table('control'));
    const basis = {isDecided, itemsOf: this.#itemsOf, revoked: this.#revoked, quarantined};
    // An ended batch that goes on has its votes again, where the disk has.
    const ended = stateOf(row, counts, wall, isDecided);
    const votes = this.#table('vote');
    const next = {...row, ...ended};
    for (const index of keepVotes(next, votes, basis)) reopened.add(index);
    for (const index of this.#unvoted.missing(next, votes, basis)) reopened.add(index);
    const lastReportNo = Math.max(row.lastReportNo, this.#lastReportNo);
    const mended: BatchRow = {...row, ...ended, ...counts, rechecking: 0, lastReportNo};
    this.#table('batch').set(batchKey(row.id), encodeJson(mended));
    const decisionsLost = Math.max(0, row.done + row.failed - counts.done - counts.failed);
    if (reopened.size === 0 && decisionsLost === 0) return;
    const indexes = [...reopened].sort((a, b) => a - b);
    this.#losses.push({batchId: row.id, name: row.name, reopened: indexes, decisionsLost});
  }

  /** Counts the decisions that stand; the workunits of others are open again. */
  #keepDecisions(
    row: BatchRow,
    pages: Pages,
    reopened: Set<number>,
  ): {readonly done: number; readonly failed: number} {
    const counts = {done: 0, failed: 0};
    for (const [pageNo, page] of pages) {
      for (const [offset, decision] of [...page]) {
        const index = pageNo * PAGE_WORKUNITS + offset;
        if (this.#stands(row, index, decision)) counts[decision.kind] += 1;
        else {
          page.delete(offset);
          reopened.add(index);
        }
      }
      this.#putPage(row, pageNo, page);
    }
    return counts;
  }

  #pagesOf(row: BatchRow): Pages {
    const pages: Pages = new Map();
    for (const [key, value] of sorted(this.#table('page'))) {
      const {batchId, pageNo} = decodePageKey(key);
      if (batchId !== row.id) continue;
      const page = attempt(() => decodePage(value));
      if (page && row.count > 0) pages.set(pageNo, page);
      else this.#leaveOut('page', key, page ? 'its batch is lost' : 'it cannot be read');
    }
    return pages;
  }

  #damagedPages(row: BatchRow): Set<number> {
    const prefix = `page/${hex32(row.id)}`;
    const numbers = new Set<number>();
    for (const rowKey of [...this.#damaged, ...this.#rows.map(left => left.rowKey)])
      if (rowKey.startsWith(prefix)) numbers.add(Number.parseInt(rowKey.slice(prefix.length), 16));
    return numbers;
  }

  #stands(row: BatchRow, index: number, decision: Decision): boolean {
    if (index >= row.count) return false;
    if (decision.kind === 'failed') return true;
    return this.#recount.proves(row.id, index);
  }

  #putPage(row: BatchRow, pageNo: number, page: Map<number, Decision>): void {
    const key = `${hex32(row.id)}${hex32(pageNo)}`;
    if (page.size === 0) this.#table('page').delete(key);
    else this.#table('page').set(key, encodePage(page));
  }

  #shots(): void {
    const captures = new Map<string, CaptureRow>();
    for (const [key, value] of this.#table('capture')) captures.set(key, jsonRow(value));
    for (const [key, value] of [...this.#table('shot')]) {
      const capture = captures.get(key.slice(0, 8));
      const row = attempt(() => jsonRow<ShotRow>(value));
      const fits = attempt(
        () => capture && row && restoreShot(captureOf(capture, 0 as never), key, row),
      );
      if (!fits) this.#leaveOut('shot', key, capture ? 'it cannot be read' : 'its capture is lost');
    }
  }

  #giveCredit(counted: Recount['credits']): void {
    const credits = this.#table('credit');
    // Of nodes whose own rows are lost too: they may come back.
    const earners = new Set<string>([...this.#table('node').keys(), ...counted.keys()]);
    for (const key of earners) {
      const known = attempt(() => decodeCredit(credits.get(key) ?? new Uint8Array()));
      const row = counted.get(asNodeId(key)) ?? NO_CREDIT;
      const errors = Math.max(known?.errors ?? 0, row.errors);
      credits.set(key, encodeCredit({...row, errors}));
    }
    for (const key of [...credits.keys()]) if (!earners.has(key)) credits.delete(key);
  }

  /** No receipt of an epoch up to now proves anything above this number of the journal, which is answered. */
  #void(after: number): number {
    const meta = this.#table('meta');
    const known = this.#meta<{epoch: number}>(EPOCH_KEY)?.epoch ?? 0;
    const epoch = known + EPOCH_LEAP;
    meta.set(EPOCH_KEY, encodeJson({epoch}));
    const isLost = this.#damaged.has(`meta/${RECOVERED_KEY}`);
    // A node that was away since an earlier recovery has still to hear of that one.
    const earlier = this.#meta<RecoveredRow>(RECOVERED_KEY)?.journalNo ?? after;
    const journalNo = isLost ? 0 : Math.min(after, earlier);
    meta.set(RECOVERED_KEY, encodeJson({epoch: epoch + 1, journalNo}));
    return journalNo;
  }

  #meta<T>(key: string): T | undefined {
    const row = this.#table('meta').get(key);
    return row && attempt(() => jsonRow<T>(row));
  }
}
