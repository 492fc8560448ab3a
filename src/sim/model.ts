// What the master's store must hold, rebuilt from the commits that became durable: a second, plain reading
// of the same rows, against which every row and every promise is held.

import type {BatchId, NodeId} from '../base/types.ts';
import {decodeChecks, nodeOfCheckKey} from '../core/checks.ts';
import type {HistoryRow, NodeControl} from '../core/operator-rows.ts';
import {
  type BatchRow,
  type CreditRow,
  decodeCredit,
  decodeJson,
  decodePage,
  decodePageKey,
  decodeReportRow,
  decodeVote,
  decodeVoteKey,
  type NodeRow,
  type Op,
  PAGE_WORKUNITS,
  type TableName,
  type VoteRow,
} from '../core/tables.ts';
import {decodeResults} from '../wire/codec.ts';
import type {ResultItem} from '../wire/message.ts';
import {type Change, type Doubted, noChange} from './change.ts';
import {holds} from './fabric.ts';
import {getOr} from './get-or.ts';
import {batchOf, nameOf, outputName, type WorkunitKey, workunitKey} from './model-names.ts';
import {OrderModel} from './order-model.ts';
import {TryModel} from './try-model.ts';

/** `barred`: of a vote that is gone: its node was revoked or quarantined before, so it did not count. */
export type ModelVote = {
  readonly nodeId: NodeId;
  readonly row: VoteRow;
  readonly barred?: boolean;
};
export type ModelReport = {readonly nodeId: NodeId; readonly items: readonly ResultItem[]};
export type Decided =
  | {
      readonly kind: 'done';
      readonly reportNo: number;
      readonly item: number;
      readonly single?: true;
    }
  | {readonly kind: 'failed'; readonly reason: string};

/** A row of `control` that says nothing any more is none. */
const MAY_GO: ReadonlySet<TableName> = new Set(['vote', 'token', 'app', 'meta', 'control']);

export class Model {
  readonly batches = new Map<number, BatchRow>();
  readonly decisions = new Map<WorkunitKey, Decided>();
  readonly decidedOf = new Map<number, number>();
  /** Rows of `vote`, by workunit and then by their key. */
  readonly votes = new Map<WorkunitKey, Map<string, ModelVote>>();
  readonly reports = new Map<number, ModelReport>();
  readonly credits = new Map<NodeId, CreditRow>();
  /** Who is on record with which output of an undecided workunit. */
  readonly evidence = new Map<WorkunitKey, Map<string, Set<NodeId>>>();
  /** Their word counts no more. */
  readonly revoked = new Set<NodeId>();
  /** Canonical results of revoked nodes that are listed to be computed again. */
  readonly doubted = new Map<WorkunitKey, Doubted>();
  orders = new OrderModel();
  tries = new TryModel();

  /** Rows are shared: nobody changes them. */
  copy(): Model {
    const copy = new Model();
    for (const [id, row] of this.batches) copy.batches.set(id, row);
    for (const [key, decided] of this.decisions) copy.decisions.set(key, decided);
    for (const [id, count] of this.decidedOf) copy.decidedOf.set(id, count);
    for (const [key, votes] of this.votes) copy.votes.set(key, new Map(votes));
    for (const [reportNo, report] of this.reports) copy.reports.set(reportNo, report);
    for (const [nodeId, row] of this.credits) copy.credits.set(nodeId, row);
    for (const nodeId of this.revoked) copy.revoked.add(nodeId);
    for (const [key, doubted] of this.doubted) copy.doubted.set(key, doubted);
    copy.orders = this.orders.copy();
    copy.tries = this.tries.copy();
    for (const [key, outputs] of this.evidence)
      copy.evidence.set(key, new Map([...outputs].map(([name, set]) => [name, new Set(set)])));
    return copy;
  }

  apply(ops: readonly Op[]): Change {
    const change = noChange();
    for (const op of ops) {
      if (op.type === 'put') this.#put(op.table, op.key, op.value, change);
      else this.#del(op.table, op.key, change);
    }
    for (const key of change.checked.keys()) this.doubted.delete(key);
    return change;
  }

