// Pages and reports as they are on disk, for a core that retries or deletes a batch: read in the background,
// a bounded part at a time.

import type {BatchId} from '../base/types.ts';
import {type ListedPage, type ListedReport, listedReport} from '../core/lookups.ts';
import {decodePage, decodePageKey, pageKey, reportKey} from '../core/tables.ts';
import type {Shelf} from '../runtime/ports.ts';
import type {Rows} from './singles.ts';

/** Reports told at once: a commit deletes as many. */
export const REPORTS_PER_PART = 256;

export class StoredShelf implements Shelf {
  readonly #rows: Rows;
  readonly #fatal: (error: unknown) => void;
  #closed = false;

  constructor(rows: Rows, fatal: (error: unknown) => void) {
    this.#rows = rows;
    this.#fatal = fatal;
  }

  /** What is being read is given up; the next start of the master begins anew. */
  close(): void {
    this.#closed = true;
  }

  pages(
    batchId: BatchId,
    from: number,
    count: number,
    found: (pages: readonly ListedPage[]) => void,
  ): void {
    this.#tell(async () => {
      const pages: ListedPage[] = [];
      const rows = this.#rows.scan('page', pageKey(batchId, from), pageKey(batchId, from + count));
      for await (const [key, value] of rows) {
        const {pageNo} = decodePageKey(key);
        pages.push({pageNo, decisions: decodePage(value)});
      }
      return () => found(pages);
    });
  }

  reports(
    from: number,
    to: number,
    found: (reports: readonly ListedReport[], next: number | undefined) => void,
  ): void {
    this.#tell(async () => {
      const reports: ListedReport[] = [];
      for await (const [key, value] of this.#rows.scan(
        'report',
        reportKey(from),
        reportKey(to + 1),
      )) {
        const reportNo = Number.parseInt(key, 16);
        if (reports.length === REPORTS_PER_PART) return () => found(reports, reportNo);
        reports.push(listedReport(reportNo, value));
      }
      return () => found(reports, undefined);
    });
  }

  #tell(read: () => Promise<() => void>): void {
    read().then(
      tell => this.#closed || tell(),
      (error: unknown) => this.#closed || this.#fatal(error),
    );
  }
}
