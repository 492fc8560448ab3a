// A master for the engine of maps: batches in memory, whose workunits a test decides in what order it likes.

import {toUtf8} from '../../src/base/bytes.ts';
import {VolleyError} from '../../src/base/errors.ts';
import {asBatchId, type BatchId} from '../../src/base/types.ts';
import type {BatchView, ResultView} from '../../src/core/views.ts';
import type {FollowOrder} from '../../src/http/follow.ts';
import type {MapPort} from '../../src/library/map.ts';
import type {MapInput, MapSource} from '../../src/library/map-cut.ts';
import {batchView} from '../http/rig.ts';

type Held = {
  readonly inputs: readonly MapInput[];
  readonly decided: Map<number, ResultView>;
  state: BatchView['state'];
  wake: (() => void)[];
};

export class FakeMaster implements MapPort {
  readonly batches = new Map<BatchId, Held>();
  readonly cancelled: BatchId[] = [];
  /** Streams open now, and the most at once. */
  streams = 0;
  streamsMax = 0;
  /** What a workunit answers as soon as it is submitted; undefined = a test decides. */
  answer: ((input: string) => string | undefined) | undefined;

  submit(inputs: readonly MapInput[]): BatchId {
    const id = asBatchId(this.batches.size + 1);
    this.batches.set(id, {inputs, decided: new Map(), state: 'running', wake: []});
    inputs.forEach(({bytes}, index) => {
      const output = this.answer?.(textOf(bytes));
      if (output !== undefined) this.decide(id, index, output);
    });
    return id;
  }

  decide(batch: number, index: number, output: string | {readonly reason: string}): void {
    const id = asBatchId(batch);
    const held = this.#held(id);
    const head = {batch: id, index};
    const isDone = typeof output === 'string';
    held.decided.set(
      index,
      isDone
        ? {...head, state: 'done', text: output, size: output.length}
        : {...head, state: 'failed', reason: output.reason, size: 0},
    );
    if (held.decided.size === held.inputs.length) held.state = 'done';
    ring(held);
  }

  end(batch: number, state: 'failed' | 'cancelled'): void {
    const held = this.#held(asBatchId(batch));
    held.state = state;
    ring(held);
  }

  async *results(
    batchId: BatchId,
    follow: FollowOrder,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<ResultView, void, undefined> {
    const held = this.#held(batchId);
    const sent = new Set<number>();
    this.streams += 1;
    this.streamsMax = Math.max(this.streamsMax, this.streams);
    signal.addEventListener('abort', () => ring(held));
    try {
      for (;;) {
        signal.throwIfAborted();
        const before = held.state;
        for (const view of ready(held, follow, from, sent)) {
          sent.add(view.index);
          yield view;
        }
        if (before !== 'running') return;
        if (held.state === 'running') await new Promise<void>(wake => held.wake.push(wake));
      }
    } finally {
      this.streams -= 1;
    }
  }

  async output(view: ResultView): Promise<Uint8Array> {
    return toUtf8(view.text ?? '');
  }

  async batch(batchId: BatchId): Promise<BatchView> {
    const {state} = this.#held(batchId);
    return batchView(batchId, {state, reason: ''});
  }

  async cancel(batchId: BatchId): Promise<void> {
    this.cancelled.push(batchId);
  }

  #held(id: BatchId): Held {
    const held = this.batches.get(id);
    if (!held) throw new VolleyError('VOLLEY_UNKNOWN_BATCH', {batch: id});
    return held;
  }
}

function ready(held: Held, follow: FollowOrder, from: number, sent: Set<number>): ResultView[] {
  const fresh = [...held.decided.values()].filter(({index}) => index >= from && !sent.has(index));
  if (follow === 'arrival') return fresh;
  const sorted = fresh.sort((a, b) => a.index - b.index);
  if (held.state !== 'running') return sorted;
  let next = from + sent.size;
  return sorted.filter(({index}) => index === next && ++next > 0);
}

function ring(held: Held): void {
  const waiting = held.wake;
  held.wake = [];
  for (const wake of waiting) wake();
}

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export type TestInput = MapInput & {readonly text: string};

/** Gives what a test pushes; counts what was taken. */
export class FakeSource implements MapSource<TestInput> {
  readonly #waiting: TestInput[] = [];
  #isOver = false;
  #fault: unknown;
  #wake: (() => void) | undefined;
  taken = 0;
  closed = false;

  push(...texts: string[]): this {
    for (const text of texts) this.#waiting.push({text, bytes: toUtf8(text)});
    this.#wake?.();
    return this;
  }

  end(fault?: unknown): this {
    this.#isOver = true;
    this.#fault = fault;
    this.#wake?.();
    return this;
  }

  async take(most: number): Promise<readonly TestInput[]> {
    while (this.#waiting.length === 0 && !this.#isOver)
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    const some = this.#waiting.splice(0, most);
    this.taken += some.length;
    if (some.length === 0 && this.#fault !== undefined) throw this.#fault;
    return some;
  }

  close(): void {
    this.closed = true;
  }
}
