// The engine of `volley map` and of the library: inputs in, results out, with a bounded number under way.
//
//   source ─▶ Cutter ─▶ launch ─▶ batches under way ─▶ results as they are durable ─▶ who takes them
//                ▲                                                                        │
//                └──────────────── Room: inputs read and not taken ◀──────────────────────┘
//
// In order the first batch is followed alone: one connection, whatever is under way. Unordered all are. Whoever
// stops (a fault, a signal, a reader that goes) stops what is under way: it is cancelled.

import {setMaxListeners} from 'node:events';
import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {MIB, SECOND_MS} from '../base/units.ts';
import type {BatchView, ResultView} from '../core/views.ts';
import type {FollowOrder} from '../http/follow.ts';
import {type Cut, Cutter, type MapInput, type MapSource} from './map-cut.ts';
import {Channel, loadAhead} from './map-flow.ts';
import {Room, Wake, within} from './map-room.ts';

/** What the engine asks of a master. */
export interface MapPort {
  /** To the end of the batch. */
  results(
    batchId: BatchId,
    follow: FollowOrder,
    from: number,
    signal: AbortSignal,
  ): AsyncIterable<ResultView>;
  output(view: ResultView, signal: AbortSignal): Promise<Uint8Array>;
  batch(batchId: BatchId): Promise<BatchView>;
  /** Ends a batch of which nothing is wanted any more. */
  cancel(batchId: BatchId): Promise<void>;
}

/** A batch under way. `isTaken`: which results an earlier run has taken. */
export type Launched = {
  readonly batchId: BatchId;
  readonly isTaken?: ((index: number) => boolean) | undefined;
};

export type Batch<I> = Cut<I> & {
  /** 0, 1, 2 … */
  readonly no: number;
  readonly batchId: BatchId;
};

export type Mapped<I> = {
  readonly batch: Batch<I>;
  /** In its batch. */
  readonly index: number;
  readonly input: I;
} & (
  | {readonly state: 'done'; readonly output: Uint8Array}
  | {readonly state: 'failed'; readonly reason: string}
);

export type MapOptions<I extends MapInput> = {
  readonly port: MapPort;
  readonly source: MapSource<I>;
  readonly ordered: boolean;
  /** Inputs read whose results were not taken. */
  readonly ahead: number;
  readonly signal?: AbortSignal | undefined;
  /** Begins the batch; undefined = an earlier run has taken all of its results. One at a time, in their order. */
  readonly launch: (cut: Cut<I>, no: number) => Promise<Launched | undefined>;
  /** How an earlier run cut its batches. */
  readonly counts?: readonly number[] | undefined;
  /** All results of the batch were taken: whoever takes asked for the one after. */
  readonly onTaken?: (batch: Batch<I>) => void;
};

const INPUT_BYTES_MAX = 64 * MIB;
const BATCHES_MAX = 16;
/** Each has a connection that follows it. */
const UNORDERED_BATCHES_MAX = 8;
const CHANNEL = {count: 64, bytes: 64 * MIB};
/** A master that does not answer when all is over is not waited for longer. */
const CANCEL_MS_MAX = 5 * SECOND_MS;

type Under<I> = Batch<I> & {
  readonly isTaken: (index: number) => boolean;
  /** Results that were not taken. */
  left: number;
  /** Its stream has ended. */
  isRead: boolean;
};

/** Throws what the source, the master or `signal` said; what came before a fault of the source is given first. */
export async function* mapInputs<I extends MapInput>(
  options: MapOptions<I>,
): AsyncGenerator<Mapped<I>, void, undefined> {
  const run = new MapRun(options);
  try {
    for await (const mapped of options.ordered ? run.inOrder() : run.asDecided()) {
      options.signal?.throwIfAborted(); // what is there already is not given any more
      yield mapped;
    }
  } finally {
    await run.close();
  }
}

class MapRun<I extends MapInput> {
  readonly #options: MapOptions<I>;
  readonly #room: Room;
  readonly #cutter: Cutter<I>;
  readonly #cutterWake = new Wake();
  readonly #stop = new AbortController();
  readonly #launched: Channel<Under<I>>;
  /** Launched, and not all taken. */
  readonly #underWay = new Set<Under<I>>();
  readonly #launching: Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(options: MapOptions<I>) {
    const {source, ahead, ordered, counts, signal} = options;
    this.#options = options;
    setMaxListeners(0, this.#stop.signal); // one for each stream and output under way
    const batches = ordered ? BATCHES_MAX : UNORDERED_BATCHES_MAX;
    const wake = this.#cutterWake;
    this.#room = new Room({ahead, bytes: INPUT_BYTES_MAX, batches}, () => wake.call());
    this.#cutter = new Cutter(source, this.#room, wake, counts);
    this.#launched = new Channel({count: Number.POSITIVE_INFINITY, bytes: 1});
    signal?.addEventListener('abort', this.#onAbort, {once: true});
    this.#launching = this.#launchAll();
    if (signal?.aborted) this.#onAbort();
  }

  /** Also when nobody takes anything at the moment. */
  readonly #onAbort = (): void => {
    const reason: unknown = this.#options.signal?.reason;
    this.#stop.abort(reason);
    this.#launched.fail(reason);
    void this.close();
  };

