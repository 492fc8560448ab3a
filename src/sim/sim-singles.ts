// Looks up whose canonical results are, on a simulated disk.

import {hex32} from '../base/bytes.ts';
import type {NodeId} from '../base/types.ts';
import {type Check, checkKey, decodeChecks, decodeDoubtKey, hashOfOutput} from '../core/checks.ts';
import {
  type CheckPage,
  type ListedBatch,
  type SinglesPage,
  standingAlone,
} from '../core/lookups.ts';
import {decodePage, decodePageKey, decodeReportRow, pageKey, reportKey} from '../core/tables.ts';
import type {Singles} from '../runtime/ports.ts';
import {decodeResults} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {SimClock} from './sim-clock.ts';
import type {SimStore} from './sim-store.ts';
import {EVENT} from './timeline.ts';

/** Few, so that also a short list comes in slices. */
const PAGES_PER_READ = 2;

export class SimSingles implements Singles {
  readonly #clock: SimClock;
  readonly #disk: SimStore;
  readonly #crypto: Crypto;
  readonly #readMs: () => number;

  constructor(clock: SimClock, disk: SimStore, crypto: Crypto, readMs: () => number) {
    this.#clock = clock;
    this.#disk = disk;
    this.#crypto = crypto;
    this.#readMs = readMs;
  }

  list(
    nodeId: NodeId,
    batches: readonly ListedBatch[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const pages = batches.flatMap(batch => this.#pagesOf(nodeId, batch));
      found(
        pages,
        pages.reduce((sum, {singles}) => sum + singles.size, 0),
      );
    });
  }

  #pagesOf(nodeId: NodeId, {batchId, onlySingle}: ListedBatch): SinglesPage[] {
    const found: SinglesPage[] = [];
    for (const [key, value] of this.#disk.rows('page', hex32(batchId), hex32(batchId + 1))) {
      const singles = new Map<number, Check>();
      for (const [offset, decision] of standingAlone(decodePage(value), onlySingle)) {
        if (decision.kind !== 'done') continue;
        const {reportNo, item} = decision;
        const value = this.#disk.get('report', reportKey(reportNo));
        const report = value && decodeReportRow(value);
        const result = report && decodeResults(report.body)?.[item];
        if (report?.nodeId !== nodeId || result?.status !== 'done') continue;
        const hash = hashOfOutput(this.#crypto, result.output);
        singles.set(offset, {state: 'open', reportNo, item, hash});
      }
      if (singles.size > 0) found.push({...decodePageKey(key), singles});
    }
    return found;
  }

  read(
    nodeId: NodeId,
    after: string,
    read: (pages: readonly CheckPage[], isLast: boolean) => void,
  ): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const from = after === '' ? nodeId : `${after} `;
      const rows = this.#disk.rows('doubt', from, `${nodeId}~`);
      const pages = rows.slice(0, PAGES_PER_READ).map(([key]): CheckPage => {
        const {batchId, pageNo} = decodeDoubtKey(key);
        const page = this.#disk.get('page', pageKey(batchId, pageNo));
        const checks = this.#disk.get('check', checkKey(batchId, pageNo, nodeId));
        return {
          batchId,
          pageNo,
          decisions: page ? decodePage(page) : new Map(),
          checks: checks ? decodeChecks(checks) : new Map(),
        };
      });
      read(pages, rows.length <= PAGES_PER_READ);
    });
  }
}
