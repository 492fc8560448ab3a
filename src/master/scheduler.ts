// Which batches a pull is served from, with how much, and with which workunits.
// Order: higher priority first; batches of one priority take turns. Amount: as much as the node can do in
// the time it asks for, by the run time measured so far; near the end no more than a fair share, so that
// one node does not sit on the last workunits while others idle.

import type {NodeId} from '../base/types.ts';
import {isGranted} from '../core/grants.ts';
import type {Batch} from './batch.ts';
import type {Owners} from './broadcast.ts';
import {isAimedAt} from './feasible.ts';
import {isApart} from './losses.ts';
import {candidateOf, type NodeState} from './roster.ts';
import {mayHold, type Workunit} from './workunit.ts';

/** Batches of this pull, in the order they are served. */
export function batchesFor(batches: Iterable<Batch>, node: NodeState): Batch[] {
  const able: Batch[] = [];
  for (const batch of batches) if (batch.hasWork && canRun(batch, node)) able.push(batch);
  return able.sort(
    (a, b) =>
      b.row.policy.priority - a.row.policy.priority ||
      a.servedAt - b.servedAt ||
      a.row.id - b.row.id,
  );
}

/** May the node have work of the batch now? On probation it has one workunit at a time. */
export const canRun = (batch: Batch, node: NodeState): boolean =>
  mayRunLater(batch, node) && (mostOf(batch, node) > 1 || !holdsOf(node, batch));

/** Now, or when it has returned what it holds? One on the bench may not: that may last a day. */
export function mayRunLater(batch: Batch, node: NodeState): boolean {
  if (!canServe(batch, node)) return false;
  const standing = node.standing.get(batch.row.appId);
  if (standing === undefined || batch.takesAll || batch.owners) return true;
  // On probation: only where others return the same workunit too.
  return standing === 'probation' && batch.row.policy.minQuorum > 1;
}

function holdsOf(node: NodeState, {row}: Batch): boolean {
  for (const {workunit} of node.out) if (workunit.batchId === row.id) return true;
  return false;
}

/** Most replicas that the node may be given of the batch at once. */
export const mostOf = (batch: Batch, node: NodeState): number =>
  node.standing.has(batch.row.appId) && !batch.takesAll ? 1 : Number.POSITIVE_INFINITY;

/** Could it run the batch, and does no operator keep it from work? */
export function canServe(batch: Batch, node: NodeState): boolean {
  if (node.control.hold) return false;
  if (batch.owners && !batch.owners.has(node.row.nodeId)) return false;
  const {target} = batch.control;
  if (target && !isAimedAt(target, candidateOf(node))) return false;
  const {runtime, action} = batch.row;
  return node.row.runtimes.includes(runtime) && isGranted(action, node.row.actions);
}

export type Share = {
  /** Most leases the node wants. */
  readonly wanted: number;
  /** Milliseconds of work it wants on all slots together. */
  readonly wantedMs: number;
  readonly slots: number;
  /** Run time of one workunit on this node, as measured; -1 = not known. */
  readonly runMs: number;
  /** Workunits of the batch not decided yet. */
  readonly undecided: number;
  /** Nodes that are up; read only where it matters, for it may have to be counted. */
  readonly nodesUp: number;
};

/** Replicas to hand out in one pull: 0 … wanted. */
export function shareOf(share: Share): number {
  const {wanted, slots, runMs} = share;
  if (runMs < 0) return Math.min(wanted, slots); // not measured yet: one for each slot
  const byTime = Math.ceil(share.wantedMs / Math.max(runMs, 0.01));
  const most = Math.max(0, Math.min(wanted, Math.max(1, byTime)));
  if (most <= slots) return most;
  const fair = Math.ceil((2 * share.undecided) / Math.max(1, share.nodesUp));
  return Math.min(most, Math.max(slots, fair));
}

/** Workunits looked at beyond those picked: a long row that the node holds already ends a pull early. */
const LOOK_PAST = 512;

/**
 * Workunits that may wait for other nodes: a node far ahead of the rest begins no new ones above this, so
 * that a large range does not come into memory whole. About 32 MB.
 */
const WANTING_MAX = 65_536;

/** What a node's machine is, where that counts, and whether it may be the first of its kind on a workunit. */
export type Beginner = {
  readonly machine?: string | undefined;
  readonly mayBegin: boolean;
  /** It has work already, so none that runs apart (losses.ts). */
  readonly isBusy?: boolean;
};
const ANYBODY: Beginner = {mayBegin: true};

/**
 * Up to `atMost` workunits with a replica for this node: those begun first, then new ones of the feeder.
 * Takes the new ones up, changes nothing else. `able`: see mayHold.
 * The last argument: where the policy is homogeneous.
 */
export function pick(
  batch: Batch,
  nodeId: NodeId,
  atMost: number,
  able: () => number,
  from: Beginner = ANYBODY,
): Workunit[] {
  if (batch.owners) return pickOwn(batch, batch.owners, nodeId, atMost, from);
  const picked: Workunit[] = [];
  let passed = 0;
  for (const workunit of batch.wanting) {
    if (picked.length >= atMost) return picked;
    if (!mayTake(workunit, nodeId, able, from)) {
      if (++passed > LOOK_PAST) break;
    } else if (!isApart(workunit)) picked.push(workunit);
    else if (picked.length === 0) return [workunit];
  }
  return from.mayBegin ? [...picked, ...begin(batch, atMost - picked.length)] : picked;
}

/** Of a broadcast; what runs apart has the node to itself as elsewhere. */
function pickOwn(
  {open}: Batch,
  owners: Owners,
  nodeId: NodeId,
  atMost: number,
  from: Beginner,
): Workunit[] {
  const workunit = open.get(owners.indexOf(nodeId));
  if (!workunit || workunit.wanted < 1 || atMost < 1) return [];
  return mayTake(workunit, nodeId, () => 1, from) ? [workunit] : [];
}

function mayTake(
  workunit: Workunit,
  nodeId: NodeId,
  able: () => number,
  {machine, mayBegin, isBusy = false}: Beginner,
): boolean {
  if (!mayBegin && workunit.machine === undefined) return false;
  if (isBusy && isApart(workunit)) return false;
  return mayHold(workunit, nodeId, able, machine);
}

/** Takes new ones up. */
function begin(batch: Batch, atMost: number): Workunit[] {
  const begun: Workunit[] = [];
  while (begun.length < atMost && batch.wanting.size < WANTING_MAX) {
    const workunit = batch.feeder.next();
    if (!workunit) break;
    batch.adopt(workunit);
    batch.want(workunit, batch.row.policy.targetReplicas);
    begun.push(workunit);
  }
  return begun;
}
