// After a restart the master listens before it gives. Leases are not stored, but the nodes go on with what they
// hold: each names it in its first pulls, and the proof in a lease shows that we gave it. So it is out again,
// as before, and nobody else is given the same work.
//
// Batches that were running rest until all nodes have told, until no more come back, or at the latest for as
// long as a silent node keeps its leases. Results that come meanwhile count as ever.
//
// A lease is taken up again only in that time after a start, once in each life of the master, and only in place
// of a replica that its workunit wants: old proofs hold nothing up for ever, and no limit of a policy is passed.

import {addMono, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {RENEWALS_PER_PULL} from '../wire/codec-sizes.ts';
import {RETRY_MS_MIN} from '../wire/limits.ts';
import type {Pull, Renewal} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {machineOf} from './homogeneous.ts';
import {LEASES_PER_NODE_MAX, leaseProof, putOut} from './leases.ts';
import {silentAfterMs} from './liveness.ts';
import type {NodeState} from './roster.ts';
import type {Workunit} from './workunit.ts';

/** Nodes hear of a restart by the same beacon and come together: after this much quiet the rest are not there. */
export const QUIET_MS = 500;

/**
 * When all have told what they hold, what they had finished meanwhile is still on its way: the first repeats of
 * their reports are spread over RETRY_MS_MIN.
 */
const SETTLE_MS = RETRY_MS_MIN + 50;

export class Recall {
  readonly #context: MasterContext;
  /** Batches of the life before. */
  readonly #batches: ReadonlySet<Batch>;
  /** Nodes that have not told yet what they hold. */
  readonly #awaited = new Set<NodeId>();
  /** Those that told something, and how much of it was taken up. */
  readonly #back = new Set<NodeId>();
  #taken = 0;
  /** NEVER = it is over, and batches are given from. */
  #restUntil: MonoMs = NEVER;
  readonly #endsAt: MonoMs;

  constructor(context: MasterContext) {
    this.#context = context;
    this.#batches = new Set(context.running);
    this.#endsAt = addMono(context.bootedAt, silentAfterMs(context.roster.size));
    if (this.#batches.size === 0) return;
    for (const {row} of context.roster.all())
      if (row.revokedAt === 0) this.#awaited.add(row.nodeId);
    if (this.#awaited.size === 0) return;
    for (const batch of this.#batches) batch.resting = true;
    this.#restUntil = this.#endsAt;
  }

  wakeAt(): MonoMs {
    return this.#restUntil;
  }

  tick(now: Now): void {
    if (now.mono >= this.#restUntil) this.#end(now);
  }

  /** Before the pull is answered. */
  onPull(node: NodeState, pull: Pull, now: Now): void {
    if (now.mono >= this.#endsAt) return;
    for (const renewal of pull.running) this.#takeUp(node, renewal, now);
    if (this.#restUntil === NEVER) return;
    if (pull.running.length > 0) this.#back.add(node.row.nodeId);
    if (pull.wanted === 0 && pull.running.length >= RENEWALS_PER_PULL) return; // more is to come
    if (!this.#awaited.delete(node.row.nodeId)) return;
    const restAt = addMono(now.mono, this.#awaited.size === 0 ? SETTLE_MS : QUIET_MS);
    this.#restUntil = restAt < this.#endsAt ? restAt : this.#endsAt;
  }

  #takeUp(node: NodeState, renewal: Renewal, now: Now): void {
    const batch = this.#context.batches.get(renewal.batchId);
    if (!batch?.running || !this.#batches.has(batch)) return;
    const {nodeId} = node.row;
    if (node.out.size >= LEASES_PER_NODE_MAX) return;
    const hold = node.control.hold?.kind;
    if (hold === 'suspended' || hold === 'quarantined') return; // it lets go of them
    if (leaseProof(this.#context, nodeId, renewal) !== renewal.proof) return;
    const workunit = openedTo(batch, renewal.index);
    if (!workunit || workunit.wanted === 0 || hasAnswered(workunit, nodeId, renewal)) return;
    if (renewal.replicaNo < workunit.firstReplica) return; // of before a retry
    const machine = machineOf(batch.row.policy, node.row);
    if (workunit.machine !== undefined && workunit.machine !== machine) return;
    putOut(batch, workunit, node, renewal, now.mono);
    this.#taken += 1;
  }

  #end(now: Now): void {
    this.#restUntil = NEVER;
    for (const batch of this.#batches) batch.resting = false;
    this.#context.workNo += 1;
    this.#context.callAll = true;
    this.#context.note('info', 'leases of the life before are known again', {
      leases: this.#taken,
      nodes: this.#back.size,
      missing: this.#awaited.size,
      afterMs: Math.round(now.mono - this.#context.bootedAt),
    });
  }
}

/**
 * The open workunit of this index. Workunits are given in order, so all up to one that was given were taken up
 * in the life before; inputs that have to be read come by themselves, and the next heartbeat names it again.
 */
function openedTo(batch: Batch, index: number): Workunit | undefined {
  while (!batch.open.has(index) && batch.feeder.isPending(index)) {
    const workunit = batch.feeder.next();
    if (!workunit) break;
    batch.adopt(workunit);
    batch.want(workunit, batch.row.policy.targetReplicas);
  }
  return batch.open.get(index);
}

/** It has this workunit already, or what it returned is here: nobody votes twice (promise P3). */
const hasAnswered = (workunit: Workunit, nodeId: NodeId, {replicaNo}: Renewal): boolean =>
  workunit.replicas.some(replica => replica.nodeId === nodeId) ||
  workunit.votes.some(
    vote =>
      vote.nodeId === nodeId &&
      (vote.status === 'done' || vote.status === 'trapped' || vote.replicaNo === replicaNo),
  );
