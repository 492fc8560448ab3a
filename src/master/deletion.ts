// Batches that go: at an operator's word, or when the time for which done ones are kept is over. Everything is
// deleted in slices, one batch after the other, so that no turn and no commit grows with the batch; a master
// that dies meanwhile begins that batch's deletion again, which changes nothing.
//
//   pages (and doubts about them) ─▶ reports that no other batch has results in ─▶ the row
//
// The batch is gone for everybody from the first moment: late results of it are of no use, as of any ended
// one. Its number never comes again. History stays; credit stays; inputs and outputs that are blobs are told to the
// shell once their rows are gone, and go when no other row names them (io/blob-sweep.ts).

import {addMono, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {DAY_MS, MINUTE_MS} from '../base/units.ts';
import {checkKey, doubtKey} from '../core/checks.ts';
import type {MasterEvent} from '../core/core.ts';
import {blobsOfSource, type NamedBlob} from '../core/input-source.ts';
import {
  type Actor,
  BY_RULE,
  broadcastKey,
  NUMBERS_KEY,
  type NumbersRow,
} from '../core/operator-rows.ts';
import {
  type BatchRow,
  batchKey,
  del,
  encodeJson,
  PAGE_WORKUNITS,
  pageKey,
  put,
  reportKey,
} from '../core/tables.ts';
import {mayStandAlone} from './adaptive.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {record} from './history.ts';

type Listed = Extract<MasterEvent, {type: 'reportsListed'}>;

/** Pages that one turn deletes: 16,384 workunits. */
const PAGES_PER_SLICE = 256;
/** Others have their turn between two slices. */
const SLICE_MS = 20;
/** How often ended batches are looked at. */
const RETENTION_LOOK_MS = MINUTE_MS;
/** Batches whose time is over that one look deletes. */
const BATCHES_PER_LOOK = 64;
/** The wall clock may differ from the cluster's by as much: what was set further is not believed. */
const CLOCK_TRUSTED_MS = DAY_MS;

/** `page` = the next one to delete; undefined = its reports are being listed. */
type Going = {readonly row: BatchRow; page: number | undefined; isAsked: boolean};

export class Deletions {
  readonly #context: MasterContext;
  /** In the order in which they were asked for. */
  readonly #going: Going[];
  #sliceAt: MonoMs = NEVER;
  #lookAt: MonoMs = NEVER;
  #numbers: NumbersRow;

  /** @param going batches whose deletion an earlier life began */
  constructor(context: MasterContext, going: readonly BatchRow[], numbers: NumbersRow) {
    this.#context = context;
    this.#numbers = numbers;
    this.#going = going.map(row => ({row, page: 0, isAsked: false}));
  }

  /** The batch has ended. @param numbers the highest that were given out */
  begin(batch: Batch, actor: Actor, numbers: NumbersRow, now: Now): void {
    const context = this.#context;
    const {id} = batch.row;
    record(context, batch, {actor, action: 'deleted', detail: batch.row.name}, now);
    batch.control = {...batch.control, deleting: true};
    for (const op of batch.saves(batch.toRow())) context.save(op);
    context.dirtyBatches.delete(batch);
    context.batches.delete(id);
    context.gone.add(id);
    this.#going.push({row: batch.toRow(), page: 0, isAsked: false});
    this.#sliceAt = Math.min(this.#sliceAt, now.mono) as MonoMs;
    this.#keep(numbers);
    context.announceGone(id);
  }

  #keep({batchId, reportNo}: NumbersRow): void {
    this.#numbers = {
      batchId: Math.max(batchId, this.#numbers.batchId),
      reportNo: Math.max(reportNo, this.#numbers.reportNo),
    };
    this.#context.save(put('meta', NUMBERS_KEY, encodeJson(this.#numbers)));
  }

  /** Begins to look: what an earlier life left, and batches whose time is over. */
  watch(now: MonoMs): void {
    if (this.#going.length > 0) this.#sliceAt = now;
    if (this.#context.config.retentionMs !== undefined) this.#lookAt = now;
  }

  wakeAt(): MonoMs {
    return Math.min(this.#sliceAt, this.#lookAt) as MonoMs;
  }

  /** @returns ended batches whose time is over */
  tick(now: Now): Batch[] {
    if (now.mono >= this.#sliceAt) this.#slice(now);
    if (now.mono < this.#lookAt) return [];
    this.#lookAt = addMono(now.mono, RETENTION_LOOK_MS);
    return this.#overdue(now);
  }

  #overdue(now: Now): Batch[] {
    const {config, batches} = this.#context;
    if (config.retentionMs === undefined) return [];
    if (Math.abs(now.wall - this.#context.instant(now.mono)) > CLOCK_TRUSTED_MS) return [];
    const before = now.wall - config.retentionMs;
    const overdue: Batch[] = [];
    for (const batch of batches.values()) {
      if (overdue.length >= BATCHES_PER_LOOK) break;
      if (batch.running || batch.row.stage) continue; // a stage goes with its batch
      if (batch.counters.endedAt < before) overdue.push(batch);
    }
    return overdue;
  }

  #slice(now: Now): void {
    const [going] = this.#going;
    this.#sliceAt = going === undefined || going.isAsked ? NEVER : addMono(now.mono, SLICE_MS);
    if (going?.page === undefined || going.isAsked) return;
    const {row} = going;
    const pages = Math.ceil(row.count / PAGE_WORKUNITS);
    const end = Math.min(going.page + PAGES_PER_SLICE, pages);
    for (let pageNo = going.page; pageNo < end; pageNo++) this.#dropPage(row, pageNo);
    going.page = end < pages ? end : undefined;
    if (going.page !== undefined) return;
    going.isAsked = true;
    this.#sliceAt = NEVER;
    this.#ask(row, row.firstReportNo ?? 0);
  }

  #dropPage(row: BatchRow, pageNo: number): void {
    const {roster} = this.#context;
    this.#context.drop('page', pageKey(row.id, pageNo));
    if ((row.retries ?? 0) > 0) this.#context.drop('tries', pageKey(row.id, pageNo));
    if (!mayStandAlone(row.policy)) return;
    for (const {row: node} of roster.all())
      if (node.doubts !== 0) {
        this.#context.drop('doubt', doubtKey(node.nodeId, row.id, pageNo));
        this.#context.drop('check', checkKey(row.id, pageNo, node.nodeId));
      }
  }

  #ask({id: batchId, lastReportNo: to}: BatchRow, from: number): void {
    this.#context.emit({type: 'listReports', batchId, from, to});
  }

  /** A report goes when nothing is left that it has results of. */
  onListed({batchId, reports, next}: Listed, now: Now): void {
    const [going] = this.#going;
    if (going?.row.id !== batchId || !going.isAsked) return;
    const {batches} = this.#context;
    for (const {reportNo, batchIds, blobs} of reports) {
      if (batchIds.some(id => batches.has(id))) continue;
      this.#context.drop('report', reportKey(reportNo));
      this.#unname(blobs);
    }
    if (next !== undefined) return this.#ask(going.row, next);
    this.#end(going.row);
    this.#sliceAt = this.#going.length > 0 ? now.mono : NEVER;
  }

  /** The shell deletes them soon, if nothing else names them. */
  #unname(blobs: readonly NamedBlob[]): void {
    if (blobs.length === 0) return;
    for (const {blobId} of blobs) this.#context.uploads.forget(blobId);
    this.#context.emit({type: 'unnamed', blobs});
  }

  #end({id, policy, input, shared, stageAt}: BatchRow): void {
    this.#going.shift();
    if (policy.broadcast) this.#context.drop('meta', broadcastKey(id));
    this.#context.save(del('batch', batchKey(id)));
    const carried = stageAt?.carried;
    this.#unname([
      ...blobsOfSource(input),
      ...(shared ? [shared] : []),
      ...(carried ? [carried] : []),
    ]);
    this.#context.note('info', 'batch is gone from the disk', {batch: id});
  }
}

/** Who deletes what is overdue. */
export const RETENTION: Actor = {...BY_RULE, name: 'retention'};
