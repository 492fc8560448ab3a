// One batch of a program: its end, its results, its view.

import {fromUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {batchStates} from './batch-states.ts';
import {finalStage} from './final-stage.ts';
import {loadAhead} from './map-flow.ts';
import {outputBytes} from './map-port.ts';

/** The output of one workunit. */
export class Output {
  /** As the app wrote it. */
  readonly output: Uint8Array;
  readonly state = 'done';
  /** Its place among the inputs: 0, 1, 2 … */
  readonly index: number;

  constructor(index: number, output: Uint8Array) {
    this.index = index;
    this.output = output;
  }

  /** The output as text. Throws VOLLEY_BAD_INPUT when it is not UTF-8. */
  text(): string {
    const text = fromUtf8(this.output);
    if (text === undefined) throw notThat(this.index, 'UTF-8');
    return text;
  }

  /** The output as JSON. Throws VOLLEY_BAD_INPUT when it is none. */
  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch (error) {
      throw notThat(this.index, 'JSON', error);
    }
  }
}

const notThat = (index: number, what: string, cause?: unknown): VolleyError =>
  new VolleyError('VOLLEY_BAD_INPUT', {reason: `output ${index} is not ${what}`}, cause);

/** A workunit without a result. */
export type Failure = {
  readonly state: 'failed';
  /** Its place among the inputs: 0, 1, 2 … */
  readonly index: number;
  readonly reason: string;
};

/** A batch that was submitted. It runs at the cluster whether it is watched or not. */
export class SubmittedBatch {
  /** Its number; `volley batch show <id>` shows it too. */
  readonly id: number;
  readonly #batchId: BatchId;
  readonly #client: OperatorClient;

  constructor(client: OperatorClient, batchId: BatchId) {
    this.#client = client;
    this.#batchId = batchId;
    this.id = batchId;
  }

  /** How it stands now. */
  view(): Promise<BatchView> {
    return this.#client.batch(this.#batchId);
  }

  /**
   * Resolves when it is done; a master that restarts is waited for.
   * @throws VOLLEY_BATCH_FAILED when it ended otherwise; its results are there nevertheless
   */
  async done(): Promise<BatchView> {
    let last: BatchView | undefined;
    for await (const view of batchStates(this.#client, this.#batchId)) last = view;
    if (last?.state === 'done') return last;
    const {state = 'unknown', reason = '', failed = 0} = last ?? {};
    const why = reason === '' ? `${failed} workunits failed` : reason;
    throw new VolleyError('VOLLEY_BATCH_FAILED', {batch: this.id, state, reason: why});
  }

  /**
   * Results in the order of the inputs, each when all before it are decided; ends with the batch. Of a batch with
   * several stages those of the last one, once it is done.
   * @throws VOLLEY_BATCH_FAILED when a stage failed
   */
  async *results(signal?: AbortSignal): AsyncGenerator<Output | Failure, void, undefined> {
    const {plan} = await this.view();
    const last = plan ? await finalStage(this.#client, await this.done()) : undefined;
    const views = this.#client.results(last?.id ?? this.#batchId, {follow: 'index'}, signal);
    const load = (view: Parameters<typeof outputBytes>[1]) =>
      outputBytes(this.#client, view, signal);
    try {
      for await (const [{index, state, reason = ''}, output] of loadAhead(views, load)) {
        signal?.throwIfAborted(); // what is there already is not given any more
        if (state === 'failed') yield {state, index, reason};
        else if (state === 'done') yield new Output(index, output);
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  }

  /** Ends it; the results it has stay. */
  cancel(): Promise<BatchView> {
    return this.#client.cancel(this.#batchId);
  }
}
