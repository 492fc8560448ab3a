// Looks up whose canonical results are, on a simulated disk.

import {hex32} from '../base/bytes.ts';
import type {BatchId, NodeId} from '../base/types.ts';
import type {SinglesPage} from '../core/core.ts';
import {decodePage, decodePageKey, decodeReportRow, reportKey} from '../core/tables.ts';
import type {Singles} from '../runtime/ports.ts';
import type {SimClock} from './sim-clock.ts';
import type {SimStore} from './sim-store.ts';
import {EVENT} from './timeline.ts';

export class SimSingles implements Singles {
  readonly #clock: SimClock;
  readonly #disk: SimStore;
  readonly #readMs: () => number;

  constructor(clock: SimClock, disk: SimStore, readMs: () => number) {
    this.#clock = clock;
    this.#disk = disk;
    this.#readMs = readMs;
  }

  list(
    nodeId: NodeId,
    batchIds: readonly BatchId[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const pages = batchIds.flatMap(batchId => this.#pagesOf(nodeId, batchId));
      found(
        pages,
        pages.reduce((sum, {offsets}) => sum + offsets.length, 0),
      );
    });
  }

  #pagesOf(nodeId: NodeId, batchId: BatchId): SinglesPage[] {
    const found: SinglesPage[] = [];
    for (const [key, value] of this.#disk.rows('page', hex32(batchId), hex32(batchId + 1))) {
      const offsets: number[] = [];
      for (const [offset, decision] of decodePage(value)) {
        const row =
          decision.kind === 'done' && this.#disk.get('report', reportKey(decision.reportNo));
        if (row && decodeReportRow(row).nodeId === nodeId) offsets.push(offset);
      }
      if (offsets.length > 0) found.push({...decodePageKey(key), offsets});
    }
    return found;
  }
}
