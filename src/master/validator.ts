// What the votes on one workunit mean. Pure: values in, verdict out.
//
// Canonical = a group of ≥ minQuorum equal outputs from distinct nodes AND more than half of all valid
// results of the workunit (BOINC's strict majority, sched/validator.cpp); a tie asks for one replica more.
// A trap is the app's own, repeatable fault, so it may be voted on; every other error is the node's.

import {equalBytes} from '../base/bytes.ts';
import type {NodeId} from '../base/types.ts';
import type {Policy, VoteRow} from '../core/tables.ts';
import type {OutputRef} from '../wire/message.ts';

export type Vote = VoteRow & {readonly nodeId: NodeId};

export type Verdict =
  /** `canonical` is one of `agreeing`; the nodes in `disagreeing` returned other bytes. */
  | {
      readonly kind: 'canonical';
      readonly canonical: Vote;
      readonly agreeing: readonly Vote[];
      readonly disagreeing: readonly Vote[];
    }
  | {readonly kind: 'failed'; readonly reason: string}
  /** So many replicas more, beside those that are out, are wanted. 0 = wait. */
  | {readonly kind: 'open'; readonly wanted: number};

export function sameOutput(a: OutputRef, b: OutputRef): boolean {
  if (a.kind === 'inline') return b.kind === 'inline' && equalBytes(a.bytes, b.bytes);
  return b.kind === 'blob' && a.blobId === b.blobId && a.size === b.size;
}

type DoneVote = Vote & {readonly status: 'done'};

function groupsOf(votes: readonly Vote[]): DoneVote[][] {
  const groups: DoneVote[][] = [];
  for (const vote of votes) {
    if (vote.status !== 'done') continue;
    const group = groups.find(([first]) => first && sameOutput(first.output, vote.output));
    if (group) group.push(vote);
    else groups.push([vote]);
  }
  return groups;
}

/**
 * @param votes at most one valid one of each node
 * @param out replicas that are still at nodes
 * @param issued replicas ever handed out
 */
export function decide(
  policy: Policy,
  votes: readonly Vote[],
  out: number,
  issued: number,
): Verdict {
  const groups = groupsOf(votes);
  const valid = groups.reduce((sum, group) => sum + group.length, 0);
  const best = groups.reduce<DoneVote[]>((a, b) => (b.length > a.length ? b : a), []);
  const [canonical] = best;
  const majority = best.length * 2 > valid;
  if (canonical && best.length >= policy.minQuorum && majority) {
    const disagreeing = votes.filter(vote => vote.status === 'done' && !best.includes(vote));
    return {kind: 'canonical', canonical, agreeing: best, disagreeing};
  }
  const failure = failureOf(policy, votes, valid);
  if (failure !== undefined) return {kind: 'failed', reason: failure};
  const forQuorum = policy.minQuorum - best.length;
  const forTie = best.length >= policy.minQuorum ? 1 : 0;
  const wanted = Math.max(policy.targetReplicas - valid, forQuorum, forTie) - out;
  const left = policy.maxTotalReplicas - issued;
  if (wanted > 0 && left <= 0 && out === 0)
    return {kind: 'failed', reason: `no quorum after ${issued} replicas (maxTotalReplicas)`};
  return {kind: 'open', wanted: Math.max(0, Math.min(wanted, left))};
}

/**
 * Replicas that a workunit wants which a restart finds with these votes; undefined = they decide it. The
 * replicas that were out when the master died may still bring results, so having handed out all that are
 * allowed is no verdict: one more is wanted in place of those.
 */
export function wantedAfterRestart(
  policy: Policy,
  votes: readonly Vote[],
  issued: number,
): number | undefined {
  if (decide(policy, votes, 1, issued).kind !== 'open') return undefined;
  const verdict = decide(policy, votes, 0, issued);
  return verdict.kind === 'open' ? verdict.wanted : 1;
}

function failureOf(policy: Policy, votes: readonly Vote[], valid: number): string | undefined {
  let errors = 0;
  let last = '';
  const trapped = new Set<NodeId>();
  for (const vote of votes) {
    if (vote.status === 'done') continue;
    errors += 1;
    last = vote.reason === '' ? vote.status : `${vote.status}: ${vote.reason}`;
    if (vote.status === 'trapped') trapped.add(vote.nodeId);
  }
  if (valid === 0 && trapped.size >= policy.minQuorum) return last;
  return errors >= policy.maxErrorReplicas ? last : undefined;
}
