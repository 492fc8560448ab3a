// Nodes that hear late: see lag-plan.ts. Whatever comes to them then is authentic, and unheard before.

import {asAddress} from '../base/types.ts';
import {FRAME} from '../wire/session.ts';
import type {Fabric} from './fabric.ts';
import type {LagPlan} from './lag-plan.ts';
import type {Plan} from './plan.ts';
import type {SimNode} from './sim-node.ts';
import {EVENT} from './timeline.ts';

/** Whoever says a command again need not be its master. */
const STRANGER = asAddress('10.66.255.1:4444');

export class Laggards {
  readonly #plan: Plan;
  readonly #fabric: Fabric;
  readonly #nodes: readonly SimNode[];

  constructor(plan: Plan, fabric: Fabric, nodes: readonly SimNode[]) {
    this.#plan = plan;
    this.#fabric = fabric;
    this.#nodes = nodes;
  }

  start(): void {
    for (const lag of this.#plan.lags ?? []) {
      const node = this.#nodes[lag.nodeNo - 1];
      const isOver = lag.at + lag.forMs >= this.#plan.safetyMs;
      if (!node || isOver) continue;
      this.#fabric.timeline.after(lag.at, EVENT.fault, lag.nodeNo, () => this.#begin(lag, node));
    }
  }

  #begin({forMs, how}: LagPlan, node: SimNode): void {
    const {network, timeline} = this.#fabric;
    this.#fabric.trace?.(`node ${node.no} hears late: ${how}`);
    if (how === 'process') node.pause(forMs);
    else if (how === 'queue') network.set(node.address, {cloggedUntil: timeline.now + forMs});
    else this.#keepFrom(node, forMs);
  }

  /** All commands, and all that is long enough for a copy of one: the rest keeps the session alive. */
  #keepFrom({address, no}: SimNode, forMs: number): void {
    const {network, timeline} = this.#fabric;
    const kept: Uint8Array[] = [];
    let least = Number.POSITIVE_INFINITY;
    const jam = (bytes: Uint8Array): boolean => {
      const isCommand = bytes[0] === FRAME.command;
      if (isCommand) kept.push(bytes);
      if (isCommand) least = Math.min(least, bytes.length);
      return bytes.length >= least;
    };
    network.set(address, {jam});
    timeline.after(forMs, EVENT.fault, no, () => {
      network.set(address, {jam: undefined});
      for (const [i, bytes] of kept.entries()) network.inject(STRANGER, address, bytes, i / 10);
    });
  }
}
