// A transfer as the master has it in memory: where it is, and where it is at each of its nodes.

import {type MonoMs, NEVER, type NodeId} from '../base/types.ts';
import {DAY_MS} from '../base/units.ts';
import {BulkLayout} from '../core/bulk-layout.ts';
import {
  type NodeDelivery,
  SYMBOL_BYTES,
  SYMBOLS_PER_BLOCK,
  type TransferRow,
  type TransferState,
} from '../core/transfer.ts';
import type {TransferOffer} from '../wire/bulk-message.ts';

/** Nodes that are not there are waited for so long, from the end of the multicast on. */
export const AWAY_MS = DAY_MS;

export type Delivery = {
  state: NodeDelivery['state'];
  reason: string | undefined;
  blocks: number;
  /** While it fetches. */
  toldAt: MonoMs;
  heardAt: MonoMs;
  notBefore: MonoMs;
  tries: number;
};

export type Transfer = {
  row: TransferRow;
  state: TransferState;
  readonly layout: BulkLayout;
  readonly deliveries: Map<NodeId, Delivery>;
  /** Those of them that are waited for: of 10,000 often one, for a day. */
  readonly waited: Map<NodeId, Delivery>;
  /** Of this life of the master. */
  offer: TransferOffer | undefined;
  /** Datagrams, and the rate that was found. */
  sent: number;
  bitsPerSecond: number;
  awayUntil: MonoMs;
};

export function transferOf(row: TransferRow): Transfer {
  const deliveries = new Map(row.nodes.map(nodeId => [nodeId, newDelivery()]));
  return {
    row,
    state: row.state === 'open' ? 'waiting' : row.state,
    layout: new BulkLayout({
      size: row.size,
      symbolBytes: SYMBOL_BYTES,
      symbolsPerBlock: SYMBOLS_PER_BLOCK,
    }),
    deliveries,
    waited: new Map(deliveries),
    offer: undefined,
    sent: 0,
    bitsPerSecond: 0,
    awayUntil: NEVER,
  };
}

const newDelivery = (): Delivery => ({
  state: 'invited',
  reason: undefined,
  blocks: 0,
  toldAt: 0 as MonoMs,
  heardAt: 0 as MonoMs,
  notBefore: 0 as MonoMs,
  tries: 0,
});

const WAITED: ReadonlySet<NodeDelivery['state']> = new Set([
  'invited',
  'listening',
  'aside',
  'fetching',
]);

export const isWaited = (delivery: Delivery | undefined): boolean =>
  delivery !== undefined && WAITED.has(delivery.state);

export const isOpenState = (state: TransferState): boolean =>
  state !== 'ended' && state !== 'cancelled' && state !== 'failed';

export const isOpen = ({state}: Pick<Transfer, 'state'>): boolean => isOpenState(state);
