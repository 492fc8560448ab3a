// A thread that compares numbers, seen from the master's loop. One that takes too long or too much memory is
// ended, and another one started for the next question.

import {extname} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Worker} from 'node:worker_threads';
import {SECOND_MS} from '../base/units.ts';
import type {Comparison, NumericCompare} from '../core/compare.ts';
import {startThread} from './thread.ts';

export type NumberQuestion = {
  readonly how: NumericCompare;
  readonly a: Uint8Array;
  /** undefined: can `a` be compared at all? */
  readonly b: Uint8Array | undefined;
};

/** Parsed JSON of two outputs at the limits of core/compare.ts takes less than half of it. */
const HEAP_MIB = 512;
/** An idle thread is ended after this long: it holds 10 MB. */
const IDLE_MS_MAX = 60 * SECOND_MS;

const WORKER = new URL(`compare-worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url);

const failed = (reason: string): Comparison => ({kind: 'failed', reason});

export class CompareThread {
  readonly #worker: Worker;
  readonly #onEnd: () => void;
  #resolve: ((comparison: Comparison) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param onEnd it is of no more use */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#worker = startThread(WORKER, {
      execArgv: [],
      env: {},
      resourceLimits: {maxOldGenerationSizeMb: HEAP_MIB},
    });
    this.#worker.on('message', (comparison: Comparison) => this.#answer(comparison));
    this.#worker.on('error', error => this.#fail(error.message));
    this.#worker.on('exit', () => this.#fail('the comparison ended without an answer'));
  }

  /** One question at a time; the bytes are moved to the thread. */
  compare(question: NumberQuestion, timeMsMax: number): Promise<Comparison> {
    return new Promise(resolve => {
      this.#resolve = resolve;
      this.#watch(timeMsMax, () => this.#fail(`not compared within ${timeMsMax} ms`));
      this.#worker.ref();
      this.#worker.postMessage(question);
    });
  }

  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#onEnd();
    await this.#worker.terminate();
  }

  #watch(ms: number, ring: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(ring, ms);
  }

  #answer(comparison: Comparison): void {
    this.#worker.unref();
    this.#watch(IDLE_MS_MAX, () => void this.end());
    this.#timer?.unref();
    this.#resolve?.(comparison);
    this.#resolve = undefined;
  }

  #fail(reason: string): void {
    this.#resolve?.(failed(reason));
    this.#resolve = undefined;
    void this.end();
  }
}
