// Compares two outputs for the master, one question after the other, away from its loop.
//
//   numeric  in a thread of its own, which is ended when it takes too long or too much memory: what a hostile
//            output does to a parser, it does there
//   custom   the comparison app, a wasm module signed by an app key, in a runner process of the master: the
//            same process, jail and limits as at a node (runner-slot.ts). It is not sent out as a workunit of
//            its own: then nodes would have to agree on whether nodes agree
//
// The node that has used up the least time so far comes first: outputs made to take long hold up those of the
// node that returned them.
//
// A comparison app reads from stdin one line "length length\n" (decimal, bytes of the first and the second
// output) and then both outputs, and writes "equal" or "different", with or without a line break, exit code 0.
// It has no args. Anything else is a failed comparison. It is asked once for each two outputs, in
// an order that says nothing, and first whether an output is equal to itself: one that it cannot read it
// refuses in this way.

import {mkdirSync} from 'node:fs';
import {concat, EMPTY, fromUtf8, toUtf8} from '../base/bytes.ts';
import type {BlobId, ReplicaId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Comparison, CustomCompare, NumericCompare} from '../core/compare.ts';
import {COMPARED_BYTES_MAX} from '../core/compare.ts';
import type {CompareQuestion} from '../core/lookups.ts';
import {sameOutput} from '../master/validator.ts';
import type {FetchedApp} from '../node/app-shelf.ts';
import type {Comparer} from '../runtime/ports.ts';
import type {OutputRef} from '../wire/message.ts';
import {CompareThread} from './compare-thread.ts';
import {FairQueue} from './fair-queue.ts';

import type {Job, Outcome} from './runner-job.ts';
import {RunnerSlot} from './runner-slot.ts';
import type {Jail} from './sandbox.ts';

/** A comparison that takes longer has failed, whatever the app's own limit is. */
export const COMPARE_MS_MAX = 10 * SECOND_MS;
/** "equal" or "different" and a line break. */
const ANSWER_BYTES_MAX = 64;
const NICENESS = 5;

export type ComparerOptions = {
  /** Bytes that fit their name; rejects when they cannot be had. */
  readonly readBlob: (blobId: BlobId, size: number) => Promise<Uint8Array>;
  readonly fetchApp: (appId: BlobId) => Promise<FetchedApp>;
  /** Found when the first comparison app is to run. */
  readonly jail: () => Promise<Jail>;
  /** Working directory of the runner. */
  readonly dir: string;
  /** Default COMPARE_MS_MAX. */
  readonly timeMsMax?: number;
};

type Waiting = {
  readonly question: CompareQuestion;
  readonly done: (comparison: Comparison) => void;
};

const failed = (reason: string): Comparison => ({kind: 'failed', reason});

export class OutputComparer implements Comparer {
  readonly #options: ComparerOptions;
  readonly #waiting = new FairQueue<Waiting>();
  #isBusy = false;
  #isClosed = false;
  #slot: Promise<{readonly slot: RunnerSlot; readonly jail: Jail}> | undefined;
  #onOutcome: ((outcome: Outcome) => void) | undefined;
  #thread: CompareThread | undefined;

  constructor(options: ComparerOptions) {
    this.#options = options;
  }

  compare(question: CompareQuestion, done: (comparison: Comparison) => void): void {
    this.#waiting.push(question.nodeId, {question, done});
    void this.#work();
  }

  /** What is under way is given up; nothing is answered any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.clear();
    await this.#thread?.end();
    const opened = await this.#slot?.catch(() => undefined);
    await opened?.slot.close();
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const {question, done} = next;
      const startedAt = performance.now();
      const comparison = await this.#answer(question).catch((error: unknown) =>
        failed(messageOf(error)),
      );
      this.#waiting.spent(question.nodeId, performance.now() - startedAt);
      if (!this.#isClosed) done(comparison);
    }
    this.#isBusy = false;
  }

  async #answer({compare, a, b}: CompareQuestion): Promise<Comparison> {
    const left = await this.#read(a);
    const right = sameOutput(a, b) ? undefined : await this.#read(b);
    return compare.kind === 'numeric'
      ? await this.#numbers(compare, left, right)
      : await this.#custom(compare, left, right ?? left);
  }

  /** Rejects when it cannot be had. */
  async #read(output: OutputRef): Promise<Uint8Array> {
    if (output.kind === 'inline') return output.bytes;
    if (output.size > COMPARED_BYTES_MAX) throw new RangeError('an output is too large to compare');
    return await this.#options.readBlob(output.blobId, output.size);
  }

  #numbers(how: NumericCompare, a: Uint8Array, b: Uint8Array | undefined): Promise<Comparison> {
    this.#thread ??= this.#newThread();
    return this.#thread.compare({how, a, b}, this.#timeMsMax);
  }

  #newThread(): CompareThread {
    const thread: CompareThread = new CompareThread(() => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    return thread;
  }

  get #timeMsMax(): number {
    return this.#options.timeMsMax ?? COMPARE_MS_MAX;
  }

  async #custom(how: CustomCompare, a: Uint8Array, b: Uint8Array): Promise<Comparison> {
    const app = await this.#options.fetchApp(how.appId);
    if (app.kind !== 'app') return {kind: 'unavailable', reason: `${how.app}: ${app.reason}`};
    const {slot, jail} = await this.#open();
    const {limits, sandboxLevel = 0} = app.manifest;
    if (sandboxLevel > jail.level)
      return {
        kind: 'unavailable',
        reason: `${how.app} demands a sandbox of level ${sandboxLevel}, the master has ${jail.level}`,
      };
    const job: Job = {
      replicaId: 'compare' as ReplicaId,
      program: {
        kind: 'wasm',
        key: how.appId,
        module: app.module,
        memoryMib: limits.memoryMib,
      },
      args: [],
      input: concat(toUtf8(`${a.length} ${b.length}\n`), a, b),
      shared: EMPTY,
      seed: 0,
      timeMs: Math.min(limits.timeSeconds * SECOND_MS, this.#timeMsMax),
      memoryMib: limits.memoryMib,
      outputBytesMax: ANSWER_BYTES_MAX,
      state: EMPTY,
      spentMs: 0,
      isStopped: false,
    };
    const outcome = await new Promise<Outcome>(resolve => {
      this.#onOutcome = resolve;
      slot.push(job);
    });
    return comparisonOf(how.app, outcome);
  }

  #open(): Promise<{readonly slot: RunnerSlot; readonly jail: Jail}> {
    this.#slot ??= this.#options.jail().then(jail => {
      mkdirSync(this.#options.dir, {recursive: true});
      const slot = new RunnerSlot({
        dir: this.#options.dir,
        niceness: NICENESS,
        jail,
        finish: (_job, outcome) => this.#onOutcome?.(outcome),
        onState: () => {}, // a comparison begins anew
        onBadState: () => {},
        onRoom: () => {},
      });
      return {slot, jail};
    });
    return this.#slot;
  }
}

function comparisonOf(app: string, outcome: Outcome): Comparison {
  if (outcome.kind === 'failed') {
    const detail = outcome.detail.replace(/[^\x20-\x7e]+/g, ' ').trim();
    return failed(`${app}: ${outcome.reason}${detail === '' ? '' : `: ${detail}`}`);
  }
  const said = fromUtf8(outcome.output)?.replace(/\r?\n$/, '');
  if (said === 'equal') return {kind: 'same'};
  if (said === 'different') return {kind: 'different'};
  return failed(`${app} says neither "equal" nor "different"`);
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
