// The rows of transfers: all that are open, and of those that are over the newest.

import type {NodeId, WallMs} from '../base/types.ts';
import {asBlobId} from '../base/types.ts';
import {encodeJson, put} from '../core/tables.ts';
import {type DeliveryRow, deliveryKey, type TransferRow, transferKey} from '../core/transfer.ts';
import type {MasterContext} from './context.ts';
import {isOpen, type Transfer, transferOf} from './transfer-state.ts';

/** Of those that are over. */
const KEPT_MAX = 100;
/** Of the hash of a blob that is not kept any more. */
const SHOWN_HEX = 16;

export type SavedTransfers = {
  readonly rows: readonly TransferRow[];
  readonly deliveries: readonly {
    readonly id: number;
    readonly nodeId: NodeId;
    readonly row: DeliveryRow;
  }[];
};

export class TransferBook {
  readonly #context: MasterContext;
  /** In the order of their numbers. */
  readonly #transfers = new Map<number, Transfer>();
  /** The newest is always kept, so no number comes twice. */
  #lastId = 0;

  constructor(context: MasterContext, saved: SavedTransfers) {
    this.#context = context;
    for (const row of saved.rows) {
      this.#lastId = Math.max(this.#lastId, row.id);
      this.#transfers.set(row.id, transferOf(row));
    }
    for (const {id, nodeId, row} of saved.deliveries) {
      const transfer = this.#transfers.get(id);
      const delivery = transfer?.deliveries.get(nodeId);
      if (delivery) Object.assign(delivery, {state: row.state, reason: row.reason});
      transfer?.waited.delete(nodeId);
    }
    for (const transfer of this.#transfers.values()) if (!isOpen(transfer)) close(transfer);
  }

  all(): IterableIterator<Transfer> {
    return this.#transfers.values();
  }

  get(id: number): Transfer | undefined {
    return this.#transfers.get(id);
  }

  get open(): Transfer[] {
    return [...this.#transfers.values()].filter(isOpen);
  }

  add(row: Omit<TransferRow, 'id'>): Transfer {
    this.#lastId += 1;
    const transfer = transferOf({...row, id: this.#lastId});
    this.#transfers.set(this.#lastId, transfer);
    this.save(transfer);
    this.#forgetOld();
    return transfer;
  }

  save({row}: Transfer): void {
    this.#context.save(put('transfer', transferKey(row.id), encodeJson(row)));
  }

  /** What became of it at a node, durable. */
  settle({row: {id}}: Transfer, nodeId: NodeId, row: DeliveryRow): void {
    this.#context.save(put('delivery', deliveryKey(id, nodeId), encodeJson(row)));
  }

  /** It is over, and its blob may go. */
  end(
    transfer: Transfer,
    state: 'ended' | 'cancelled' | 'failed',
    wall: WallMs,
    reason: string | undefined,
  ): void {
    const {blob, size} = transfer.row;
    transfer.state = state;
    transfer.offer = undefined;
    const why = reason === undefined ? {} : {reason};
    const shown = blob.slice(0, SHOWN_HEX);
    transfer.row = {...transfer.row, ...why, state, endedAt: wall, blob: shown};
    close(transfer);
    this.save(transfer);
    this.#context.emit({type: 'unnamed', blobs: [{blobId: asBlobId(blob), size}]});
  }

  #forgetOld(): void {
    const over = [...this.#transfers.values()].filter(transfer => !isOpen(transfer));
    // Who was waited for a day has ended late, and is news. The newest number ends before no hundred others.
    over.sort((a, b) => (a.row.endedAt ?? 0) - (b.row.endedAt ?? 0));
    for (const {row, deliveries} of over.slice(0, Math.max(0, over.length - KEPT_MAX))) {
      this.#transfers.delete(row.id);
      this.#context.drop('transfer', transferKey(row.id));
      for (const nodeId of deliveries.keys())
        this.#context.drop('delivery', deliveryKey(row.id, nodeId));
    }
  }
}

/** It is over: whoever was waited for still has missed it, without a row of its own. */
function close({row, waited}: Transfer): void {
  for (const delivery of waited.values())
    [delivery.state, delivery.reason] = ['missed', row.reason ?? row.state];
  waited.clear();
}
