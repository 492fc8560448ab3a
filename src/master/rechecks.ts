// Results that rested on a revoked node alone are computed again. They were listed first (revocation.ts): a row
// of `check` for each page of them, all open, and the batch counts them as `rechecking`. Then, a slice after the
// other:
//
//   the page is read ──▶ the decision is taken out, its credit withdrawn ──▶ an open workunit as any other
//   it is decided    ──▶ confirmed: the same output · replaced: another one · failed: none
//
// So at every moment a workunit has one canonical result or none, and one grant of credit (promise P4). A batch is
// not over while any of its results are rechecked; one that had ended is running again until then. What is out in
// slices is bounded, whatever a node left behind. A master that dies begins the node's list anew: what is checked
// rests on others by then, and what was taken out is open in its page.

import {equalBytes} from '../base/bytes.ts';
import {type BatchId, type NodeId, workunitId} from '../base/types.ts';
import {type Check, checkKey, doubtKey, encodeChecks, nodeOfCheckKey} from '../core/checks.ts';
import type {CheckPage} from '../core/lookups.ts';
import {type Decision, decodePageKey, PAGE_WORKUNITS, put} from '../core/tables.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {saveNode} from './roster.ts';

/** The next slice is asked for when fewer than this are open. */
const OPEN_MIN = 512;
/** A row of checks of which some are open workunits. */
type Row = {readonly key: string; readonly checks: Map<number, Check>};
type Open = {readonly row: Row; readonly offset: number};

export class Rechecks {
  readonly #context: MasterContext;
  readonly #open = new Map<string, Open>();
  /** Nodes whose results have to be taken out, one after the other. */
  readonly #nodes = new Set<NodeId>();
  /** Key of the last row of `doubt` of the first node that was dealt with. */
  #after = '';
  #isReading = false;
  /** Its pages are being listed for a retry: until then not all of them are known. */
  #waitsFor: Batch | undefined;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** Workunits that are being checked now. */
  get size(): number {
    return this.#open.size;
  }

  /** All results of the node that are to be checked are listed. */
  begin(nodeId: NodeId): void {
    this.#nodes.add(nodeId);
  }

  /** After a restart: a row of a running batch, of which some open ones have no decision in their page. */
  restore(key: string, checks: Map<number, Check>, page: ReadonlyMap<number, Decision>): void {
    const {batchId, pageNo} = decodePageKey(key);
    const row: Row = {key, checks};
    for (const [offset, {state}] of checks)
      if (state === 'open' && !page.has(offset))
        this.#open.set(nameOf(batchId, pageNo, offset), {row, offset});
  }

  /** At the end of each turn. */
  next(): void {
    const [nodeId] = this.#nodes;
    if (nodeId === undefined || this.#isReading || this.#open.size >= OPEN_MIN) return;
    if (this.#waitsFor?.running && this.#waitsFor.retrying) return;
    this.#waitsFor = undefined;
    this.#isReading = true;
    this.#context.emit({type: 'readChecks', nodeId, after: this.#after});
  }

  onRead(nodeId: NodeId, pages: readonly CheckPage[], isLast: boolean): void {
    this.#isReading = false;
    for (const page of pages) {
      if (!this.#takeOut(nodeId, page)) return; // read before it was written: once more from here
      this.#after = doubtKey(nodeId, page.batchId, page.pageNo);
    }
    if (!isLast) return;
    this.#nodes.delete(nodeId);
    this.#after = '';
    const node = this.#context.roster.node(nodeId);
    if (!node) return;
    node.row = {...node.row, rechecked: true};
    this.#context.save(saveNode(node.row));
  }

  /** false = the page is newer than what was read of it. */
  #takeOut(nodeId: NodeId, {batchId, pageNo, decisions, checks}: CheckPage): boolean {
    const batch = this.#context.batches.get(batchId);
    if (!batch?.running) return true; // cancelled: it is left as it is
    const page = batch.pageOf(pageNo, decisions);
    if (!page) {
      this.#waitsFor = batch;
      return false;
    }
    const row: Row = {key: checkKey(batchId, pageNo, nodeId), checks: new Map(checks)};
    let count = 0;
    for (const [offset, check] of checks) {
      if (check.state !== 'open' || !isFormer(page.get(offset), check)) continue;
      batch.reopen(pageNo, offset, page);
      this.#open.set(nameOf(batchId, pageNo, offset), {row, offset});
      this.#context.roster.withdraw(nodeId);
      count += 1;
    }
    if (count === 0) return true;
    this.#context.dirtyBatches.add(batch);
    this.#context.workNo += 1;
    return true;
  }

  /** The batch ended before its checks did: what is left of them stays open in their rows. */
  drop(batch: Batch): void {
    const prefix = `${batch.row.id}/`;
    for (const name of this.#open.keys()) if (name.startsWith(prefix)) this.#open.delete(name);
  }

  /** A workunit is decided; `hash` of its canonical output, undefined = it failed. */
  decided(batch: Batch, index: number, hash: () => Uint8Array | undefined): void {
    if (this.#open.size === 0) return;
    const name = `${batch.row.id}/${index}`;
    const open = this.#open.get(name);
    if (!open) return;
    this.#open.delete(name);
    const {row, offset} = open;
    const check = row.checks.get(offset);
    if (!check) return;
    const output = hash();
    const state = !output ? 'failed' : equalBytes(output, check.hash) ? 'confirmed' : 'replaced';
    row.checks.set(offset, {...check, state});
    this.#context.save(put('check', row.key, encodeChecks(row.checks)));
    batch.counters.rechecking -= 1;
    if (state === 'confirmed') batch.counters.confirmed += 1;
    if (state === 'replaced') this.#replaced(batch, index, row.key, check);
  }

  /** Seen by whoever took the former one for true. */
  #replaced(batch: Batch, index: number, key: string, {reportNo}: Check): void {
    batch.counters.replaced += 1;
    this.#context.note('warn', 'a result of a revoked node was wrong and is replaced', {
      node: nodeOfCheckKey(key),
      workunit: workunitId(batch.row.id, index),
      report: reportNo,
    });
  }
}

const nameOf = (batchId: BatchId, pageNo: number, offset: number): string =>
  `${batchId}/${pageNo * PAGE_WORKUNITS + offset}`;

/** Whether the canonical result is still the one that was listed. */
const isFormer = (decision: Decision | undefined, {reportNo, item}: Check): boolean =>
  decision?.kind === 'done' && decision.reportNo === reportNo && decision.item === item;
