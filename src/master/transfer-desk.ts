// What operators ask of transfers: checked before anything changes.

import type {ErrorCode, ErrorFields} from '../base/errors.ts';
import type {Now} from '../base/types.ts';
import {KIB} from '../base/units.ts';
import type {OperatorAnswer, TransferOrderRequest} from '../core/operator-request.ts';
import {FILE_NAME} from '../core/transfer-events.ts';
import {TRANSFER_BYTES_MAX} from '../wire/limits.ts';
import type {BlobRef, Target} from '../wire/message.ts';
import type {MasterContext} from './context.ts';
import {isOpen} from './transfer-state.ts';
import {TRANSFERS_OPEN_MAX, type Transfers} from './transfers.ts';

/** Bits per second: less would take a day for a picture, more no cable carries. */
const RATE_MIN = 100_000;
const RATE_MAX = 10_000_000_000;

const refusal = (code: ErrorCode, fields: ErrorFields): OperatorAnswer => ({
  ok: false,
  code,
  fields,
});

/** Less, or to fewer, is as quick by HTTP. */
const BRING_BYTES_MIN = 128 * KIB;
const BRING_NODES_MIN = 4;

export class TransferDesk {
  readonly #context: MasterContext;
  readonly #transfers: Transfers;

  constructor(context: MasterContext, transfers: Transfers) {
    this.#context = context;
    this.#transfers = transfers;
  }

  /** What nodes will ask for soon goes to all of them at once, where it is worth it. */
  bring(
    purpose: 'app' | 'shared',
    {blobId, size}: BlobRef,
    {labels = [], nodes = []}: Partial<Target> = {},
    now: Now,
  ): void {
    const target = {labels, nodes};
    const {roster, space} = this.#context;
    const meant = [...roster.targeted(target)].filter(node => node.up);
    const isWorth = size >= BRING_BYTES_MIN && meant.length >= BRING_NODES_MIN;
    const {open} = this.#transfers;
    const isOpen = open.some(({row, state}) => row.blob === blobId && state !== 'fetching');
    if (!isWorth || isOpen || space.isFull || open.length >= TRANSFERS_OPEN_MAX) return;
    this.#transfers.begin({purpose, blobId, size, target}, now);
  }

  handle(request: TransferOrderRequest, now: Now): OperatorAnswer {
    if (request.kind === 'cancelTransfer') return this.#cancel(request.transferId, now);
    const {blobId, size, fileName, target, rate} = request;
    const fault = this.#fault(size, fileName, rate);
    if (fault !== undefined) return refusal('VOLLEY_USAGE', {reason: fault});
    if ([...this.#context.roster.targeted(target)].length === 0)
      return refusal('VOLLEY_NO_NODES', {reason: 'no node of this cluster is meant'});
    const {row} = this.#transfers.begin(
      {purpose: 'push', blobId, size, fileName, target, ...(rate === undefined ? {} : {rate})},
      now,
    );
    return {ok: true, transferId: row.id};
  }

  #cancel(transferId: number, now: Now): OperatorAnswer {
    const transfer = this.#transfers.get(transferId);
    if (transfer === undefined) return refusal('VOLLEY_UNKNOWN_TRANSFER', {transfer: transferId});
    // Once more is fine: it is over, as was asked.
    if (isOpen(transfer)) this.#transfers.cancel(transfer, now);
    return {ok: true};
  }

  #fault(size: number, fileName: string, rate: number | undefined): string | undefined {
    if (this.#transfers.open.length >= TRANSFERS_OPEN_MAX)
      return `${TRANSFERS_OPEN_MAX} transfers are open; cancel some (volley push ls)`;
    if (!FILE_NAME.test(fileName))
      return `"${fileName}" is no name for a file at nodes: letters, digits and . _ + @ - and spaces, up to 63, no folders`;
    if (!Number.isSafeInteger(size) || size < 0 || size > TRANSFER_BYTES_MAX)
      return `a file of ${size} bytes is not sent; at most ${TRANSFER_BYTES_MAX}`;
    if (rate !== undefined && !(rate >= RATE_MIN && rate <= RATE_MAX))
      return 'a rate is from 100kbit to 10gbit';
    return undefined;
  }
}
