// S1, S8 and S13 after `volley recover`: what is kept is true, and whatever was durable or acknowledged and is gone is
// declared lost, either by name (a workunit that is open again, a batch that is lost) or by number: a commit behind
// the end of what is good of the journal, so that every node which holds a receipt for it says it again.

import type {NodeId} from '../base/types.ts';
import type {Loss} from '../master/salvage.ts';
import type {Doubted} from './change.ts';
import {holds} from './fabric.ts';
import type {Decided, Model} from './model.ts';
import {batchOf, nameOf, type WorkunitKey} from './model-names.ts';

export type Acked = {
  readonly nodeId: NodeId;
  readonly key: WorkunitKey;
  /** Of the receipt. */
  readonly journalNo: number;
};

/**
 * A decision that was taken out: it stood on a revoked node alone, or an operator had the workunit retried or its
 * batch deleted; then it is nobody's.
 */
export type Withdrawn = {
  readonly nodeId: Doubted['nodeId'] | undefined;
  readonly former: Decided;
  /** Number of the commit that took it out. */
  readonly at: number;
};

export type Salvaged = {
  /** End of what is good of the journal. */
  readonly lastGood: number;
  readonly loss: Loss;
  /** What the new store holds. */
  readonly model: Model;
  readonly credit: number;
  readonly head: number;
};

/** @param decidedAt number of the commit that decided */
export function checkSalvage(
  before: Model,
  {lastGood, loss, model}: Salvaged,
  decidedAt: ReadonlyMap<WorkunitKey, number>,
  acked: readonly Acked[],
  withdrawn: ReadonlyMap<WorkunitKey, readonly Withdrawn[]> = new Map(),
): void {
  const reopened = new Map(loss.batches.map(each => [Number(each.batchId), each.reopened]));
  const isDeclared = (key: WorkunitKey): boolean => {
    const batchId = batchOf(key);
    if (before.orders.deleted.has(batchId)) return true; // somebody said so
    if (!reopened.has(batchId)) return false;
    return reopened.get(batchId)?.includes(key % 2 ** 32) ?? true;
  };
  // That it was taken out is lost; or it is taken out again; or the operator is told to revoke again.
  const isTakenAgain = (key: WorkunitKey, nodeId: Withdrawn['nodeId']): boolean =>
    nodeId === undefined
      ? model.orders.deleted.has(batchOf(key))
      : model.revoked.has(nodeId) || loss.doubtfulNodes.includes(nodeId);
  const mayBeBack = (key: WorkunitKey, {former, nodeId, at}: Withdrawn, now: Decided): boolean =>
    equal(former, now) && (at > lastGood || isTakenAgain(key, nodeId));
  for (const [key, decided] of model.decisions) {
    const known = before.decisions.get(key);
    const isBack = withdrawn.get(key)?.some(each => mayBeBack(key, each, decided));
    const isTrue = (known && equal(known, decided)) || isBack;
    holds(isTrue, 'P4', () => `${nameOf(key)}: a decision is made up`);
  }
  for (const key of before.decisions.keys()) {
    const isKept = model.decisions.has(key) || isDeclared(key);
    const isBehind = (decidedAt.get(key) ?? 0) > lastGood;
    holds(isKept || isBehind, 'S1', () => `${nameOf(key)} was decided, is not, and nobody says so`);
  }
  for (const {nodeId, key, journalNo} of acked) {
    const isKept = model.votedBy(key, nodeId) || model.decisions.has(key) || isDeclared(key);
    const isTold =
      journalNo > lastGood || model.revoked.has(nodeId) || model.hasEnded(batchOf(key));
    const story = `${nameOf(key)} of ${nodeId}, receipt ${journalNo}, is lost without a word`;
    holds(isKept || isTold, 'S1', () => `${story}; the journal is good to ${lastGood}`);
  }
  checkNumbers(before, {loss, model}, withdrawn);
  checkCredit(model);
}

/** What is declared by numbers alone: batches that nothing is left of, and decisions that only a row counts. */
function checkNumbers(
  before: Model,
  {loss, model}: Pick<Salvaged, 'loss' | 'model'>,
  withdrawn: ReadonlyMap<WorkunitKey, readonly Withdrawn[]>,
): void {
  const isMissing = (id: number): boolean =>
    loss.missingBatches.some(([first, last]) => id >= first && id <= last);
  for (const id of model.batches.keys())
    holds(!isMissing(id), 'S13', () => `batch ${id} is there, and is called missing`);
  const highest = [...model.batches.keys()].reduce((most, id) => Math.max(most, id), 0);
  for (const id of before.batches.keys()) {
    const isTold = model.batches.has(id) || before.orders.deleted.has(id) || isMissing(id);
    holds(isTold || id > highest, 'S13', () => `batch ${id} is gone, and nobody says so`);
  }
  const gone = new Map<number, number>();
  const count = (key: WorkunitKey): void => {
    gone.set(batchOf(key), (gone.get(batchOf(key)) ?? 0) + 1);
  };
  for (const key of before.decisions.keys()) if (!model.decisions.has(key)) count(key);
  // An older row of the batch still counts what was taken out since.
  for (const [key, each] of withdrawn) for (const _ of each) count(key);
  for (const {batchId, decisionsLost} of loss.batches) {
    const most = gone.get(batchId) ?? 0;
    const story = `batch ${batchId}: ${decisionsLost} decisions are called lost, ${most} are gone`;
    holds(decisionsLost <= most, 'S13', () => story);
  }
}

/** Whose result is canonical was paid for it. */
function checkCredit({decisions, reports, credits}: Model): void {
  const named = new Map<NodeId, number>();
  for (const decided of decisions.values()) {
    const nodeId = decided.kind === 'done' ? reports.get(decided.reportNo)?.nodeId : undefined;
    if (nodeId !== undefined) named.set(nodeId, (named.get(nodeId) ?? 0) + 1);
  }
  for (const [nodeId, count] of named) {
    const {validated = 0} = credits.get(nodeId) ?? {};
    const story = `node ${nodeId} has credit for ${validated} results, ${count} of it are canonical`;
    holds(validated >= count, 'S8', () => story);
  }
}

const equal = (a: Decided, b: Decided): boolean => JSON.stringify(a) === JSON.stringify(b);
