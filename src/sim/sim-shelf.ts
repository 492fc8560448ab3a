// What a master looks up on a simulated disk: pages and reports.

import type {BatchId} from '../base/types.ts';
import {type ListedPage, type ListedReport, listedReport} from '../core/lookups.ts';
import {decodePage, decodePageKey, pageKey, reportKey} from '../core/tables.ts';
import type {Shelf} from '../runtime/ports.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {SimClock} from './sim-clock.ts';
import {SimOutputs} from './sim-outputs.ts';
import {SimSingles} from './sim-singles.ts';
import type {SimStore} from './sim-store.ts';
import {EVENT} from './timeline.ts';

/** All outputs of a stage are read and written: long enough that a master dies over it now and then. */
const GATHER_TIMES = 100;

/** All that a master looks up on its disk. */
export const lookups = (clock: SimClock, disk: SimStore, crypto: Crypto, readMs: () => number) => ({
  singles: new SimSingles(clock, disk, crypto, readMs),
  shelf: new SimShelf(clock, disk, readMs),
  outputs: new SimOutputs(clock, disk, () => GATHER_TIMES * readMs()),
});

export class SimShelf implements Shelf {
  readonly #clock: Pick<SimClock, 'after'>;
  readonly #disk: SimStore;
  readonly #readMs: () => number;

  constructor(clock: Pick<SimClock, 'after'>, disk: SimStore, readMs: () => number) {
    this.#clock = clock;
    this.#disk = disk;
    this.#readMs = readMs;
  }

  pages(
    batchId: BatchId,
    from: number,
    count: number,
    found: (pages: readonly ListedPage[]) => void,
  ): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const rows = this.#disk.rows('page', pageKey(batchId, from), pageKey(batchId, from + count));
      found(
        [...rows].map(([key, value]) => ({
          pageNo: decodePageKey(key).pageNo,
          decisions: decodePage(value),
        })),
      );
    });
  }

  reports(
    from: number,
    to: number,
    found: (reports: readonly ListedReport[], next: number | undefined) => void,
  ): void {
    this.#clock.after(this.#readMs(), EVENT.inputs, () => {
      const rows = this.#disk.rows('report', reportKey(from), reportKey(to + 1));
      const reports = [...rows].map(([key, value]) =>
        listedReport(Number.parseInt(key, 16), value),
      );
      found(reports, undefined);
    });
  }
}
