// S18: who or what an operator holds is given no work: a batch that is suspended, a node that is suspended or drains,
// all of it while the cluster is suspended. A suspended node holds no lease either.

import type {BatchId, NodeId} from '../base/types.ts';
import type {MasterCore} from '../master/master.ts';
import {holds} from './fabric.ts';

export class OrderChecker {
  /** Replicas handed out of what was held when the last turn ended, and leases of nodes that were. */
  #batches = new Map<BatchId, number>();
  #nodes = new Map<NodeId, number>();
  #all: number | undefined;
  /** What was found held, turn after turn: a checker that looked at nothing proves nothing. */
  looks = 0;

  /** A life of the master begins: what was not durable was never ordered. */
  booted(): void {
    this.#batches.clear();
    this.#nodes.clear();
    this.#all = undefined;
  }

  turned({context}: MasterCore): void {
    this.#lookAtBatches(context);
    this.#lookAtNodes(context);
    this.looks += this.#batches.size + this.#nodes.size + (context.state.paused ? 1 : 0);
  }

  #lookAtBatches({batches, state}: MasterCore['context']): void {
    let all = 0;
    const held = new Map<BatchId, number>();
    for (const {row, counters, control} of batches.values()) {
      all += counters.replicas;
      if (!control.suspended) continue;
      const before = this.#batches.get(row.id) ?? counters.replicas;
      const story = `batch ${row.id} is suspended and handed out`;
      holds(counters.replicas === before, 'S18', () => story);
      held.set(row.id, counters.replicas);
    }
    this.#batches = held;
    const before = this.#all ?? all;
    this.#all = state.paused ? all : undefined;
    const isHeld = !state.paused || all <= before;
    holds(isHeld, 'S18', () => 'the cluster is suspended and work is handed out');
  }

  #lookAtNodes({roster, isYoung}: MasterCore['context']): void {
    const held = new Map<NodeId, number>();
    for (const {row, control, out} of roster.all()) {
      const {kind} = control.hold ?? {};
      if (kind === undefined) continue;
      // After a restart a node that drains names what it has.
      const most = (isYoung ? undefined : this.#nodes.get(row.nodeId)) ?? out.size;
      const isIdle = kind === 'draining' || out.size === 0;
      holds(isIdle, 'S18', () => `${row.name} is ${kind} and holds leases`);
      holds(out.size <= most, 'S18', () => `${row.name} drains and is given more`);
      held.set(row.nodeId, out.size);
    }
    this.#nodes = held;
  }
}
