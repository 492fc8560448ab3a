// Virtual time: one heap of plain functions in one total order. Every event is mixed into a digest as it
// runs, so that two runs are the same run exactly when their digests are.

import {Heap} from '../base/heap.ts';

type Entry = {readonly kind: EventKind; readonly detail: number; readonly act: () => void};

/** What kinds of events there are; numbers go into the digest. */
export const EVENT = {
  datagram: 1,
  alarm: 2,
  turn: 3,
  disk: 4,
  runner: 5,
  action: 6,
  blob: 7,
  inputs: 8,
  operator: 9,
  fault: 10,
  other: 11,
} as const;
export type EventKind = (typeof EVENT)[keyof typeof EVENT];

const timeWords = new Float64Array(1);
const timeHalves = new Uint32Array(timeWords.buffer);

export class Timeline {
  readonly #heap = new Heap<Entry>();
  #now = 0;
  #count = 0;
  #digestA = 0x243f6a88;
  #digestB = 0x85a308d3;
  /** Called before each event: `--trace`. */
  onEvent: ((kind: EventKind, detail: number) => void) | undefined;

  /** Milliseconds since the start of the world. */
  get now(): number {
    return this.#now;
  }

  /** Events that have run. */
  get count(): number {
    return this.#count;
  }

  get waiting(): number {
    return this.#heap.size;
  }

  /** 16 hex digits over the order, the kinds, the details and the times of all events so far. */
  get digest(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#digestA) + hex(this.#digestB);
  }

  /** @param detail whatever tells this event from another: a node's number, a piece of a datagram */
  after(ms: number, kind: EventKind, detail: number, act: () => void): void {
    this.at(this.#now + Math.max(ms, 0), kind, detail, act);
  }

  at(at: number, kind: EventKind, detail: number, act: () => void): void {
    this.#heap.push(Math.max(at, this.#now), {kind, detail, act});
  }

  /** Runs the next event if it is not later than `until`; false = there is none. */
  step(until: number): boolean {
    const at = this.#heap.peekAt();
    if (at > until) return false;
    const entry = this.#heap.pop();
    if (!entry) return false;
    this.#now = at;
    this.#count += 1;
    this.#mix(at, entry);
    this.onEvent?.(entry.kind, entry.detail);
    entry.act();
    return true;
  }

  #mix(at: number, {kind, detail}: Entry): void {
    timeWords[0] = at;
    const low = timeHalves[0] ?? 0;
    const high = timeHalves[1] ?? 0;
    const a = Math.imul(this.#digestA ^ low ^ kind, 0x9e3779b1);
    const b = Math.imul(this.#digestB ^ high ^ detail, 0x85ebca6b);
    this.#digestA = ((a << 13) | (a >>> 19)) ^ b;
    this.#digestB = ((b << 17) | (b >>> 15)) + this.#digestA;
  }
}
