// A workunit that is open: replicas at nodes, votes come back, until the validator decides. Decided ones
// leave memory; their page row says what became of them.
//
//   open ──▶ done       a canonical result
//     │ └──▶ failed     errors, traps or replicas at their limit
//     └────▶ cancelled  the batch was

import {assert} from '../base/assert.ts';
import type {BatchId, MonoMs, NodeId} from '../base/types.ts';
import type {Input} from '../wire/message.ts';
import type {Sight} from './agreement.ts';
import type {Vote} from './validator.ts';

export type WorkunitState = 'open' | 'done' | 'failed' | 'cancelled';

const MOVES: Readonly<Record<WorkunitState, readonly WorkunitState[]>> = {
  open: ['done', 'failed', 'cancelled'],
  done: [],
  failed: [],
  cancelled: [],
};

/** One lease that is out. `workunit.replicas` and the node's `out` hold the same object. */
export type Replica = {
  readonly workunit: Workunit;
  readonly nodeId: NodeId;
  readonly replicaNo: number;
  readonly proof: number;
  readonly grantedAt: MonoMs;
  /** The kind of machine that it was given to, where that counts. */
  readonly machine?: string | undefined;
  deadlineAt: MonoMs;
  /** No renewal goes beyond this: a node that only renews must not hold a workunit up for ever. */
  readonly lastAt: MonoMs;
  /** Another node should compute its workunit too (hedges.ts). */
  isLate: boolean;
};

export type Workunit = {
  readonly batchId: BatchId;
  readonly index: number;
  readonly input: Input;
  /** Of a broadcast: nobody else computes it. */
  owner?: NodeId | undefined;
  state: WorkunitState;
  /** Live leases, each of another node. */
  readonly replicas: Replica[];
  readonly votes: Vote[];
  /** Replicas ever handed out; the next one's number. */
  issued: number;
  /** Of those, replicas of revoked nodes: they do not count against the limits of the policy. */
  forgiven: number;
  /** Replicas below this number are of before its batch was retried: their results count no more. */
  firstReplica: number;
  /** Replicas to hand out now. */
  wanted: number;
  /**
   * Redundancy is adaptive, and a trusted node has it alone: it computes, or its result waits in escrow, or that is
   * confirmed by another one (escrow.ts). undefined = several nodes have it, or will.
   */
  alone?: 'out' | 'waits' | 'confirmed' | undefined;
  /** homogeneous: the kind of machine that it is pinned to (homogeneous.ts); undefined = nobody has begun. */
  machine?: string | undefined;
  /** Since when nobody of that kind is there who could be given it, and has not had his turn. */
  stuckSince?: MonoMs | undefined;
  /** Since when nobody has it who might. */
  leftSince?: MonoMs | undefined;
  /** Since when everybody who could has answered it, and no quorum agrees (exhausted.ts). */
  exhaustedSince?: MonoMs | undefined;
  /** How often each node was given it: some only lose their leases. */
  given?: Map<NodeId, number>;
  /** No other kind could do it: those who had their turn may have another. */
  mayRetry?: boolean;
  /** Its app is tried on two processors with it (probes.ts). */
  isProbe?: boolean;
  /** Nodes that were lost while they had it; of these, those that had nothing else (losses.ts). */
  losses?: number;
  lostAlone?: number;
  /** Others compute it too, whoever is trusted. */
  isChecked?: boolean;
  /** What is known of how its outputs compare, where bytes do not decide. */
  sight?: Sight;
};

/** More than one try of a workunit may use (maxTotalReplicas is at most 200). */
const REPLICAS_PER_TRY = 256;

/** 0 = the first one. */
export const tryOf = ({replicaNo}: {readonly replicaNo: number}): number =>
  Math.floor(replicaNo / REPLICAS_PER_TRY);

/** Numbers of replicas go on after those of earlier tries, and only the new ones count. */
export function beginAnew(workunit: Workunit, tryNo: number): void {
  const first = tryNo * REPLICAS_PER_TRY;
  workunit.firstReplica = first;
  workunit.issued = first;
  workunit.forgiven = first;
}

/**
 * A replica of this number was handed out: the next one goes behind it. One of a try that this master knows nothing
 * of, since an old copy of its store was put back, begins that try: what is skipped was never handed out and does
 * not count.
 */
export function noteReplica(workunit: Workunit, replicaNo: number): void {
  if (replicaNo < workunit.issued) return;
  const first = tryOf({replicaNo}) * REPLICAS_PER_TRY;
  workunit.forgiven += Math.max(0, first - workunit.issued);
  workunit.issued = replicaNo + 1;
}

export const openWorkunit = (batchId: BatchId, index: number, input: Input): Workunit => ({
  batchId,
  index,
  input,
  state: 'open',
  replicas: [],
  votes: [],
  issued: 0,
  forgiven: 0,
  firstReplica: 0,
  wanted: 0,
});

/**
 * Replicas handed out that count against maxTotalReplicas. Results of other machines than those that it is pinned to
 * do not: they are kept for when those are back.
 */
export function countedOf({issued, forgiven, machine, votes}: Workunit): number {
  const counted = issued - forgiven;
  if (machine === undefined) return counted;
  return counted - votes.filter(vote => isValid(vote) && vote.machine !== machine).length;
}

/** Results that may be held against each other: a trap is one too. */
export const isValid = ({status}: Pick<Vote, 'status'>): boolean =>
  status === 'done' || status === 'trapped';

export function moveWorkunit(workunit: Workunit, to: WorkunitState): void {
  assert(
    MOVES[workunit.state].includes(to),
    `workunit ${workunit.batchId}/${workunit.index} cannot go from ${workunit.state} to ${to}`,
  );
  workunit.state = to;
}

/**
 * A node never holds two replicas of a workunit, and never votes twice (promise P3). One whose run ended in
 * an error of its own may try again only when every node that could run it has had its turn: else a bad
 * node, quick to fail, would use up the replicas of a workunit alone (promise P7).
 *
 * @param able how many nodes that are up could run it; asked only when it matters
 * @param machine of the node, where the policy is homogeneous: then all this is about nodes of its kind alone
 */
export function mayHold(
  workunit: Workunit,
  nodeId: NodeId,
  able: () => number,
  machine?: string,
): boolean {
  const {owner} = workunit;
  if (owner !== undefined && owner !== nodeId) return false;
  if (workunit.machine !== undefined && workunit.machine !== machine) return false;
  for (const replica of workunit.replicas) if (replica.nodeId === nodeId) return false;
  if (workunit.votes.some(vote => vote.nodeId === nodeId && isValid(vote))) return false;
  if (owner !== undefined || !hadTurn(workunit, nodeId)) return true;
  if (machine !== undefined && workunit.mayRetry !== true) return false;
  const alike = workunit.votes.filter(vote => !machine || vote.machine === machine);
  const tried = new Set(alike.map(vote => vote.nodeId));
  for (const given of workunit.given?.keys() ?? []) tried.add(given);
  for (const replica of workunit.replicas) tried.add(replica.nodeId);
  return tried.size >= able();
}

/** A lost lease may be an accident, once. */
const LEASES_LOST_MAX = 1;

/** Whether it was given the workunit, and brought no result. */
export const hadTurn = ({votes, given}: Workunit, nodeId: NodeId): boolean =>
  (given?.get(nodeId) ?? 0) > LEASES_LOST_MAX || votes.some(vote => vote.nodeId === nodeId);

export function removeReplica(workunit: Workunit, replica: Replica): void {
  const at = workunit.replicas.indexOf(replica);
  if (at >= 0) workunit.replicas.splice(at, 1);
}
