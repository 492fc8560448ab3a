// Finished results gather here until they fill a datagram or some milliseconds have passed; then they are
// signed once, spooled, and sent. When nothing more is in hand, a result leaves at once.

import {addMono, type BlobId, type MonoMs, NEVER} from '../base/types.ts';
import {RESULTS_BYTES_MAX, resultBytesMax} from '../wire/codec-sizes.ts';
import {RESULTS_PER_REPORT_MAX} from '../wire/limits.ts';
import type {ResultItem} from '../wire/message.ts';

/** One signature and one synced write for all results of this time, while more of them are to come. */
const GATHER_MS = 12;
/** Full reports that do not wait for that time: they share one synced write. */
const TOGETHER = 3;

export class Reporter {
  #items: ResultItem[] = [];
  /** Upper bound of what the items take in a report. */
  #bytes = 0;
  /** When the oldest one came. */
  #since: MonoMs = NEVER;

  get size(): number {
    return this.#items.length;
  }

  add(item: ResultItem, now: MonoMs): void {
    if (this.#items.length === 0) this.#since = now;
    this.#items.push(item);
    this.#bytes += resultBytesMax(item);
  }

  /** Whether a result that is not reported yet has this output. */
  names(blobId: BlobId): boolean {
    return this.#items.some(
      item =>
        item.status === 'done' && item.output.kind === 'blob' && item.output.blobId === blobId,
    );
  }

  /** Drops what has not been reported yet and matches. */
  drop(unwanted: (item: ResultItem) => boolean): void {
    this.#items = this.#items.filter(item => !unwanted(item));
    this.#bytes = this.#items.reduce((sum, item) => sum + resultBytesMax(item), 0);
  }

  /**
   * Lists for reports to make now, each within one datagram.
   * @param isLast nothing more is in hand: what is there need not wait
   */
  take(now: MonoMs, isLast: boolean): ResultItem[][] {
    const lists: ResultItem[][] = [];
    if (this.#items.length === 0) return lists;
    const due = isLast || now >= this.#since + GATHER_MS;
    const full =
      this.#items.length >= TOGETHER * RESULTS_PER_REPORT_MAX ||
      this.#bytes > TOGETHER * RESULTS_BYTES_MAX;
    if (!due && !full) return lists;
    let list: ResultItem[] = [];
    let bytes = 0;
    let at = 0;
    for (const item of this.#items) {
      const size = resultBytesMax(item);
      if (list.length === RESULTS_PER_REPORT_MAX || bytes + size > RESULTS_BYTES_MAX) {
        lists.push(list);
        at += list.length;
        list = [];
        bytes = 0;
      }
      list.push(item);
      bytes += size;
    }
    if (due) {
      lists.push(list);
      at += list.length;
    }
    if (at > 0) {
      this.#items = this.#items.slice(at);
      this.#bytes = this.#items.reduce((sum, item) => sum + resultBytesMax(item), 0);
      this.#since = now;
    }
    return lists;
  }

  wakeAt(): MonoMs {
    return this.#items.length === 0 ? NEVER : addMono(this.#since, GATHER_MS);
  }
}
