// Credit counted anew from the evidence: the votes on every decided workunit, replayed in the order in which
// their reports came, up to the one that decided it. What came later was never counted.

import type {NodeId} from '../base/types.ts';
import type {BatchRow, CreditRow, Decision} from '../core/tables.ts';
import type {ResultItem} from '../wire/message.ts';
import {CREDIT, sameReplica} from './results.ts';
import {decide, type Vote} from './validator.ts';

export type Evidence = {readonly nodeId: NodeId; readonly items: readonly ResultItem[]};
export type Decided = {
  readonly batch: BatchRow;
  readonly index: number;
  readonly decision: Decision;
};

export const NO_CREDIT: CreditRow = {validated: 0, disagreed: 0, errors: 0, credit: 0};

export type Recounted = {
  readonly credits: ReadonlyMap<NodeId, CreditRow>;
  /** `batch/index` of canonical results that the reports which are there do not prove. */
  readonly unproven: ReadonlySet<string>;
};

type Case = {
  readonly decided: Decided;
  readonly votes: Vote[];
  over: boolean;
};

/** @param reports by their numbers, in that order */
export function recount(
  decided: readonly Decided[],
  reports: ReadonlyMap<number, Evidence>,
): Recounted {
  const credits = new Map<NodeId, CreditRow>();
  const cases = new Map<string, Case>();
  for (const each of decided)
    cases.set(`${each.batch.id}/${each.index}`, {decided: each, votes: [], over: false});
  for (const [reportNo, {nodeId, items}] of reports)
    for (const [at, item] of items.entries()) {
      const open = cases.get(`${item.batchId}/${item.index}`);
      if (open && !open.over) hear(open, voteOf(item, nodeId, reportNo, at), credits);
    }
  const unproven = new Set<string>();
  for (const [name, {over, decided: each}] of cases)
    if (!over && each.decision.kind === 'done') unproven.add(name);
  return {credits, unproven};
}

function hear(open: Case, vote: Vote, credits: Map<NodeId, CreditRow>): void {
  const {votes, decided} = open;
  if (votes.some(each => each.nodeId === vote.nodeId && sameReplica(each, vote))) return;
  votes.push(vote);
  if (vote.status !== 'done') add(credits, vote, {errors: 1});
  // One replica is always said to be out: having handed out all that are allowed decides nothing here.
  const verdict = decide(decided.batch.policy, votes, 1, votes.length);
  if (verdict.kind === 'open') return;
  open.over = true;
  if (verdict.kind === 'failed') return;
  for (const each of verdict.agreeing) add(credits, each, {validated: 1, credit: CREDIT});
  for (const each of verdict.disagreeing) add(credits, each, {disagreed: 1});
}

function add(credits: Map<NodeId, CreditRow>, {nodeId}: Vote, more: Partial<CreditRow>): void {
  const before = credits.get(nodeId) ?? NO_CREDIT;
  credits.set(nodeId, {
    validated: before.validated + (more.validated ?? 0),
    disagreed: before.disagreed + (more.disagreed ?? 0),
    errors: before.errors + (more.errors ?? 0),
    credit: before.credit + (more.credit ?? 0),
  });
}

function voteOf(item: ResultItem, nodeId: NodeId, reportNo: number, at: number): Vote {
  const head = {nodeId, replicaNo: item.replicaNo, reportNo, item: at, cpuMs: item.cpuMs};
  return item.status === 'done'
    ? {...head, status: item.status, output: item.output}
    : {...head, status: item.status, reason: item.reason};
}
