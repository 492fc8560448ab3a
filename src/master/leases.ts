// Leases: handing a replica to a node, taking it back, and the proof that lets a restarted master know a
// lease it has forgotten (leases are never stored: a lost one only means a second replica).

import {hex32, toUtf8} from '../base/bytes.ts';
import {addMono, type MonoMs, type NodeId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {ReplicaRef} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {machineOf, pinTo} from './homogeneous.ts';
import type {NodeState} from './roster.ts';
import type {Verdict} from './validator.ts';
import {noteReplica, type Replica, removeReplica, type Workunit} from './workunit.ts';

/** One node holds no more at a time: 64 ahead in each of 64 slots, and as much again on its way. */
export const LEASES_PER_NODE_MAX = 8_192;
/** One run of a workunit, and one before it in the same slot; its result counts later too. */
const RUNS_PER_LEASE_MAX = 2;

/**
 * First 32 bits of SHA-256(lease secret ‖ node ‖ batch ‖ its salt ‖ index ‖ replica number), all of fixed length. A
 * node cannot make one up for a workunit it was not given, so it cannot choose what it votes on.
 */
export function leaseProof(
  context: MasterContext,
  nodeId: NodeId,
  ref: ReplicaRef,
  salt = context.batches.get(ref.batchId)?.row.salt ?? 0,
): number {
  const text = nodeId + hex32(ref.batchId) + hex32(salt) + hex32(ref.index) + hex32(ref.replicaNo);
  const hash = context.crypto.sha256(context.config.leaseSecret, toUtf8(text));
  return (
    (((hash[0] ?? 0) << 24) | ((hash[1] ?? 0) << 16) | ((hash[2] ?? 0) << 8) | (hash[3] ?? 0)) >>> 0
  );
}

export function grant(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  node: NodeState,
  now: MonoMs,
): Replica {
  const replicaNo = workunit.issued;
  const ref = {batchId: batch.row.id, index: workunit.index, replicaNo};
  const proof = leaseProof(context, node.row.nodeId, ref);
  batch.counters.replicas += 1;
  // The count of replicas is saved with the next result: a lease is never worth a synced write.
  const replica = putOut(batch, workunit, node, {replicaNo, proof}, now);
  if (context.escrow.isAlone(batch, workunit, node.row.nodeId)) {
    workunit.alone = 'out';
    batch.want(workunit, 0);
  }
  return replica;
}

/** This replica is out at the node from now on: a new one, or one of the life before that the node has named. */
export function putOut(
  batch: Batch,
  workunit: Workunit,
  node: NodeState,
  {replicaNo, proof}: Pick<Replica, 'replicaNo' | 'proof'>,
  now: MonoMs,
): Replica {
  noteReplica(workunit, replicaNo);
  const {leaseSeconds, timeLimitSeconds} = batch.row.policy;
  const kind = machineOf(batch.row.policy, node.row);
  if (kind !== undefined) pinTo(workunit, kind, node.row.nodeId);
  const machine = kind ?? (workunit.isProbe ? node.row.arch : undefined);
  const replica: Replica = {
    workunit,
    nodeId: node.row.nodeId,
    replicaNo,
    proof,
    grantedAt: now,
    ...(machine === undefined ? {} : {machine}),
    deadlineAt: addMono(now, leaseSeconds * SECOND_MS),
    lastAt: addMono(now, (leaseSeconds + RUNS_PER_LEASE_MAX * timeLimitSeconds) * SECOND_MS),
    isLate: false,
  };
  workunit.replicas.push(replica);
  node.out.add(replica);
  batch.out += 1;
  batch.want(workunit, workunit.wanted - 1);
  return replica;
}

/** How long ago the replica was handed out, ms: renewals do not change that. */
export const ageOf = ({grantedAt}: Replica, now: MonoMs): number => Math.max(0, now - grantedAt);

/** The replica is no longer out: its result came, its lease ran out, or its workunit is decided. */
export function takeBack(context: MasterContext, batch: Batch, replica: Replica): void {
  removeReplica(replica.workunit, replica);
  if (context.roster.node(replica.nodeId)?.out.delete(replica)) batch.out -= 1;
}

/** After replicas or votes changed: how many replicas the open workunit wants now. */
export function rewant(
  context: MasterContext,
  batch: Batch,
  workunit: Workunit,
  {wanted}: Extract<Verdict, {kind: 'open'}>,
): void {
  if (wanted > workunit.wanted) context.workNo += 1;
  batch.want(workunit, wanted);
}