  async #launchAll(): Promise<void> {
    let no = 0;
    try {
      for await (const cut of this.#cutter.cuts()) {
        this.#room.begin();
        for (const {bytes} of cut.inputs) this.#room.enter(bytes.length);
        const launched = await this.#options.launch(cut, no);
        this.#add(cut, no, launched);
        no += 1;
      }
      this.#launched.end();
    } catch (error) {
      this.#launched.end({error});
    }
  }

  #add(cut: Cut<I>, no: number, launched: Launched | undefined): void {
    const isTaken = launched ? (launched.isTaken ?? (() => false)) : () => true;
    let left = 0;
    cut.inputs.forEach(({bytes}, index) => {
      if (isTaken(index)) this.#room.leave(bytes.length);
      else left += 1;
    });
    if (!launched) return this.#room.end();
    const under = {...cut, no, batchId: launched.batchId, isTaken, left, isRead: false};
    this.#underWay.add(under);
    void this.#launched.put(under, 0);
  }

  async *inOrder(): AsyncGenerator<Mapped<I>, void, undefined> {
    for await (const batch of this.#launched) {
      for await (const mapped of this.#resultsOf(batch, 'index')) {
        yield mapped;
        this.#taken(batch, mapped);
      }
      batch.isRead = true;
      this.#ended(batch);
    }
  }

  async *asDecided(): AsyncGenerator<Mapped<I>, void, undefined> {
    const results = new Channel<Mapped<I> & {readonly under: Under<I>}>(CHANNEL);
    this.#stop.signal.addEventListener('abort', () => results.fail(this.#stop.signal.reason));
    if (this.#stop.signal.aborted) results.fail(this.#stop.signal.reason);
    const readers: Promise<void>[] = [];
    const all = async (): Promise<void> => {
      let fault: {readonly error: unknown} | undefined;
      try {
        for await (const batch of this.#launched) readers.push(this.#readInto(results, batch));
      } catch (error) {
        fault = {error};
      }
      await Promise.all(readers);
      results.end(fault);
    };
    all().catch((error: unknown) => results.fail(error));
    for await (const {under, ...mapped} of results) {
      yield mapped;
      this.#taken(under, mapped);
      this.#ended(under);
    }
  }

  async #readInto(
    results: Channel<Mapped<I> & {readonly under: Under<I>}>,
    under: Under<I>,
  ): Promise<void> {
    try {
      for await (const mapped of this.#resultsOf(under, 'arrival'))
        await results.put({...mapped, under}, mapped.state === 'done' ? mapped.output.length : 0);
      under.isRead = true;
      this.#ended(under);
    } catch (error) {
      results.fail(error);
    }
  }

  /** Throws when the batch ends without all of them. */
  async *#resultsOf(
    batch: Under<I>,
    follow: FollowOrder,
  ): AsyncGenerator<Mapped<I>, void, undefined> {
    const {port} = this.#options;
    const {signal} = this.#stop;
    const from = batch.inputs.findIndex((_, index) => !batch.isTaken(index));
    let left = batch.left;
    if (from < 0) return;
    try {
      const views = this.#wanted(port.results(batch.batchId, follow, from, signal), batch);
      const load = (view: ResultView) => port.output(view, signal);
      for await (const [view, output] of loadAhead(views, load)) {
        left -= 1;
        yield mappedOf(batch, view, output);
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
    if (left > 0) throw await this.#endedEarly(batch);
  }

  async *#wanted(views: AsyncIterable<ResultView>, batch: Under<I>): AsyncGenerator<ResultView> {
    for await (const view of views)
      if (!batch.isTaken(view.index) && view.state !== 'rechecking') yield view;
  }

  #taken(batch: Under<I>, {input}: Mapped<I>): void {
    batch.left -= 1;
    this.#room.leave(input.bytes.length);
  }

  /** Not before its stream is: whoever is told so may delete it. */
  #ended(batch: Under<I>): void {
    if (batch.left > 0 || !batch.isRead || !this.#underWay.delete(batch)) return;
    this.#room.end();
    this.#options.onTaken?.(batch);
  }

  async #endedEarly({batchId}: Under<I>): Promise<VolleyError> {
    const {state, reason} = await this.#options.port.batch(batchId);
    const why = reason === '' ? 'somebody ended it' : reason;
    return new VolleyError('VOLLEY_BATCH_FAILED', {batch: batchId, state, reason: why});
  }

  /** Ends whatever is under way. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#cutter.stopped = true;
    this.#cutterWake.call();
    this.#options.source.close();
    this.#stop.abort(new Error('nobody takes results any more'));
    const ending = this.#launching.then(() =>
      Promise.allSettled(
        [...this.#underWay].map(({batchId}) => this.#options.port.cancel(batchId)),
      ),
    );
    await within(ending, CANCEL_MS_MAX);
  }
}

function mappedOf<I>(batch: Batch<I>, view: ResultView, output: Uint8Array): Mapped<I> {
  const {index, state} = view;
  const head = {batch, index, input: batch.inputs[index] as I};
  return state === 'failed'
    ? {...head, state, reason: view.reason ?? ''}
    : {...head, state: 'done', output};
}
