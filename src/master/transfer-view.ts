// Transfers as faces show them.

import type {TransferView} from '../core/views.ts';
import type {MasterCore} from './master.ts';
import {type Delivery, isOpen, isWaited, type Transfer} from './transfer-state.ts';

/** The newest first. */
export const viewTransfers = (core: MasterCore): TransferView[] =>
  [...core.transfers.all()].reverse().map(transfer => viewOf(core, transfer));

export function viewTransfer(core: MasterCore, id: number): TransferView | undefined {
  const transfer = core.transfers.get(id);
  return transfer && viewOf(core, transfer);
}

/** Changes with what of a transfer is worth telling at once. */
export const transferMark = (core: MasterCore, id: number): string =>
  core.transfers.get(id)?.state ?? '';

function viewOf({context}: MasterCore, transfer: Transfer): TransferView {
  const {row, state, layout, deliveries, sent, bitsPerSecond} = transfer;
  const {id, purpose, blob, size, createdAt, fileName, rate, endedAt, reason} = row;
  const optional = {fileName, rate, endedAt, reason};
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  return {
    id,
    state,
    purpose,
    blob,
    size,
    createdAt,
    ...Object.fromEntries(given),
    bitsPerSecond: state === 'sending' ? Math.round(bitsPerSecond) : 0,
    sent,
    symbols: layout.sources,
    nodes: [...deliveries]
      .map(([nodeId, delivery]) => {
        const node = context.roster.node(nodeId);
        const why = delivery.reason === undefined ? {} : {reason: delivery.reason};
        const isAway = isOpen(transfer) && isWaited(delivery) && node?.up !== true;
        return {
          nodeId,
          name: node?.row.name ?? '',
          state: isAway ? ('away' as const) : delivery.state,
          ...why,
          part: partOf(delivery, layout.blocks),
        };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function partOf({state, blocks}: Delivery, all: number): number {
  if (state === 'whole') return 1;
  return all === 0 ? 0 : blocks / all;
}
