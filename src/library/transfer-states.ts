// Follows a transfer until each node that is here has its file, across restarts of its master.

import type {TransferView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {patiently} from './patience.ts';

/** Nodes that are away are not waited for. */
const isSettled = ({state, nodes}: TransferView): boolean =>
  state === 'ended' ||
  state === 'cancelled' ||
  state === 'failed' ||
  (state === 'fetching' && nodes.every(node => SETTLED.has(node.state)));

const SETTLED: ReadonlySet<string> = new Set(['whole', 'declined', 'gaveUp', 'missed', 'away']);

export const followTransfer = (
  client: OperatorClient,
  transferId: number,
  onChange: (view: TransferView) => void,
): Promise<TransferView> =>
  patiently<TransferView, TransferView>(async heard => {
    for await (const event of client.events({transferId})) {
      if (event.kind !== 'transfer') continue;
      heard(event.transfer);
      if (isSettled(event.transfer)) return event.transfer;
    }
    return undefined;
  }, onChange);