  #put(table: TableName, key: string, value: Uint8Array, change: Change): void {
    switch (table) {
      case 'report':
        change.reported.add(Number.parseInt(key, 16));
        return this.#putReport(key, value);
      case 'vote':
        return this.#putVote(key, value);
      case 'page':
        return this.#putPage(key, value, change);
      case 'check':
        return this.#putChecks(key, value, change);
      case 'tries':
        for (const workunit of this.tries.put(key, value)) change.later.add(workunit);
        return;
      case 'batch':
        return this.#putBatch(decodeJson(value) as BatchRow, change);
      case 'history': {
        const ended = this.orders.history(key, decodeJson(value) as HistoryRow);
        if (ended !== undefined) change.anew.add(ended);
        return;
      }
      case 'control': {
        const nodeId = key as NodeId;
        if (this.orders.control(nodeId, decodeJson(value) as NodeControl)) change.aside.add(nodeId);
        return;
      }
      case 'node':
        return this.#putNode(decodeJson(value) as NodeRow, change);
      case 'credit': {
        this.credits.set(key as NodeId, decodeCredit(value));
        change.credited.add(key as NodeId);
        return;
      }
      default:
        return;
    }
  }

  #putReport(key: string, value: Uint8Array): void {
    const reportNo = Number.parseInt(key, 16);
    holds(!this.reports.has(reportNo), 'P1', () => `report ${reportNo} is written over`);
    const {nodeId, body} = decodeReportRow(value);
    const items = decodeResults(body);
    holds(items, 'P1', () => `report ${reportNo} cannot be read`);
    this.reports.set(reportNo, {nodeId, items});
    for (const item of items) if (item.status === 'done') this.#witness(nodeId, item);
  }

  #putNode({nodeId, revokedAt}: NodeRow, change: Change): void {
    const isRevoked = this.revoked.has(nodeId);
    holds(!isRevoked || revokedAt > 0, 'S15', () => `node ${nodeId} is a member again`);
    if (revokedAt === 0 || isRevoked) return;
    this.revoked.add(nodeId);
    change.revoked.add(nodeId);
  }

  /** What a node said that is revoked or quarantined counts no more. Decisions of the same commit, which pages only tell at its end, came before. */
  forgetWitnesses(gone: ReadonlySet<NodeId>): void {
    if (gone.size === 0) return;
    for (const outputs of this.evidence.values())
      for (const nodes of outputs.values()) for (const nodeId of gone) nodes.delete(nodeId);
  }

  #witness(nodeId: NodeId, item: ResultItem & {readonly status: 'done'}): void {
    const key = workunitKey(item.batchId, item.index);
    const isDecided = this.decisions.has(key) && !this.doubted.has(key);
    if (isDecided || this.revoked.has(nodeId)) return;
    const outputs = getOr(this.evidence, key, () => new Map<string, Set<NodeId>>());
    getOr(outputs, outputName(item.output), () => new Set<NodeId>()).add(nodeId);
  }

  #putVote(key: string, value: Uint8Array): void {
    const {batchId, index, nodeId} = decodeVoteKey(key);
    const workunit = workunitKey(batchId, index);
    const isOpen = !this.decisions.has(workunit) || this.doubted.has(workunit);
    holds(isOpen, 'P4', () => `a vote on ${nameOf(workunit)}, decided`);
    this.orders.isThere(batchId, this.batches.get(batchId), 'a vote');
    this.orders.voted(nodeId);
    const votes = getOr(this.votes, workunit, () => new Map<string, ModelVote>());
    votes.set(key, {nodeId, row: decodeVote(value)});
  }

  #putPage(key: string, value: Uint8Array, change: Change): void {
    const {batchId, pageNo} = decodePageKey(key);
    const page = decodePage(value);
    this.orders.isThere(batchId, this.batches.get(batchId), 'a page');
    for (let offset = 0; offset < PAGE_WORKUNITS; offset++)
      this.#takeOut(
        workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset),
        page.get(offset),
        change,
      );
    for (const [offset, decision] of page) {
      const workunit = workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset);
      const before = this.decisions.get(workunit);
      if (!before) {
        this.decisions.set(workunit, decision);
        change.decided.set(workunit, decision);
        this.decidedOf.set(batchId, (this.decidedOf.get(batchId) ?? 0) + 1);
        continue;
      }
      holds(isSame(before, decision), 'P4', () => `the decision on ${nameOf(workunit)} changed`);
    }
    this.#nothingForgotten(batchId, pageNo, page.size);
  }

  /**
   * Only what is listed as a revoked node's may go from its page, and what failed while its batch is retried; both to be
   * decided again, of a broadcast even in the same commit. Pages are listed for a retry when its row is durable.
   */
  #takeOut(workunit: WorkunitKey, decision: Decided | undefined, change: Change): void {
    const doubted = this.doubted.get(workunit);
    const before = this.decisions.get(workunit);
    if (!before || isSame(before, decision)) return;
    const fails = before.kind === 'failed' && decision?.kind !== 'done';
    if (fails && this.batches.get(batchOf(workunit))?.retrying) return this.#undo(workunit, change);
    if (!doubted) return;
    holds(
      isSameResult(before, doubted.former),
      'P4',
      () => `${nameOf(workunit)}: another result went`,
    );
    this.#forget(workunit);
    // As it stood in its page: a check does not say whether it was single.
    change.withdrawn.set(workunit, {...doubted, former: before});
  }

  #undo(workunit: WorkunitKey, change: Change): void {
    const decided = this.decisions.get(workunit);
    if (!decided) return;
    this.#forget(workunit);
    change.undone.set(workunit, decided);
  }

  #forget(workunit: WorkunitKey): void {
    this.decisions.delete(workunit);
    const batchId = batchOf(workunit);
    this.decidedOf.set(batchId, (this.decidedOf.get(batchId) ?? 0) - 1);
  }

  /** Open checks are of results that are canonical, where one result decides, of a node that is revoked. */
  #putChecks(key: string, value: Uint8Array, change: Change): void {
    const {batchId, pageNo} = decodePageKey(key);
    const nodeId = nodeOfCheckKey(key);
    holds(this.revoked.has(nodeId), 'S17', () => `results of the member ${nodeId} are checked`);
    for (const [offset, {state, reportNo, item}] of decodeChecks(value)) {
      const workunit = workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset);
      const former: Decided = {kind: 'done', reportNo, item};
      if (state !== 'open') {
        const known = this.doubted.get(workunit);
        if (known && isSameResult(known.former, former))
          change.checked.set(workunit, {former, state});
        continue;
      }
      const isTheirs = this.reports.get(reportNo)?.nodeId === nodeId;
      holds(isTheirs, 'S17', () => `${nameOf(workunit)}: report ${reportNo} is not of ${nodeId}`);
      const {minQuorum, redundancy} = this.batches.get(batchId)?.policy ?? {};
      const mayBeSingle = minQuorum === 1 || redundancy === 'adaptive';
      holds(mayBeSingle, 'S17', () => `${nameOf(workunit)} has a quorum of ${minQuorum}`);
      this.doubted.set(workunit, {nodeId, former});
    }
  }

  #nothingForgotten(batchId: BatchId, pageNo: number, size: number): void {
    let known = 0;
    for (let offset = 0; offset < PAGE_WORKUNITS; offset++)
      if (this.decisions.has(workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset))) known += 1;
    holds(known === size, 'P4', () => `page ${batchId}/${pageNo} forgot ${known - size} decisions`);
  }

  #putBatch(row: BatchRow, change: Change): void {
    this.orders.batch(row);
    const before = this.batches.get(row.id);
    const isRetried = (row.retries ?? 0) > (before?.retries ?? 0);
    if (before && before.state !== 'running' && isRetried) change.anew.add(row.id);
    const mayGoOn =
      before?.state === 'running' ||
      isRetried ||
      (before?.state !== 'cancelled' && row.rechecking > 0);
    if (before && !mayGoOn)
      holds(before.state === row.state, 'P4', () => `batch ${row.id} went on after its end`);
    this.batches.set(row.id, row);
  }

  #del(table: TableName, key: string, change: Change): void {
    if (table === 'report') return this.#delReport(key);
    const mayGo = MAY_GO.has(table) || this.orders.mayGo(table, key);
    holds(mayGo, 'P1', () => `row ${key} of ${table} is deleted`);
    if (table === 'control') this.orders.control(key as NodeId, undefined);
    if (table === 'page') this.#delPage(key, change);
    if (table === 'batch') this.#delBatch(Number.parseInt(key, 16));
    if (table === 'vote') this.#delVote(key, change);
  }

  /** Evidence goes when nothing is left that it is evidence of. */
  #delReport(key: string): void {
    const reportNo = Number.parseInt(key, 16);
    const isNeeded = this.reports.get(reportNo)?.items.some(({batchId}) => !this.#isGone(batchId));
    holds(isNeeded !== true, 'P1', () => `report ${reportNo} is deleted and needed`);
    this.reports.delete(reportNo);
  }

  #isGone(batchId: number): boolean {
    return !this.batches.has(batchId) || this.orders.deleted.has(batchId);
  }

  #delPage(key: string, change: Change): void {
    const {batchId, pageNo} = decodePageKey(key);
    for (let offset = 0; offset < PAGE_WORKUNITS; offset++) {
      const workunit = workunitKey(batchId, pageNo * PAGE_WORKUNITS + offset);
      this.#undo(workunit, change);
      this.doubted.delete(workunit);
    }
  }

  /** The last of its rows. */
  #delBatch(id: number): void {
    const left = this.decidedOf.get(id) ?? 0;
    holds(left === 0, 'S18', () => `batch ${id} is deleted, and ${left} of its decisions are not`);
    this.batches.delete(id);
  }

  #delVote(key: string, change: Change): void {
    const {batchId, index, nodeId} = decodeVoteKey(key);
    const workunit = workunitKey(batchId, index);
    const isAside = this.orders.quarantined.has(nodeId);
    if (isAside) this.orders.setAside(workunit);
    const votes = this.votes.get(workunit);
    const vote = votes?.get(key);
    if (!votes || !vote) return; // given and taken back within one commit, or never saved
    votes.delete(key);
    if (votes.size === 0) this.votes.delete(workunit);
    const barred = isAside || this.revoked.has(nodeId);
    getOr(change.removed, workunit, () => [] as ModelVote[]).push({...vote, barred});
  }

  /** Counters of batches against their pages; to be called when a commit is applied whole. */
  checkCounters(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.table !== 'batch' || op.type !== 'put') continue;
      const row = this.batches.get(Number.parseInt(op.key, 16));
      if (!row || this.orders.deleted.has(row.id)) continue;
      const pages = this.decidedOf.get(row.id) ?? 0;
      const counted = row.done + row.failed;
      holds(counted === pages, 'P4', () => `batch ${row.id} counts ${counted}, pages ${pages}`);
      const isWhole = row.state !== 'done' || (counted === row.count && row.rechecking === 0);
      holds(
        isWhole,
        'P4',
        () =>
          `batch ${row.id} is done with ${counted} of ${row.count}, ${row.rechecking} rechecked`,
      );
    }
  }

  /** Canonical results that still rest on a revoked node alone, in batches that are not given up. */
  *restingOnRevoked(): Generator<WorkunitKey> {
    for (const [key, decision] of this.decisions) {
      if (decision.kind !== 'done') continue;
      const batch = this.batches.get(batchOf(key));
      if (batch?.policy.minQuorum !== 1 || isLeftAlone(batch)) continue;
      const nodeId = this.reports.get(decision.reportNo)?.nodeId;
      if (nodeId !== undefined && this.revoked.has(nodeId)) yield key;
    }
  }

  /** Whether votes were ever taken out because of who gave them. */
  get hasBarred(): boolean {
    return this.revoked.size > 0 || this.orders.hasAside;
  }

  /** @param fresh nodes of which this commit or the next one takes votes out: one of each may not be on the disk yet */
  votesAside(workunit: WorkunitKey, fresh: readonly NodeId[]): number {
    let count = this.orders.votesAside(workunit) + fresh.length;
    if (fresh.length === 0) return count;
    for (const {nodeId} of this.votes.get(workunit)?.values() ?? [])
      if (fresh.includes(nodeId)) count += 1;
    return count;
  }

  hasEnded(batchId: number): boolean {
    if (this.orders.deleted.has(batchId)) return true;
    return (this.batches.get(batchId)?.state ?? 'running') !== 'running';
  }

  votedBy(key: WorkunitKey, nodeId: NodeId): boolean {
    for (const vote of this.votes.get(key)?.values() ?? []) if (vote.nodeId === nodeId) return true;
    return false;
  }
}

const isSame = (a: Decided, b: Decided | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** Whether both name the same result, be it single or not. */
const isSameResult = (a: Decided, b: Decided): boolean =>
  a.kind === 'done' && b.kind === 'done' && a.reportNo === b.reportNo && a.item === b.item;

/** Results that are not computed again, whoever they rest on. */
const isLeftAlone = ({state, policy, plan, stage, deleting, ...batch}: BatchRow): boolean =>
  state === 'cancelled' ||
  policy.broadcast === true || // nobody else could compute it
  (plan ?? stage) !== undefined || // later stages were made of it
  deleting === true ||
  batch.done + batch.failed < batch.count;
