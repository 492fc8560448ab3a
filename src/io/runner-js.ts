// Runs js apps in the runner process. The script is evaluated anew for each workunit, in a compartment of its own, so
// that nothing of one is seen by the next. All that can happen after run() came back are microtasks: once they are done,
// a promise that is still pending is so for ever. Only then is the answer given, so the next workunit begins with
// nothing under way.

import {setImmediate} from 'node:timers/promises';
import {EMPTY, fromUtf8, toUtf8} from '../base/bytes.ts';
import {type Api, type JsOrder, makeApi} from './js-api.ts';
import {CAUGHT, type Exhaustion} from './js-exhaustion.ts';
import {openRealm, type Realm} from './js-realm.ts';
import {arrayKind, bytesOf, storyOf} from './js-values.ts';
import type {RunFrame, Status} from './runner-frames.ts';
import type {Ended} from './runner-wasi.ts';

type Run = (input: object, context: object) => unknown;
type Settled =
  | {readonly kind: 'returned'; readonly value: unknown}
  | {readonly kind: 'threw'; readonly error: unknown};

/** Of the run that only looks whether a script can be loaded. */
const NOTHING: JsOrder = {
  no: 0,
  outputBytesMax: 0,
  seed: 0,
  args: [],
  state: EMPTY,
  input: EMPTY,
  shared: EMPTY,
};

/** One app, evaluated for each run. */
export class JsSandbox {
  readonly #realm: Realm;
  #source = '';
  #shared: Uint8Array = EMPTY;
  #refusal = 'no app was given';
  /** Of promises that were rejected and that nobody took. */
  #loose: string | undefined;

  constructor() {
    const host = process;
    this.#realm = openRealm();
    // Without this Node would print the reason, which asks the thing itself how it wants to be shown.
    host.on('unhandledRejection', error => {
      this.#loose ??= storyOf(error);
    });
  }

  /** '' or why nodes refuse the script. */
  async load(script: Uint8Array): Promise<string> {
    this.#source = fromUtf8(script) ?? '';
    this.#refusal = this.#source === '' ? 'the script is no text' : '';
    if (this.#refusal !== '') return this.#refusal;
    this.#loose = undefined;
    try {
      this.#evaluate(
        NOTHING.seed,
        makeApi(NOTHING, () => {}, this.#realm.harden),
      );
    } catch (error) {
      this.#refusal = storyOf(error);
    }
    await setImmediate();
    if (this.#refusal === '' && this.#loose !== undefined)
      this.#refusal = `a promise was rejected while it was loaded, and nobody took it: ${this.#loose}`;
    return this.#refusal;
  }

  /** What every later run may read beside its input. */
  share(bytes: Uint8Array): void {
    this.#shared = bytes;
  }

  async run(order: RunFrame, save: (bytes: Uint8Array) => void): Promise<Ended> {
    if (this.#refusal !== '')
      return ended('refused', `the script cannot be loaded: ${this.#refusal}`);
    this.#loose = undefined;
    const api = makeApi({...order, shared: this.#shared}, save, this.#realm.harden);
    const settled = this.#settle(order, api);
    await setImmediate();
    const result = this.#resultOf(settled(), order.outputBytesMax);
    // Asking for the result may have run code of the app.
    await setImmediate();
    api.close();
    if (result.status !== 'done') return this.#failed(result, api);
    const met = api.exhaustion();
    if (met !== undefined) return this.#failed(exhausted(met), api);
    return this.#loose === undefined ? result : this.#failed(result, api);
  }

  #evaluate(seed: number, {console, caught}: Api): Run {
    const extras = {console, [CAUGHT]: caught};
    const app = this.#realm.evaluate(this.#source, seed, extras) as {run?: unknown} | undefined;
    const run = app?.run;
    if (typeof run !== 'function') throw new TypeError('the module exports no function run');
    return run as Run;
  }

  /** Begins the run. The function it returns tells how it went, undefined = it is still pending. */
  #settle(order: RunFrame, api: Api): () => Settled | undefined {
    let settled: Settled | undefined;
    const threw = (error: unknown): void => {
      settled = {kind: 'threw', error};
    };
    try {
      const value = this.#evaluate(order.seed, api)(api.input, api.context);
      // Made by us: what the app returned has no say in how it is waited for.
      new Promise(resolve => resolve(value)).then(result => {
        settled = {kind: 'returned', value: result};
      }, threw);
    } catch (error) {
      threw(error);
    }
    return () => settled;
  }

  #resultOf(settled: Settled | undefined, bytesMax: number): Ended {
    if (settled === undefined)
      return ended('exited', 'the promise that run() returned can never be settled');
    try {
      if (settled.kind === 'threw') return failureOf(settled.error);
      return outputOf(settled.value, bytesMax);
    } catch (error) {
      return failureOf(error);
    }
  }

  #failed(result: Ended, api: Api): Ended {
    const {status, reason} =
      result.status === 'done'
        ? ended('exited', `a promise was rejected and nobody took it: ${this.#loose}`)
        : result;
    const said = api.said();
    return ended(status, said === '' ? reason : `${reason}; it said: ${said}`);
  }
}

const ended = (status: Status, reason: string, output: Uint8Array = EMPTY): Ended => ({
  status,
  output,
  reason,
});

const exhausted = (met: Exhaustion): Ended =>
  ended(
    met === 'memory' ? 'outOfMemory' : 'exited',
    `it caught the end of its ${met} and went on: where that is differs from run to run`,
  );

const tooLarge = (): Ended => ended('outputTooLarge', 'more output than allowed');

function failureOf(error: unknown): Ended {
  const story = storyOf(error);
  const isMemory = story.startsWith('RangeError: Array buffer allocation failed');
  return ended(isMemory ? 'outOfMemory' : 'exited', story);
}

/** Of these JSON tells nothing: they would all become `{}`. */
const NO_JSON = ['ArrayBuffer', 'DataView', 'Map', 'Set', 'WeakMap', 'WeakSet'];

/** A text is its UTF-8, a Uint8Array is itself, all else is JSON with a line break. */
function outputOf(value: unknown, bytesMax: number): Ended {
  if (value === undefined) return ended('exited', 'run() returned nothing');
  if (arrayKind(value) === 'Uint8Array') {
    const bytes = bytesOf(value) ?? EMPTY;
    return bytes.length > bytesMax ? tooLarge() : ended('done', '', bytes.slice());
  }
  const kind = NO_JSON.find(name => isOf(value, name));
  if (kind !== undefined)
    return ended(
      'exited',
      `run() returned ${kind === 'ArrayBuffer' ? 'an' : 'a'} ${kind}, of which JSON tells nothing: return a string, a Uint8Array, or what becomes JSON`,
    );
  const text = typeof value === 'string' ? value : jsonOf(value);
  if (text === undefined) return ended('exited', `run() returned a ${typeof value}`);
  if (text.length > bytesMax) return tooLarge();
  const bytes = toUtf8(text);
  return bytes.length > bytesMax ? tooLarge() : ended('done', '', bytes);
}

const isOf = (value: unknown, name: string): boolean =>
  Object.prototype.toString.call(value) === `[object ${name}]` &&
  (value as {toJSON?: unknown}).toJSON === undefined;

function jsonOf(value: unknown): string | undefined {
  const json = JSON.stringify(value) as string | undefined;
  return json === undefined ? undefined : `${json}\n`;
}
