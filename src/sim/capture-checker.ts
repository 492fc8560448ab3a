// S24: what fires was to be fired: the row of its capture is durable and has the instant, of a sweep the node's own
// place in it; nothing fires of a roll call whose answer was no, of one that nobody waited for, or of a dry run.

import {addWall} from '../base/types.ts';
import {captureKey, decodeJson, type Op} from '../core/tables.ts';
import type {CaptureRow} from '../master/capture-row.ts';
import type {FireOrder} from '../runtime/ports.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';

/** Milliseconds of rounding: instants are doubles. */
const ROUNDING_MS = 0.001;

export class CaptureChecker {
  readonly #master: SimMaster;
  readonly #wasLost: () => boolean;

  /** @param wasLost whether the master's disk was ever replaced by an older one */
  constructor(master: SimMaster, wasLost: () => boolean) {
    this.#master = master;
    this.#wasLost = wasLost;
  }

  durable(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.table !== 'capture' || op.type !== 'put') continue;
      const row = decodeJson(op.value) as CaptureRow;
      const {id, at, calling, refused, needs, rollCall, dryRun} = row;
      holds(!dryRun, 'S24', () => `capture ${id} is a dry run, and is kept`);
      const isSet = at.length > 0;
      const isOne = [isSet, calling, refused !== undefined].filter(Boolean).length === 1;
      holds(isOne, 'S24', () => `capture ${id} is called, refused and set: not one of them`);
      if (!isSet || needs === undefined) continue;
      const isRight = rollCall !== undefined && rollCall.ready >= leastOf(needs, rollCall.asked);
      holds(
        isRight,
        'S24',
        () => `capture ${id} needs ${needs} nodes, ${rollCall?.ready} are ready`,
      );
    }
  }

  ordered(node: SimNode, order: FireOrder, salt: number | undefined): void {
    const {disk} = this.#master.store;
    if (disk.damage !== undefined) return; // what it has lost comes out when it is opened
    const {captureId, shot, fireAtWall} = order;
    const name = `node ${node.no} fires ${captureId}/${shot}`;
    const value = disk.get('capture', captureKey(captureId));
    const row = value && (decodeJson(value) as CaptureRow);
    if (!row || row.salt !== salt) return holds(this.#wasLost(), 'S24', () => `${name} of nobody`);
    const asked = row.at[shot - 1];
    if (asked === undefined) return holds(false, 'S24', () => `${name}, which is not to be fired`);
    if (asked === 0) return; // on hearing
    const place = row.sweepMs === undefined ? 0 : row.nodes.indexOf(node.nodeId);
    holds(place >= 0, 'S24', () => `${name}, and has no place in the sweep`);
    const offMs = fireAtWall - addWall(asked, place * (row.sweepMs ?? 0));
    holds(Math.abs(offMs) < ROUNDING_MS, 'S24', () => `${name} ${offMs} ms after its place`);
  }
}

/** Said once more in other words than the master's own. */
function leastOf(needs: string, asked: number): number {
  const percent = needs === 'all' ? 100 : Number(/^(\d+)%$/.exec(needs)?.[1] ?? Number.NaN);
  return Number.isNaN(percent) ? Number(needs) : (percent / 100) * asked;
}
