// When a batch will be over, as things are. Pure.
//
// Tiny workunits: by the rate at which they were decided over the last seconds. Others: replicas still to run, each for
// as long as measured, over the slots of the nodes that may run them, each as fast as measured with this app. Batches
// of higher priority go first, those of the same one take turns.

import type {MonoMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {ageOf} from './leases.ts';
import {paceOf} from './pace.ts';
import {allowedAt, mayWork, type NodeState} from './roster.ts';
import {mayRunLater} from './scheduler.ts';

/** So many decisions within the window of a rate say more than run times. */
const DECISIONS_OF_A_RATE = 64;
/** Open workunits whose replicas are looked at one by one. */
const LOOKED_AT_MAX = 4_096;
/** A figure is not worth looking through all nodes more often. */
const KEPT_MS = SECOND_MS;

/** Of nodes that may run a batch now. */
type Capacity = {
  readonly slots: number;
  /** Slots of mean pace that run as much. */
  readonly speed: number;
};

function capacityOf(context: MasterContext, batch: Batch): Capacity {
  let slots = 0;
  let speed = 0;
  for (const node of context.roster.all()) {
    if (!mayWork(node) || !mayRunLater(batch, node)) continue;
    const own = allowedAt(node);
    slots += own;
    speed += own * speedOf(node, batch);
  }
  return {slots, speed};
}

const speedOf = (node: NodeState, batch: Batch): number =>
  (node.guest?.cpuPercent ?? 100) / 100 / paceOf(node, batch);

/** Replicas that end before a workunit is decided, as it went so far. */
function replicasEach({row, counters, decided, out}: Batch): number {
  if (decided < DECISIONS_OF_A_RATE) return row.policy.targetReplicas;
  return Math.max(1, (counters.replicas - out) / decided);
}

/** What the replicas that are out have behind them, ms of run time; none is thought to be done. */
function behindMs(context: MasterContext, batch: Batch, now: MonoMs): number {
  let ms = 0;
  let looked = 0;
  for (const {replicas} of batch.open.values()) {
    if (++looked > LOOKED_AT_MAX) break;
    for (const replica of replicas) {
      const node = context.roster.node(replica.nodeId);
      if (node) ms += Math.min(ageOf(replica, now) * speedOf(node, batch), batch.runMs * 0.95);
    }
  }
  return ms;
}

/** Time that the batch takes if it has the cluster for itself, ms; undefined = nobody can say. */
function aloneMs(context: MasterContext, batch: Batch, now: MonoMs): number | undefined {
  const left = batch.row.count - batch.decided;
  const {perSecond, decided} = batch.rate(now);
  if (decided >= DECISIONS_OF_A_RATE) return (left / perSecond) * SECOND_MS;
  if (batch.runMs < 0) return undefined;
  const {slots, speed} = capacityOf(context, batch);
  if (slots === 0) return undefined;
  const replicas = Math.max(1, left * replicasEach(batch));
  const workMs = Math.max(
    replicas * batch.runMs * 0.05,
    replicas * batch.runMs - behindMs(context, batch, now),
  );
  const atOnce = Math.min(slots, replicas);
  return workMs / ((speed / slots) * atOnce);
}

type Kept = {readonly at: MonoMs; readonly ms: number | undefined};

export class Etas {
  readonly #context: MasterContext;
  readonly #kept = new WeakMap<Batch, Kept>();

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** Milliseconds until the batch is over; undefined = it does not run, or nobody can say. */
  etaMs(batch: Batch, now: MonoMs): number | undefined {
    if (!this.#goesOn(batch)) return undefined;
    const own = this.#aloneMs(batch, now);
    if (own === undefined || batch.rate(now).decided >= DECISIONS_OF_A_RATE) return own;
    let ms = own;
    for (const other of this.#context.running) {
      const before = other.row.policy.priority - batch.row.policy.priority;
      if (other === batch || before < 0 || !this.#goesOn(other) || !other.hasWork) continue;
      const theirs = this.#aloneMs(other, now) ?? 0;
      ms += before > 0 ? theirs : Math.min(own, theirs);
    }
    return ms;
  }

  #goesOn(batch: Batch): boolean {
    return batch.running && !batch.control.suspended && !this.#context.state.paused;
  }

  #aloneMs(batch: Batch, now: MonoMs): number | undefined {
    const kept = this.#kept.get(batch);
    if (kept && now - kept.at < KEPT_MS) return kept.ms;
    const ms = aloneMs(this.#context, batch, now);
    this.#kept.set(batch, {at: now, ms});
    return ms;
  }
}
