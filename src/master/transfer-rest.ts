// Transfers that a former life of the master left open wait for their nodes to be back: a multicast that begins with the
// first of them reaches nobody else, and the others would each fetch the whole by HTTP.

import {addMono, type MonoMs, type NodeId} from '../base/types.ts';
import {silentAfterMs} from './liveness.ts';
import {QUIET_MS} from './recall.ts';
import type {Transfer} from './transfer-state.ts';

export class TransferRest {
  /** Nodes that are waited for and not back. */
  readonly #away = new Set<NodeId>();
  readonly #endsAt: MonoMs;
  #until: MonoMs;

  /** @param open transfers of the life before; @param nodes of the cluster */
  constructor(open: readonly Transfer[], nodes: number, bootedAt: MonoMs) {
    for (const {waited} of open) for (const nodeId of waited.keys()) this.#away.add(nodeId);
    this.#endsAt = this.#away.size === 0 ? bootedAt : addMono(bootedAt, silentAfterMs(nodes));
    this.#until = this.#endsAt;
  }

  /** Nothing is sent before. */
  get until(): MonoMs {
    return this.#until;
  }

  /** It is back, or never will be. */
  came(nodeId: NodeId, now: MonoMs): void {
    if (!this.#away.delete(nodeId) || now >= this.#until) return;
    const until = addMono(now, this.#away.size === 0 ? 0 : QUIET_MS);
    this.#until = until < this.#endsAt ? until : this.#endsAt;
  }
}
