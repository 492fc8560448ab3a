/**
 * Volley as a library: a room of small computers as one function of a program.
 *
 * ```ts
 * import {connect} from 'volley';
 *
 * const cluster = await connect();
 * for await (const result of cluster.map('wordcount', ['one two', 'three']))
 *   console.log(result.index, result.text());
 * await cluster.close();
 * ```
 *
 * What the cluster refuses is thrown as a {@link VolleyError} with a `code` that never changes.
 */

import {randomBytes} from 'node:crypto';
import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {NodeId} from '../base/types.ts';
import type {CaptureRequest, CaptureStep} from '../core/operator-request.ts';
import type {BatchTarget} from '../core/operator-rows.ts';
import type {PolicyRequest} from '../core/policy.ts';
import type {StagesRequest} from '../core/stages.ts';
import type {BatchView, CaptureView, NodeView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {type Failure, Output, SubmittedBatch} from './batch.ts';
import {followCapture} from './capture-states.ts';
import {checkCapture, checkConnect, checkMap, checkSubmit} from './checked-arguments.ts';
import {type Mapped, mapInputs} from './map.ts';
import {type BatchOptions, ClientPort, storeInputs} from './map-port.ts';
import {Removals} from './map-removal.ts';
import {type ConnectOptions, openOperatorClient} from './open-client.ts';
import {type Value, ValueSource} from './value-source.ts';

export type {ErrorCode} from '../base/errors.ts';
// biome-ignore lint/performance/noBarrelFile: package.json names this one file, and who catches errors needs their class
export {VolleyError} from '../base/errors.ts';
export type {
  BatchTarget,
  BatchView,
  CaptureView,
  ConnectOptions,
  Failure,
  NodeView,
  Output,
  PolicyRequest,
  SubmittedBatch,
};

/** An input: text and bytes are what the app reads; anything else is given to it as JSON. */
export type Input = string | Uint8Array | number | boolean | null | object;

export type MapOptions = {
  /** Cancels what is under way; whoever waits hears `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** false = results as they are decided. Default: in the order of the inputs. */
  readonly ordered?: boolean;
  /** Arguments for the app. */
  readonly args?: readonly string[];
  /** Which nodes may compute. Default: all. */
  readonly target?: BatchTarget;
  /** 'yield' = a workunit without a result is a {@link Failure}. Default: it is thrown. */
  readonly onFailure?: 'throw' | 'yield';
  /** Inputs that are read before their results are taken, at most. Default 4,096. */
  readonly ahead?: number;
};

/** The output for one input of `map`. */
export class MapOutput<V> extends Output {
  /** As it was given. */
  readonly input: V;

  constructor(index: number, output: Uint8Array, input: V) {
    super(index, output);
    this.input = input;
  }
}

/** An input of `map` without an output. */
export type MapFailure<V> = Failure & {readonly input: V};

export type SubmitOptions = {
  /** Of the batch. Default: the app. */
  readonly name?: string;
  /** How often each input is computed, for how long, how results are compared. */
  readonly policy?: PolicyRequest;
  readonly args?: readonly string[];
  readonly target?: BatchTarget;
  /** Refuse it when there are too few nodes; else it waits for them. */
  readonly strict?: boolean;
  /** What follows: an app that reduces all outputs to one, rounds. */
  readonly stages?: StagesRequest;
  /** What every workunit may read beside its input (file descriptor 4). */
  readonly shared?: string | Uint8Array;
};

/** Inputs that are pieces of a range of numbers: `start end`, the end excluded. */
export type Range = {readonly start: number; readonly end: number; readonly chunk: number};

export type CaptureStepOptions = {
  /** After the first step. Default 0. */
  readonly atMs?: number;
  readonly action: string;
  readonly args?: readonly string[];
  /** Default: that of the capture. */
  readonly target?: {readonly labels?: readonly string[]; readonly nodes?: readonly string[]};
};

export type CaptureOptions = {
  /** What the nodes do: `testcard`, `camera`, or an action of theirs; absent where there are steps. */
  readonly action?: string;
  readonly args?: readonly string[];
  /** Several actions in place of one: light on, picture, light off. */
  readonly steps?: readonly CaptureStepOptions[];
  /** Who fires. Default: all that are up. */
  readonly target?: {readonly labels?: readonly string[]; readonly nodes?: readonly string[]};
  /** From now to the first shot; 0 = fire on hearing. Default: what delivery needs now, by a roll call. */
  readonly leadMs?: number;
  /** All of them, also those of bursts; of steps how often the row of them is fired. Default 1. */
  readonly shots?: number;
  /** Between shots, or between the first shots of bursts. Default 1,000. */
  readonly intervalMs?: number;
  /** Shots of a burst, and between them. Default: no bursts. */
  readonly burst?: number;
  readonly burstMs?: number;
  /** `all`, `95%` or `12` nodes have to be ready, or nothing fires: `refused` of the view says why. */
  readonly needs?: string;
  /** One node after the other, so far apart, by label and name. Default: all at once. */
  readonly sweepMs?: number;
  /** Who knows the time no better than this is not ready and does not fire. Default 250. */
  readonly toleranceMs?: number;
  /** Cancels it: what has not fired by then does not, and the view says so. */
  readonly signal?: AbortSignal;
};

const AHEAD = 4_096;
const AHEAD_MAX = 1_048_576;
const INTERVAL_MS = 1_000;

/**
 * Finds the master and checks that it answers.
 * @throws VOLLEY_MASTER_UNREACHABLE, VOLLEY_UNAUTHORIZED, or VOLLEY_NOT_INITIALIZED where there is no folder
 */
export async function connect(options: ConnectOptions = {}): Promise<Cluster> {
  checkConnect(options);
  const client = openOperatorClient(options);
  try {
    await client.status();
  } catch (error) {
    client.close();
    throw error;
  }
  return new Cluster(client);
}

/** A cluster, by its master. Use {@link connect}. */
export class Cluster {
  readonly #client: OperatorClient;

  constructor(client: OperatorClient) {
    this.#client = client;
  }

  /**
   * Computes each input on the cluster; results come as they are there. Inputs are read as results are taken,
   * `ahead` of them at most. Who breaks off the loop, or aborts, cancels what is under way.
   *
   * @throws VOLLEY_BATCH_FAILED for the first input without a result, unless `onFailure` is 'yield'; what the
   * inputs threw, after the results before it
   */
  map<V extends Input>(
    app: string,
    inputs: AsyncIterable<V> | Iterable<V>,
    policy: PolicyRequest | undefined,
    options: MapOptions & {readonly onFailure: 'yield'},
  ): AsyncGenerator<MapOutput<V> | MapFailure<V>, void, undefined>;
  map<V extends Input>(
    app: string,
    inputs: AsyncIterable<V> | Iterable<V>,
    policy?: PolicyRequest,
    options?: MapOptions,
  ): AsyncGenerator<MapOutput<V>, void, undefined>;
  async *map<V extends Input>(
    app: string,
    inputs: AsyncIterable<V> | Iterable<V>,
    policy: PolicyRequest = {},
    options: MapOptions = {},
  ): AsyncGenerator<MapOutput<V> | MapFailure<V>, void, undefined> {
    checkMap(app, inputs, policy, options);
    const {args = [], target, signal, ordered = true} = options;
    const {onFailure = 'throw', ahead = AHEAD} = options;
    const client = this.#client;
    const removals = new Removals(client);
    const run = randomBytes(8).toString('hex');
    const request = {app, args, policy, ...(target && {target})};
    const results = mapInputs({
      port: new ClientPort(client, false),
      source: new ValueSource(inputs),
      ordered,
      ahead: checkedAhead(ahead),
      signal,
      launch: async (cut, no) => {
        const bytes = cut.inputs.map(input => input.bytes);
        return {batchId: await submit(client, request, `map-${run}-${no}`, bytes)};
      },
      onTaken: ({batchId}) => removals.remove(batchId),
    });
    try {
      for await (const mapped of results) yield resultOf(mapped, onFailure);
    } finally {
      await removals.done();
    }
  }

  /** Submits one batch and does not wait for it. Values are held in memory until it is there. */
  async submit<V extends Input>(
    app: string,
    inputs: AsyncIterable<V> | Iterable<V> | Range,
    options: SubmitOptions = {},
  ): Promise<SubmittedBatch> {
    checkSubmit(app, inputs, options);
    const {name = '', policy = {}, args = [], target, strict, stages, shared} = options;
    const wishes = {
      ...(target && {target}),
      ...(strict === undefined ? {} : {strict}),
      ...(stages && {stages}),
      ...(shared === undefined ? {} : {shared: await this.#client.putBlob(once(shared))}),
    };
    const request = {app, args, policy, ...wishes};
    const batchId =
      'chunk' in inputs
        ? (await this.#client.submit({...request, name, input: {...inputs, kind: 'range'}})).batchId
        : await submit(this.#client, request, name, await allOf(inputs));
    return new SubmittedBatch(this.#client, batchId);
  }

  /** Fires an action on many nodes at one instant; resolves with who fired when, once all is told and collected. */
  async capture(options: CaptureOptions): Promise<CaptureView> {
    checkCapture(options);
    const {action = '', args = [], target, shots = 1, steps} = options;
    const {leadMs, needs, sweepMs, burst, burstMs, toleranceMs} = options;
    const intervalMs = options.intervalMs ?? INTERVAL_MS;
    const request: CaptureRequest = {
      ...{action, args, shots: shots * (steps?.length ?? 1), intervalMs},
      ...(steps && {steps: steps.map(stepOf)}),
      ...(leadMs === undefined ? {} : {leadMs}),
      ...(needs === undefined ? {} : {needs}),
      ...(sweepMs === undefined ? {} : {sweepMs}),
      ...(burst === undefined ? {} : {burst}),
      ...(burstMs === undefined ? {} : {burstMs}),
      ...(toleranceMs === undefined ? {} : {toleranceMs}),
      target: wireTarget(target),
    };
    const {signal} = options;
    signal?.throwIfAborted();
    const {captureId} = await this.#client.capture(request);
    // Too late is no fault: the view says what fired.
    const cancel = (): void => void this.#client.cancelCapture(captureId).catch(() => undefined);
    signal?.addEventListener('abort', cancel, {once: true});
    if (signal?.aborted) cancel(); // while it was asked for
    try {
      return await followCapture(this.#client, captureId, () => undefined);
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** All members, and how they are. */
  nodes(): Promise<readonly NodeView[]> {
    return this.#client.nodes();
  }

  /** Closes what is idle; loops that run end by themselves. */
  async close(): Promise<void> {
    this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const wireTarget = ({labels = [], nodes = []}: NonNullable<CaptureOptions['target']> = {}) => ({
  labels,
  nodes: nodes as readonly NodeId[],
});

const stepOf = ({atMs = 0, action, args = [], target}: CaptureStepOptions): CaptureStep => ({
  ...{atMs, action, args},
  ...(target && {target: wireTarget(target)}),
});

async function* once(value: string | Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield typeof value === 'string' ? toUtf8(value) : value;
}

async function submit(
  client: OperatorClient,
  request: BatchOptions,
  name: string,
  inputs: readonly Uint8Array[],
) {
  const input = await storeInputs(client, inputs, 'text');
  return (await client.submit({...request, name, input})).batchId;
}

function resultOf<V>(
  mapped: Mapped<Value<V>>,
  onFailure: 'throw' | 'yield',
): MapOutput<V> | MapFailure<V> {
  const {value, index} = mapped.input;
  if (mapped.state === 'done') return new MapOutput(index, mapped.output, value);
  const {state, reason, batch} = mapped;
  if (onFailure === 'yield') return {state, index, reason, input: value};
  const why = `input ${index}: ${reason}`;
  throw new VolleyError('VOLLEY_BATCH_FAILED', {batch: batch.batchId, state, reason: why, index});
}

function checkedAhead(ahead: number): number {
  if (Number.isInteger(ahead) && ahead >= 1 && ahead <= AHEAD_MAX) return ahead;
  const reason = `ahead must be a whole number from 1 to ${AHEAD_MAX}, not ${ahead}`;
  throw new VolleyError('VOLLEY_USAGE', {reason});
}

const TAKE = 1_024;

async function allOf<V>(inputs: AsyncIterable<V> | Iterable<V>): Promise<Uint8Array[]> {
  const source = new ValueSource(inputs);
  const all: Uint8Array[] = [];
  for (;;) {
    const some = await source.take(TAKE);
    if (some.length === 0) return all;
    for (const {bytes} of some) all.push(bytes);
  }
}
