// Stragglers. When nothing of a batch waits for a node any more and some nodes are idle, they compute what others are
// late with: the first result counts, as ever. BOINC raises priorities at the end of a batch and may add an instance
// (html/ops/batch_accel.php); Volley does it by itself, by measured run times, and only with nodes that have nothing
// else to do: a hedge costs idle time alone.

import {addMono, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {judge} from './agreement.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {machineOf} from './homogeneous.ts';
import {ageOf} from './leases.ts';
import {runMsAt} from './pace.ts';
import {allowedAt, mayWork, type NodeState} from './roster.ts';
import {canRun} from './scheduler.ts';
import {countedOf, mayHold, type Replica, type Workunit} from './workunit.ts';

const LOOK_MS = SECOND_MS;
/** Late = out for so many times as long as it should take, and this much more. */
const TIMES_LATE = 2;
const SLACK_MS = SECOND_MS;
/** Replicas of a workunit that may be out at once, against its target. */
const TIMES_TARGET = 2;
/** Open workunits of a batch that are looked at: at the end of a batch there are few. */
const LOOKED_AT_MAX = 4_096;

export class Hedges {
  readonly #context: MasterContext;
  #lookAt: MonoMs = NEVER;

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** Something was handed out: from now on it may become late. */
  watch(now: MonoMs): void {
    if (this.#lookAt === NEVER) this.#lookAt = addMono(now, LOOK_MS);
  }

  wakeAt(): MonoMs {
    return this.#lookAt;
  }

  tick({mono}: Now): void {
    if (mono < this.#lookAt) return;
    let isOut = false;
    for (const batch of this.#context.running) {
      if (batch.out === 0) continue;
      isOut = true;
      if (!this.#context.state.paused && mayHedge(batch)) this.#hedge(batch, mono);
    }
    this.#lookAt = isOut ? addMono(mono, LOOK_MS) : NEVER;
  }

  #hedge(batch: Batch, now: MonoMs): void {
    const idle = this.#idle(batch);
    let room = idle.reduce((sum, node) => sum + allowedAt(node), 0);
    const slowestMs = Math.max(...idle.map(node => runMsAt(node, batch)));
    let looked = 0;
    for (const workunit of batch.open.values()) {
      if (room <= 0 || ++looked > LOOKED_AT_MAX) return;
      const late = this.#countLate(batch, workunit, slowestMs, now);
      if (late === 0) continue;
      const able = idle.some(({row}) =>
        mayHold(workunit, row.nodeId, () => idle.length, machineOf(batch.row.policy, row)),
      );
      if (able) room -= this.#want(batch, workunit, late, now);
    }
  }

  /** Nodes that asked, were given nothing, and could run it. */
  #idle(batch: Batch): NodeState[] {
    const idle: NodeState[] = [];
    for (const node of this.#context.roster.all())
      if (node.idleSince >= 0 && mayWork(node) && canRun(batch, node)) idle.push(node);
    return idle;
  }

  /** Replicas of the workunit that are late, or that an idle node would end long before. */
  #countLate(
    batch: Batch,
    {replicas, wanted, alone}: Workunit,
    idleMs: number,
    now: MonoMs,
  ): number {
    if (wanted > 0 || alone === 'waits' || alone === 'confirmed') return 0;
    let late = 0;
    for (const replica of replicas) {
      const age = ageOf(replica, now);
      const expected = this.#expectedMs(batch, replica);
      replica.isLate ||=
        age > TIMES_LATE * expected + SLACK_MS || expected - age > TIMES_LATE * idleMs + SLACK_MS;
      if (replica.isLate) late += 1;
    }
    return late;
  }

  /** From its lease to its result, with all that the node holds before it. */
  #expectedMs(batch: Batch, {nodeId}: Replica): number {
    const node = this.#context.roster.node(nodeId);
    if (!node) return batch.runMs;
    const slots = Math.max(1, allowedAt(node));
    const share = (node.guest?.cpuPercent ?? 100) / 100;
    return (Math.ceil(node.out.size / slots) * runMsAt(node, batch)) / Math.max(0.01, share);
  }

  /** As many replicas as it would want were the late ones not there. @returns how many these are */
  #want(batch: Batch, workunit: Workunit, late: number, now: MonoMs): number {
    const {minQuorum, targetReplicas, maxTotalReplicas} = batch.row.policy;
    // What is out may all be lost: a quorum must still be left.
    if (countedOf(workunit) + minQuorum >= maxTotalReplicas) return 0;
    const context = this.#context;
    if (workunit.alone !== undefined) context.escrow.sendBack(workunit);
    const verdict = judge(context, batch, workunit, now, late);
    if (verdict.kind !== 'open') return 0;
    // A workunit that nobody ends must not have all that is idle.
    const room = TIMES_TARGET * targetReplicas - workunit.replicas.length;
    const wanted = Math.min(verdict.wanted, room);
    if (wanted <= 0) return 0;
    batch.want(workunit, wanted);
    batch.counters.hedges = (batch.counters.hedges ?? 0) + wanted;
    context.workNo += 1;
    return wanted;
  }
}

/** Nothing of it waits for a node, and how long it should take is known. */
const mayHedge = (batch: Batch): boolean =>
  batch.runMs >= 0 && !batch.owners && !batch.hasWork && !batch.control.suspended && !batch.resting;
