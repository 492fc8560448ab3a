// The person at the CLI who suspends, drains, quarantines, cancels, retries, deletes: each order is given once, to a master that is up. When
// the faults end all that is held is let go, and asked for again until the master knows it.

import {assertNever} from '../base/assert.ts';
import type {BatchId, NodeId} from '../base/types.ts';
import type {OperatorRequest, SetActionRequest} from '../core/operator-request.ts';
import type {MasterCore} from '../master/master.ts';
import type {Fabric} from './fabric.ts';
import type {OrderPlan} from './order-plan.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import type {SimOperator} from './sim-operator.ts';
import {EVENT} from './timeline.ts';

const LABEL = 'given';
const REASON = 'a plan';
const TEND_MS = 500;

type Of<T> = Extract<OrderPlan, T>;

type Parts = {
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly operator: SimOperator;
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
    const {fabric, nodes, orders, until} = this.#parts;
    // Liars enough may have an app blamed: somebody goes on with its batches.
    const isMixed = nodes.some(({plan}) => plan.machine !== undefined);
    if (orders.length === 0 && !isMixed) return;
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
    if (!request) return;
    const name = order.kind === 'deleteBatch' ? order.name : undefined;
    if (name !== undefined) this.#parts.operator.deletes(name, true);
    this.#ask(request, ok => {
      if (name !== undefined && !ok) this.#parts.operator.deletes(name, false);
    });
  }

  /** It may be refused: the batch has ended, the node is revoked, or a disk forgot both. */
  #ask(request: OperatorRequest, answered: (ok: boolean) => void = () => undefined): void {
    this.#parts.master.operator(request, ({ok}) => {
      if (ok) this.given += 1;
      answered(ok);
    });
  }

  #requestOf(order: OrderPlan, core: MasterCore): OperatorRequest | undefined {
    if (order.kind === 'pauseCluster')
      return {kind: order.kind, paused: order.paused, reason: REASON};
    if (order.kind === 'setAction') return {kind: order.kind, set: settingsOf(order.value)};
    if ('nodeNo' in order) {
      const nodeId = this.#parts.nodes[order.nodeNo - 1]?.nodeId;
      return nodeId && nodeRequest(order, nodeId, core);
    }
    const batch = [...core.context.batches.values()].find(({row}) => row.name === order.name);
    return batch && batchRequest(order, batch.row.id);
  }
}

/** 0 takes the setting back. */
const settingsOf = (value: number): SetActionRequest => ({
  action: 'camera',
  settings: {gain: value === 0 ? '' : String(value)},
  target: {labels: [], nodes: []},
});

function batchRequest(order: Of<{name: string}>, batchId: BatchId): OperatorRequest {
  switch (order.kind) {
    case 'suspendBatch':
    case 'resumeBatch':
      return {kind: order.kind, batchId, reason: REASON};
    case 'setPriority':
      return {kind: order.kind, batchId, priority: order.priority};
    case 'cancelBatch':
    case 'retryBatch':
      return {kind: order.kind, batchId};
    case 'deleteBatch':
      return {kind: order.kind, batchId, force: order.force};
    default:
      return assertNever(order);
  }
}

function nodeRequest(
  order: Of<{nodeNo: number}>,
  nodeId: NodeId,
  core: MasterCore,
): OperatorRequest {
  const labels = [LABEL];
  switch (order.kind) {
    case 'holdNode':
      return {kind: order.kind, nodeId, hold: order.hold, reason: REASON};
    case 'resumeNode':
      return freed(core, nodeId);
    case 'labelNode':
      return order.isGiven
        ? {kind: order.kind, nodeId, add: labels, remove: []}
        : {kind: order.kind, nodeId, add: [], remove: labels};
    default:
      return assertNever(order);
  }
}

/** What lets go all that is held. */
function* held(core: MasterCore): Generator<OperatorRequest> {
  const {context} = core;
  if (context.state.paused) yield {kind: 'pauseCluster', paused: false, reason: ''};
  for (const {control, row} of context.roster.all())
    if (control.hold && row.revokedAt === 0) yield freed(core, row.nodeId);
  for (const {control, row} of context.running)
    if (control.suspended) yield {kind: 'resumeBatch', batchId: row.id};
}

/** Who is quarantined is released, anybody else resumed. */
function freed({context}: MasterCore, nodeId: NodeId): OperatorRequest {
  const {hold} = context.roster.node(nodeId)?.control ?? {};
  return {kind: hold?.kind === 'quarantined' ? 'releaseNode' : 'resumeNode', nodeId};
}
