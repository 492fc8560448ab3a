// Results of a batch as they become durable, to its end: in the order of their indexes, each sent once all
// before it are decided, or as they are decided.
//
//   announcement of the batch ─▶ one pass over the pages that may hold something new ─▶ wait for the next one
//
// Nothing is asked again and again: a pass begins when the master announces the batch. By index it reads the
// page where it stopped and what follows. As they are decided it has to look at all pages behind the first gap,
// so a straggler makes passes longer; they are held to a tenth of the time, which makes them rarer instead.
//
// A result that is checked again is not sent until it is decided; one that was sent is not sent twice.

import {once} from 'node:events';
import {setTimeout as sleep} from 'node:timers/promises';
import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {PAGE_WORKUNITS, pageNoOf} from '../core/tables.ts';
import type {ResultView} from '../core/views.ts';
import type {MasterHandle} from './handle.ts';
import {type ResultQuery, readResults} from './results.ts';

export type FollowOrder = 'index' | 'arrival';
export const FOLLOW_ORDERS: readonly FollowOrder[] = ['index', 'arrival'];

/** After a pass, so many times as long as it took. */
const REST = 9;
const REST_MS_MAX = SECOND_MS;

type Source = Pick<MasterHandle, 'read' | 'scan' | 'batch' | 'watch'>;
type Asked = Omit<ResultQuery, 'running' | 'skip'>;

/**
 * 'pause' = nothing more for now: what was put together may go. Ends with the batch, or with `signal`. Throws
 * VOLLEY_UNKNOWN_BATCH when it is deleted.
 */
export async function* followResults(
  handle: Source,
  batchId: BatchId,
  asked: Asked,
  order: FollowOrder,
  signal: AbortSignal,
): AsyncGenerator<ResultView | 'pause', void, undefined> {
  const bell = new Bell(handle, batchId);
  const sent = order === 'index' ? new SentInOrder(asked.from) : new SentAsDecided(asked.from);
  try {
    while (!signal.aborted) {
      bell.rung = false;
      // Before the pass: what was decided when it ended is on disk when this says so.
      const batch = handle.batch(batchId);
      if (!batch) throw new VolleyError('VOLLEY_UNKNOWN_BATCH', {batch: batchId});
      const running = batch.state === 'running';
      const spentMs = yield* pass(handle, batchId, {...asked, running}, sent);
      if (!running) return;
      yield 'pause';
      await sleep(Math.min(REST * spentMs, REST_MS_MAX), undefined, {signal});
      await bell.ring(signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    bell.close();
  }
}

/** Answers how long the reading took; what the other end takes to hear it does not count. */
async function* pass(
  handle: Source,
  batchId: BatchId,
  asked: Omit<ResultQuery, 'skip'>,
  sent: SentInOrder | SentAsDecided,
): AsyncGenerator<ResultView, number, undefined> {
  const {running, state} = asked;
  const query = {...asked, from: sent.from, state: undefined, skip: sent.skip};
  const rows = readResults(handle, batchId, query);
  let spentMs = 0;
  try {
    for (;;) {
      const since = performance.now();
      const {done, value} = await rows.next();
      spentMs += performance.now() - since;
      if (done || !sent.mayGo(value, running)) return spentMs;
      if (value.state === 'rechecking') continue;
      sent.add(value.index);
      if (state === undefined || state === value.state) yield value;
    }
  } finally {
    await rows.return();
  }
}

/** By index: a gap ends the pass while it may still be filled. */
class SentInOrder {
  from: number;
  readonly skip = undefined;

  constructor(from: number) {
    this.from = from;
  }

  mayGo({index, state}: ResultView, running: boolean): boolean {
    return !running || (index === this.from && state !== 'rechecking');
  }

  add(index: number): void {
    this.from = index + 1;
  }
}

/** As they are decided: which ones went, behind the first page that is not whole. */
class SentAsDecided {
  /** The first workunit that a pass has to look at. */
  from: number;
  /** Flags of one page; `true` = all of it. */
  readonly #pages = new Map<number, {readonly flags: Uint8Array; count: number} | true>();

  constructor(from: number) {
    this.from = from;
  }

  readonly skip = (index: number): boolean => {
    if (index < this.from) return true; // it became whole in this very pass
    const page = this.#pages.get(pageNoOf(index));
    return page === true || page?.flags[index % PAGE_WORKUNITS] === 1;
  };

  mayGo(): boolean {
    return true;
  }

  add(index: number): void {
    const no = pageNoOf(index);
    const page = this.#pages.get(no) ?? {flags: new Uint8Array(PAGE_WORKUNITS), count: 0};
    if (page === true) return;
    page.flags[index % PAGE_WORKUNITS] = 1;
    page.count += 1;
    const first = Math.max(0, this.from - no * PAGE_WORKUNITS);
    this.#pages.set(no, page.count === PAGE_WORKUNITS - first ? true : page);
    for (let at = pageNoOf(this.from); this.#pages.get(at) === true; at++) {
      this.#pages.delete(at);
      this.from = (at + 1) * PAGE_WORKUNITS;
    }
  }
}

/** Rings when the master announces the batch. */
class Bell {
  rung = false;
  readonly #tower = new EventTarget();
  readonly #unwatch: () => void;

  constructor(handle: Source, batchId: BatchId) {
    this.#unwatch = handle.watch(about => {
      if (about.kind !== 'batch' || about.batchId !== batchId) return;
      this.rung = true;
      this.#tower.dispatchEvent(new Event('ring'));
    });
  }

  /** At once when it rang since it was last set back. Rejects with `signal`. */
  async ring(signal: AbortSignal): Promise<void> {
    if (!this.rung) await once(this.#tower, 'ring', {signal});
  }

  close(): void {
    this.#unwatch();
  }
}
