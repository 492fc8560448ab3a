// Cuts what a source gives into small batches. What is there goes after 20 ms of quiet, and at once when nothing
// is under way, so that one input a second is one batch a second; who is fast gets larger batches, up to 1,024
// inputs. While no batch may begin, what comes gathers; while the window is full, nothing is read.

import {MIB} from '../base/units.ts';
import type {Room, Wake} from './map-room.ts';

/** One input on its way: its bytes, and whatever its source wants back with the result. */
export type MapInput = {readonly bytes: Uint8Array};

export interface MapSource<I extends MapInput> {
  /** 1 to `most` inputs in their order; none = there are no more. One call at a time. */
  take(most: number): Promise<readonly I[]>;
  /** Nothing more is taken; a `take` under way need not end. */
  close(): void;
}

/** Nobody waits for it: an iterator need not end, and what it throws then is no fault of the map. */
export function closeQuietly(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  const close = async (): Promise<void> => void (await iterator.return?.());
  close().catch(() => undefined);
}

const FIRST_INPUTS = 32;
const BATCH_INPUTS_MAX = 1_024;
const BATCH_BYTES_MAX = 8 * MIB;
const QUIET_MS = 20;
/** When nothing is under way: what comes in one breath goes together. */
const IDLE_QUIET_MS = 1;
/** One who is never quiet waits no longer. */
const AGE_MS_MAX = 100;

export type Cut<I> = {
  readonly inputs: readonly I[];
  /** Of all inputs, the number of the first one. */
  readonly first: number;
};

/**
 * @param counts of the first batches, which are cut as an earlier run did; the input may be shorter
 * @param wake called when there is more room, and for `stopped`
 */
export class Cutter<I extends MapInput> {
  readonly #source: MapSource<I>;
  readonly #room: Room;
  readonly #wake: Wake;
  readonly #counts: readonly number[];
  #gathered: I[] = [];
  #bytes = 0;
  #first = 0;
  #batchNo = 0;
  #target: number;
  readonly #most: number;
  #isTaking = false;
  #isOver = false;
  #fault: {readonly error: unknown} | undefined;
  /** Instants of `performance.now()`. */
  #begunAt = 0;
  #cameAt = 0;
  stopped = false;

  constructor(source: MapSource<I>, room: Room, wake: Wake, counts: readonly number[] = []) {
    this.#source = source;
    this.#room = room;
    this.#wake = wake;
    this.#counts = counts;
    // Several fit into a small window, so that one is computed while another is written.
    this.#most = Math.max(1, Math.min(BATCH_INPUTS_MAX, Math.ceil(room.window.ahead / 4)));
    this.#target = Math.min(FIRST_INPUTS, this.#most);
  }

  /** Rejects with what the source threw, after what came before it. */
  async *cuts(): AsyncGenerator<Cut<I>, void, undefined> {
    for (;;) {
      const timer = this.#look();
      const isReady = timer === 'now';
      if (isReady && this.#gathered.length > 0) yield this.#cut();
      else if (isReady || this.stopped) break;
      else await this.#waitFor(timer);
      if (this.stopped) break;
    }
    if (this.#fault && !this.stopped) throw this.#fault.error;
  }

  /** 'now' = the batch may go, or nothing will come; else milliseconds until it may go by its age. */
  #look(): 'now' | number {
    const wanted = this.#counts[this.#batchNo];
    const count = this.#gathered.length;
    if (wanted === undefined) this.#take(this.#most - count);
    else this.#take(wanted - count, Number.POSITIVE_INFINITY);
    if (count === 0) return this.#isOver ? 'now' : Number.POSITIVE_INFINITY;
    if (!this.#room.hasBatch) return Number.POSITIVE_INFINITY;
    if (wanted === undefined) return this.#lookFor(count);
    return count >= wanted || this.#isOver ? 'now' : Number.POSITIVE_INFINITY;
  }

  #lookFor(count: number): 'now' | number {
    const isFull = count >= this.#target || this.#bytes >= BATCH_BYTES_MAX;
    if (isFull || this.#isOver) return 'now';
    const quietMs = this.#room.isIdle ? IDLE_QUIET_MS : QUIET_MS;
    // While the window is full it is not the source that is quiet: single inputs would go as batches of one.
    const quietAt = this.#isTaking ? this.#cameAt + quietMs : Number.POSITIVE_INFINITY;
    const left = Math.min(quietAt, this.#begunAt + AGE_MS_MAX) - performance.now();
    return left <= 0 ? 'now' : left;
  }

  #take(want: number, free = this.#room.free(this.#gathered.length, this.#bytes)): void {
    const most = Math.min(want, free, BATCH_INPUTS_MAX);
    if (this.#isTaking || this.#isOver || most <= 0) return;
    if (this.#bytes >= BATCH_BYTES_MAX && free < Number.POSITIVE_INFINITY) return;
    this.#isTaking = true;
    this.#source.take(most).then(
      inputs => this.#came(inputs),
      (error: unknown) => {
        this.#fault = {error};
        this.#came([]);
      },
    );
  }

  #came(inputs: readonly I[]): void {
    this.#isTaking = false;
    if (inputs.length === 0) this.#isOver = true;
    this.#cameAt = performance.now();
    if (this.#gathered.length === 0) this.#begunAt = this.#cameAt;
    for (const input of inputs) {
      this.#gathered.push(input);
      this.#bytes += input.bytes.length;
    }
    this.#wake.call();
  }

  #cut(): Cut<I> {
    const [inputs, first] = [this.#gathered, this.#first];
    this.#first += inputs.length;
    this.#batchNo += 1;
    this.#gathered = [];
    this.#bytes = 0;
    if (inputs.length >= this.#target) this.#target = Math.min(2 * this.#target, this.#most);
    return {inputs, first};
  }

  async #waitFor(ms: number): Promise<void> {
    const isTimed = Number.isFinite(ms);
    const timer = isTimed ? setTimeout(() => this.#wake.call(), Math.ceil(ms)) : undefined;
    await this.#wake.wait();
    clearTimeout(timer);
  }
}
