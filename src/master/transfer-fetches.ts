// Nodes that a transfer has left behind fetch what they lack by HTTP: a few at a time, when the multicast is over, and
// when they are back. Who does not get on with it makes room for the next, and has its turn again.

import {addMono, type MonoMs, NEVER, type NodeId, type Now} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import {AWAY_MS, type Delivery, type Transfer} from './transfer-state.ts';

/** Nodes that fetch at once; one while a multicast needs the link. */
const FETCHING_MAX = 4;
const FETCHING_BESIDE_MAX = 1;
/** The order to fetch again, to who has not said a word since. */
const ORDER_MS = 2 * SECOND_MS;
/** Who says nothing for so long while it fetches makes room for the next. */
const SILENT_MS = 30 * SECOND_MS;
const AGAIN_MS = MINUTE_MS;
const TRIES = 5;
/** Of a delivery whose turn it is. */
const NOW = 0 as MonoMs;

export type FetchPorts = {
  /** Is this node here to be told anything? */
  readonly isUp: (nodeId: NodeId) => boolean;
  /** Tells it what there is, and to fetch it. */
  readonly order: (transfer: Transfer, nodeId: NodeId) => void;
  /** It is waited for no more. */
  readonly giveUp: (transfer: Transfer, nodeId: NodeId, reason: string, now: Now) => void;
};

export class TransferFetches {
  readonly #ports: FetchPorts;

  constructor(ports: FetchPorts) {
    this.#ports = ports;
  }

  /** @param open transfers, the oldest first */
  next(open: readonly Transfer[], now: Now): void {
    const isSending = open.some(({state}) => state === 'sending');
    let room = (isSending ? FETCHING_BESIDE_MAX : FETCHING_MAX) - countFetching(open);
    for (const transfer of open) {
      if (transfer.state !== 'fetching') continue;
      for (const [nodeId, delivery] of transfer.waited) {
        if (room <= 0) return;
        const isDue = delivery.state === 'aside' && delivery.notBefore <= now.mono;
        if (!isDue || !this.#ports.isUp(nodeId)) continue;
        delivery.state = 'fetching';
        delivery.tries += 1;
        delivery.heardAt = now.mono;
        this.#order(transfer, nodeId, delivery, now.mono);
        room -= 1;
      }
    }
  }

  tend(transfer: Transfer, now: Now): void {
    if (transfer.state !== 'fetching') return;
    const isLate = now.mono >= transfer.awayUntil;
    // Who is here at the end of the day has its turn still.
    if (isLate) transfer.awayUntil = addMono(now.mono, AWAY_MS);
    for (const [nodeId, delivery] of transfer.waited) {
      if (isLate && !this.#ports.isUp(nodeId))
        this.#ports.giveUp(transfer, nodeId, 'it did not come back within a day', now);
      else this.#tendOne(transfer, nodeId, delivery, now);
    }
  }

  wakeAt(open: readonly Transfer[]): MonoMs {
    let wakeAt = NEVER;
    for (const {state, waited, awayUntil} of open) {
      if (state !== 'fetching') continue;
      wakeAt = Math.min(wakeAt, awayUntil) as MonoMs;
      for (const {state: at, toldAt, notBefore} of waited.values()) {
        if (at === 'fetching') wakeAt = Math.min(wakeAt, toldAt + ORDER_MS) as MonoMs;
        if (at === 'aside' && notBefore > 0) wakeAt = Math.min(wakeAt, notBefore) as MonoMs;
      }
    }
    return wakeAt;
  }

  #tendOne(transfer: Transfer, nodeId: NodeId, delivery: Delivery, now: Now): void {
    // Its turn has come: from now on it waits for room, or for the node to be back, and not for the clock.
    if (delivery.state === 'aside' && delivery.notBefore <= now.mono) delivery.notBefore = NOW;
    if (delivery.state !== 'fetching') return;
    if (now.mono - delivery.heardAt > SILENT_MS) {
      // Who is away is waited for, however often it has tried.
      if (delivery.tries >= TRIES && this.#ports.isUp(nodeId))
        return this.#ports.giveUp(
          transfer,
          nodeId,
          'it does not get on with fetching the rest',
          now,
        );
      delivery.state = 'aside';
      delivery.notBefore = addMono(now.mono, AGAIN_MS);
    } else if (now.mono - delivery.toldAt >= ORDER_MS)
      this.#order(transfer, nodeId, delivery, now.mono);
  }

  #order(transfer: Transfer, nodeId: NodeId, delivery: Delivery, now: MonoMs): void {
    delivery.toldAt = now;
    this.#ports.order(transfer, nodeId);
  }
}

function countFetching(open: readonly Transfer[]): number {
  let count = 0;
  for (const {waited} of open)
    for (const {state} of waited.values()) if (state === 'fetching') count += 1;
  return count;
}
