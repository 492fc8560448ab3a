// What the votes on one workunit mean. Pure: values in, verdict out.
//
// Canonical = a group of ≥ minQuorum equal outputs from distinct nodes AND more than half of all valid
// results of the workunit (BOINC's strict majority, sched/validator.cpp); a tie asks for one replica more.
// Outputs are equal when their bytes are, unless the batch compares in another way: then agreement.ts says
// which results form a group.
// A trap is the app's own, repeatable fault, so it may be voted on; every other error is the node's.
// A group that would just do and has a suspicious result in it (suspicion.ts) asks for one replica more, as
// long as there are replicas and nodes to be had (BOINC's VAL_RESULT_SUSPICIOUS, sched/validate_util2.cpp).

import {equalBytes} from '../base/bytes.ts';
import type {NodeId} from '../base/types.ts';
import type {Policy} from '../core/policy.ts';
import type {VoteRow} from '../core/tables.ts';
import type {OutputRef} from '../wire/message.ts';

export type Vote = VoteRow & {readonly nodeId: NodeId};
export type DoneVote = Vote & {readonly status: 'done'};

export type Verdict =
  /** `canonical` is one of `agreeing`; the outputs of the nodes in `disagreeing` do not agree with it. */
  | {
      readonly kind: 'canonical';
      readonly canonical: Vote;
      readonly agreeing: readonly Vote[];
      readonly disagreeing: readonly Vote[];
    }
  | {readonly kind: 'failed'; readonly reason: string}
  /** So many replicas more, beside those that are out, are wanted. 0 = wait. */
  | {
      readonly kind: 'open';
      readonly wanted: number;
      /** It would be decided, but for the suspicion in this result. */
      readonly suspicion?: string;
    };

/** How the results of a workunit stand to each other. */
export type Standing = {
  /** The largest group that all agree with each other. */
  readonly best: readonly DoneVote[];
  /** The one of `best` that would count; `agreeing`: all results that agree with it. */
  readonly canonical: DoneVote | undefined;
  readonly agreeing: readonly DoneVote[];
  /** Results that are compared, and those that are not yet: they are as if still out. */
  readonly valid: number;
  readonly waiting: number;
};

export type How = {
  /** Default: outputs are equal when their bytes are. */
  readonly standing?: Standing;
  /** Nodes that were lost with it and had nothing else: errors of its own. Default: 0. */
  readonly lost?: number;
  /** Whether another node could be given a replica. Default: always. */
  readonly another?: () => boolean;
  /** All nodes that could have answered, and others were waited for in vain. */
  readonly isHopeless?: boolean;
};

const RANDOM_MIN = 3;

export function sameOutput(a: OutputRef, b: OutputRef): boolean {
  if (a.kind === 'inline') return b.kind === 'inline' && equalBytes(a.bytes, b.bytes);
  return b.kind === 'blob' && a.blobId === b.blobId && a.size === b.size;
}

function standingOfBytes(votes: readonly Vote[]): Standing {
  const groups: DoneVote[][] = [];
  let valid = 0;
  for (const vote of votes) {
    if (vote.status !== 'done') continue;
    valid += 1;
    const group = groups.find(([first]) => first && sameOutput(first.output, vote.output));
    if (group) group.push(vote);
    else groups.push([vote]);
  }
  const best = groups.reduce<DoneVote[]>((a, b) => (b.length > a.length ? b : a), []);
  return {best, canonical: best[0], agreeing: best, valid, waiting: 0};
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
  how: How = {},
): Verdict {
  const standing = how.standing ?? standingOfBytes(votes);
  const {best, valid, waiting} = standing;
  const awaited = out + waiting;
  const left = policy.maxTotalReplicas - issued;
  const good = goodGroup(policy, votes, standing);
  const suspicion = good && suspicionIn(policy, best);
  const mayWait = (): boolean => out > 0 || (left > 0 && (how.another?.() ?? true));
  if (good && !(suspicion !== undefined && mayWait())) return good;
  const failure = failureOf(policy, votes, valid + waiting, how.lost);
  if (failure !== undefined) return good ?? {kind: 'failed', reason: failure};
  const forQuorum = policy.minQuorum + (good ? 1 : 0) - best.length;
  const forTie = best.length >= policy.minQuorum ? 1 : 0;
  const wanted = Math.max(policy.targetReplicas - valid, forQuorum, forTie) - awaited;
  if (wanted > 0 && left <= 0 && awaited === 0)
    return {kind: 'failed', reason: withoutQuorum(issued, best.length, valid)};
  if (how.isHopeless && awaited === 0 && best.length <= 1 && valid >= RANDOM_MIN)
    return {kind: 'failed', reason: `no other node could compute it: ${noTwoAgree(valid)}`};
  const open: Verdict = {kind: 'open', wanted: Math.max(0, Math.min(wanted, left))};
  return suspicion === undefined ? open : {...open, suspicion};
}

/** As many different results as nodes: that is seldom the nodes' fault. */
function withoutQuorum(issued: number, best: number, valid: number): string {
  const reason = `no quorum after ${issued} replicas (maxTotalReplicas)`;
  if (best > 1 || valid < RANDOM_MIN) return reason;
  return `${reason}: ${noTwoAgree(valid)}`;
}

const noTwoAgree = (valid: number): string =>
  `no two of ${valid} results agree, the app may not agree with itself`;

/** The verdict, were it not for suspicions. */
function goodGroup(
  policy: Policy,
  votes: readonly Vote[],
  {best, canonical, agreeing, valid, waiting}: Standing,
): Verdict | undefined {
  const majority = best.length * 2 > valid;
  const isEnough = best.length >= policy.minQuorum && majority;
  if (!canonical || waiting > 0 || !isEnough) return undefined;
  return {kind: 'canonical', canonical, agreeing, disagreeing: othersOf(votes, agreeing)};
}

const othersOf = (votes: readonly Vote[], agreeing: readonly Vote[]): Vote[] =>
  votes.filter(vote => vote.status === 'done' && !agreeing.includes(vote));

/** A larger group than need be has its one replica more. */
const suspicionIn = ({minQuorum}: Policy, best: readonly DoneVote[]): string | undefined =>
  best.length > minQuorum ? undefined : best.find(vote => vote.suspicion !== undefined)?.suspicion;

/**
 * Replicas that a workunit wants which a restart finds with these votes; undefined = they decide it. The
 * replicas that were out when the master died may still bring results, so having handed out all that are
 * allowed is no verdict: one more is wanted in place of those.
 */
export function wantedAfterRestart(
  policy: Policy,
  votes: readonly Vote[],
  issued: number,
  how: How = {},
): number | undefined {
  if (decide(policy, votes, 1, issued, how).kind !== 'open') return undefined;
  const verdict = decide(policy, votes, 0, issued, how);
  return verdict.kind === 'open' ? verdict.wanted : 1;
}

function failureOf(
  policy: Policy,
  votes: readonly Vote[],
  done: number,
  lost = 0,
): string | undefined {
  let errors = lost;
  let last = `${lost} times the node was lost that computed nothing else`;
  const trapped = new Set<NodeId>();
  for (const vote of votes) {
    if (vote.status === 'done') continue;
    errors += 1;
    last = vote.reason === '' ? vote.status : `${vote.status}: ${vote.reason}`;
    if (vote.status === 'trapped') trapped.add(vote.nodeId);
  }
  if (done === 0 && trapped.size >= policy.minQuorum) return last;
  return errors >= policy.maxErrorReplicas ? last : undefined;
}
