// Values on their way from one part of a map to the next: a channel that is full makes who puts wait, and outputs
// that are files are fetched a few ahead of whoever takes them.

import {MIB} from '../base/units.ts';
import type {ResultView} from '../core/views.ts';
import {closeQuietly} from './map-cut.ts';
import {Wake} from './map-room.ts';

type Limits = {readonly count: number; readonly bytes: number};

/** Many put, one takes. */
export class Channel<T> implements AsyncIterable<T> {
  readonly #limits: Limits;
  #values: {readonly value: T; readonly bytes: number}[] = [];
  #next = 0;
  #bytes = 0;
  #end: {readonly error?: unknown} | undefined;
  #fault: {readonly error: unknown} | undefined;
  readonly #taker = new Wake();
  #putters: (() => void)[] = [];

  /** More than these are not held, but for the last one put. */
  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Resolves when there is room for more; after a fault at once. */
  async put(value: T, bytes: number): Promise<void> {
    this.#values.push({value, bytes});
    this.#bytes += bytes;
    this.#taker.call();
    while (this.#isFull && !this.#fault)
      await new Promise<void>(resolve => this.#putters.push(resolve));
  }

  get #isFull(): boolean {
    const {count, bytes} = this.#limits;
    return this.#values.length - this.#next >= count || this.#bytes >= bytes;
  }

  /** What was put is still given; then it ends, with the error of `fault`, which may be any value. */
  end(fault: {readonly error?: unknown} = {}): void {
    this.#end ??= fault;
    this.#taker.call();
  }

  /** Nothing more is given. */
  fail(error: unknown): void {
    this.#fault ??= {error};
    this.#taker.call();
    this.#free();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      if (this.#fault) throw this.#fault.error;
      const first = this.#values[this.#next];
      if (first) {
        this.#drop(first.bytes);
        yield first.value;
      } else if (this.#end) {
        if ('error' in this.#end) throw this.#end.error;
        return;
      } else await this.#taker.wait();
    }
  }

  #drop(bytes: number): void {
    this.#next += 1;
    this.#bytes -= bytes;
    if (this.#next > 256 || this.#next === this.#values.length) {
      this.#values = this.#values.slice(this.#next);
      this.#next = 0;
    }
    if (!this.#isFull) this.#free();
  }

  #free(): void {
    const putters = this.#putters;
    this.#putters = [];
    for (const resolve of putters) resolve();
  }
}

const AHEAD = {count: 8, bytes: 32 * MIB};

/**
 * Results with their outputs, in the order in which they come. Outputs that are files are fetched a few at a time,
 * as long as the next results are there already; nothing waits for a result that is not.
 */
export async function* loadAhead(
  views: AsyncIterable<ResultView>,
  load: (view: ResultView) => Promise<Uint8Array>,
): AsyncGenerator<readonly [ResultView, Uint8Array], void, undefined> {
  type Loading = {readonly view: ResultView; readonly output: Promise<Uint8Array>};
  const loading = new Channel<Loading>(AHEAD);
  const iterator = views[Symbol.asyncIterator]();
  let isOver = false;
  const read = async (): Promise<void> => {
    for (;;) {
      const {done, value: view} = await iterator.next();
      if (done || isOver) return;
      const output = load(view);
      output.catch(() => undefined); // whoever takes it hears of it
      await loading.put({view, output}, view.size);
    }
  };
  read().then(
    () => loading.end(),
    (error: unknown) => loading.end({error}),
  );
  try {
    for await (const {view, output} of loading) yield [view, await output];
  } finally {
    isOver = true;
    loading.fail(new Error('nobody takes them any more'));
    closeQuietly(iterator);
  }
}
