// S26: what the master holds of a transfer is what happened: an honest node that is said to have the file has it, whole
// and the right one (sim-ear.ts holds the bytes against it); and in the end each node that lives and was meant has it,
// or the master says who has not, and why.

import type {NodeId} from '../base/types.ts';
import {decodeJson, type Op} from '../core/tables.ts';
import {
  type DeliveryRow,
  decodeDeliveryKey,
  type TransferRow,
  transferKey,
} from '../core/transfer.ts';
import type {MasterCore} from '../master/master.ts';
import {isOpen, isWaited} from '../master/transfer-state.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';

export class TransferChecker {
  readonly #master: SimMaster;
  readonly #honest: (nodeId: NodeId) => SimNode | undefined;
  /** Deliveries that were held against what happened. */
  judged = 0;

  /** @param honest undefined = it may say what it likes */
  constructor(master: SimMaster, honest: (nodeId: NodeId) => SimNode | undefined) {
    this.#master = master;
    this.#honest = honest;
  }

  durable(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.table !== 'delivery' || op.type !== 'put') continue;
      const {id, nodeId} = decodeDeliveryKey(op.key);
      const {state, reason} = decodeJson(op.value) as DeliveryRow;
      const name = `transfer ${id} at ${nodeId}`;
      holds(state === 'whole' || reason, 'S26', () => `${name} is ${state}, and nobody says why`);
      const node = this.#honest(nodeId);
      const row = this.#rowOf(id, ops);
      if (state !== 'whole' || node === undefined || row === undefined) continue;
      this.judged += 1;
      const isThere = [...node.pushed.ever].some(blobId => blobId.startsWith(row.blob));
      holds(isThere, 'S26', () => `${name} is told as whole, and is not there`);
    }
  }

  /** Everything has come to rest: nobody who lives is waited for, and nobody who could have it has been forgotten. */
  audit(core: MasterCore, lives: (nodeId: NodeId) => boolean): void {
    for (const {row, state, deliveries} of core.transfers.all()) {
      if (state === 'cancelled' || state === 'failed') continue;
      for (const [nodeId, delivery] of deliveries) {
        if (!lives(nodeId) || this.#honest(nodeId) === undefined) continue;
        const story = `transfer ${row.id} (${state}) at ${nodeId}: ${delivery.state} ${delivery.reason}`;
        holds(delivery.state === 'whole', 'S26', () => story);
      }
    }
  }

  /** Which transfers wait for somebody who lives, for people. */
  hanging(core: MasterCore, lives: (nodeId: NodeId) => boolean): string[] {
    return [...core.transfers.all()].filter(isOpen).flatMap(({row, state, deliveries}) => {
      const waited = [...deliveries].filter(([nodeId, each]) => isWaited(each) && lives(nodeId));
      if (waited.length === 0) return [];
      const who = waited.map(([nodeId, each]) => `${nodeId.slice(0, 8)} ${each.state}`).join(', ');
      return [`transfer ${row.id} (${state}) waits for ${who}`];
    });
  }

  /** As it is on the disk, or in the same commit. */
  #rowOf(id: number, ops: readonly Op[]): TransferRow | undefined {
    const key = transferKey(id);
    for (const op of ops)
      if (op.table === 'transfer' && op.type === 'put' && op.key === key)
        return decodeJson(op.value) as TransferRow;
    const value = this.#master.store.disk.get('transfer', key);
    return value && (decodeJson(value) as TransferRow);
  }
}
