// The person at the CLI who suspends, drains and resumes: each order is given once, to a master that is up. When
// the faults end all that is held is let go, and asked for again until the master knows it.

import {assertNever} from '../base/assert.ts';
import type {OperatorRequest} from '../core/core.ts';
import type {MasterCore} from '../master/master.ts';
import type {Fabric} from './fabric.ts';
import type {OrderPlan} from './order-plan.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import {EVENT} from './timeline.ts';

const LABEL = 'given';
const TEND_MS = 500;

type Parts = {
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly orders: readonly OrderPlan[];
  /** When the faults end. */
  readonly until: number;
};

export class SimOrders {
  readonly #parts: Parts;
  /** Orders that were carried out. */
  given = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    const {fabric, orders, until} = this.#parts;
    if (orders.length === 0) return;
    for (const order of orders)
      fabric.timeline.after(order.at, EVENT.operator, 0, () => this.#give(order));
    fabric.timeline.after(until, EVENT.operator, 0, () => this.#tend());
  }

  /** Nothing is held any more. */
  get done(): boolean {
    const {core} = this.#parts.master;
    return core !== undefined && [...held(core)].length === 0;
  }

  #tend(): void {
    const {core} = this.#parts.master;
    for (const request of core ? [...held(core)] : []) this.#ask(request);
    this.#parts.fabric.timeline.after(TEND_MS, EVENT.operator, 0, () => this.#tend());
  }

  #give(order: OrderPlan): void {
    const {core} = this.#parts.master;
    const request = core && this.#requestOf(order, core);
    if (request) this.#ask(request);
  }

  /** It may be refused: the batch has ended, the node is revoked, or a disk forgot both. */
  #ask(request: OperatorRequest): void {
    this.#parts.master.operator(request, ({ok}) => {
      if (ok) this.given += 1;
    });
  }

  #requestOf(order: OrderPlan, core: MasterCore): OperatorRequest | undefined {
    const reason = 'a plan';
    switch (order.kind) {
      case 'pauseCluster':
        return {kind: 'pauseCluster', paused: order.paused, reason};
      case 'suspendBatch':
      case 'resumeBatch':
      case 'setPriority': {
        const batch = [...core.context.batches.values()].find(({row}) => row.name === order.name);
        if (!batch) return undefined;
        const batchId = batch.row.id;
        if (order.kind === 'setPriority')
          return {kind: order.kind, batchId, priority: order.priority};
        return {kind: order.kind, batchId, reason};
      }
      case 'holdNode':
      case 'resumeNode':
      case 'labelNode': {
        const nodeId = this.#parts.nodes[order.nodeNo - 1]?.nodeId;
        if (nodeId === undefined) return undefined;
        if (order.kind === 'holdNode') return {kind: order.kind, nodeId, hold: order.hold, reason};
        if (order.kind === 'resumeNode') return {kind: order.kind, nodeId};
        const labels = [LABEL];
        return order.isGiven
          ? {kind: 'labelNode', nodeId, add: labels, remove: []}
          : {kind: 'labelNode', nodeId, add: [], remove: labels};
      }
      default:
        return assertNever(order);
    }
  }
}

/** What lets go all that is held. */
function* held({context}: MasterCore): Generator<OperatorRequest> {
  if (context.state.paused) yield {kind: 'pauseCluster', paused: false, reason: ''};
  for (const {control, row} of context.roster.all())
    if (control.hold && row.revokedAt === 0) yield {kind: 'resumeNode', nodeId: row.nodeId};
  for (const {control, row} of context.running)
    if (control.suspended) yield {kind: 'resumeBatch', batchId: row.id};
}
