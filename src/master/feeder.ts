// Which workunits of a batch are in memory: those handed out or waiting for a node, never the whole batch.
// A range makes its inputs out of numbers when they are asked for. Lines and files are read ahead in
// windows by the shell (`readInputs`), so that a pull finds its inputs there.

import {assert} from '../base/assert.ts';
import type {BatchId} from '../base/types.ts';
import type {MasterEffect} from '../core/core.ts';
import type {InputSource} from '../core/input-source.ts';
import type {BatchRow} from '../core/tables.ts';
import type {Input} from '../wire/message.ts';
import {openWorkunit, type Workunit} from './workunit.ts';

/** Inputs read ahead at once; at 512 bytes each this is 512 KiB at most. */
export const WINDOW_WORKUNITS = 1_024;

export function countOf(source: InputSource): number {
  return source.kind === 'range'
    ? Math.ceil((source.end - source.start) / source.chunk)
    : source.count;
}

/** The half-open part of a range that workunit `index` counts. */
export function rangeInput(
  source: Extract<InputSource, {kind: 'range'}>,
  index: number,
): Extract<Input, {kind: 'range'}> {
  const start = source.start + index * source.chunk;
  return {kind: 'range', start, end: Math.min(start + source.chunk, source.end)};
}

type AtHand = Extract<InputSource, {kind: 'range' | 'blob'}>;

/** Whose inputs are made of numbers that are in the source. */
const isAtHand = (source: InputSource): source is AtHand =>
  source.kind === 'range' || source.kind === 'blob';

const inputAtHand = (source: AtHand, index: number): Input =>
  source.kind === 'range'
    ? rangeInput(source, index)
    : {kind: 'slice', blobId: source.blobId, offset: 0, length: source.size};

/** @param cursor as in Feeder */
export const feederOf = (
  {id, input, policy, count}: Pick<BatchRow, 'id' | 'input' | 'policy' | 'count'>,
  cursor = 0,
  reopened: readonly (readonly [number, number])[] = [],
): Feeder => new Feeder(id, input, cursor, reopened, policy.broadcast ? count : undefined);

/** Gives out the indexes of a batch, each once: first those a restart left behind, then the rest. */
export class Feeder {
  readonly #batchId: BatchId;
  readonly #source: InputSource;
  readonly #count: number;
  /** Runs of indexes below the cursor that a restart found undecided, or that are checked again; [from, to). */
  readonly #reopened: [number, number][];
  readonly #isBroadcast: boolean;
  /** Of a broadcast, when it was read. */
  #only: Input | undefined;
  #cursor: number;
  #reading: {from: number; count: number} | undefined;

  /** @param copies a broadcast: so many workunits have the one input of the source; undefined = each its own */
  constructor(
    batchId: BatchId,
    source: InputSource,
    cursor = 0,
    reopened: readonly (readonly [number, number])[] = [],
    copies?: number,
  ) {
    this.#batchId = batchId;
    this.#source = source;
    this.#count = copies ?? countOf(source);
    this.#isBroadcast = copies !== undefined;
    if (this.#isBroadcast && isAtHand(source)) this.#only = inputAtHand(source, 0);
    this.#cursor = cursor;
    this.#reopened = reopened.map(([from, to]) => [from, to]);
  }

  /** Workunits not taken up yet, or left behind by a restart and not taken up again. */
  get remaining(): number {
    const reopened = this.#reopened.reduce((sum, [from, to]) => sum + to - from, 0);
    const reading = this.#isBroadcast ? 0 : (this.#reading?.count ?? 0);
    return this.#count - this.#cursor + reopened + reading;
  }

  /** Whether next() would give a workunit now. */
  get hasNext(): boolean {
    return this.#isAtHand && this.#hasRun;
  }

  /** Whether inputs need not be read. */
  get #isAtHand(): boolean {
    return isAtHand(this.#source) || this.#only !== undefined;
  }

  #open(index: number): Workunit | undefined {
    const input = isAtHand(this.#source) ? inputAtHand(this.#source, index) : undefined;
    const own = this.#only ?? input;
    return own && openWorkunit(this.#batchId, index, own);
  }

  /** Left behind by a restart: to be taken up at once, for their results may come any moment. */
  get hasReopened(): boolean {
    return this.#reopened.length > 0;
  }

  get #hasRun(): boolean {
    return this.#reopened.length > 0 || this.#cursor < this.#count;
  }

  /** Runs of indexes that are to be taken up again. */
  get runs(): number {
    return this.#reopened.length;
  }

  /** Undecided, but not in memory yet. */
  isPending(index: number): boolean {
    if (index >= this.#cursor) return index < this.#count;
    const reading = this.#isBroadcast ? undefined : this.#reading;
    if (reading && index >= reading.from && index < reading.from + reading.count) return true;
    return this.#reopened.some(([from, to]) => index >= from && index < to);
  }

  /** The next workunit; undefined when all are taken up, and where inputs have to be read. */
  next(): Workunit | undefined {
    const run = this.#isAtHand ? this.#takeRun(1) : undefined;
    return run && this.#open(run.from);
  }

  /**
   * Takes up this index out of turn: a result of it is here, of a lease that a restart forgot.
   * undefined when it is not pending, or its input has to be read.
   */
  take(index: number): Workunit | undefined {
    if (!this.#isAtHand || !this.isPending(index)) return undefined;
    if (index >= this.#cursor) {
      if (index > this.#cursor) this.#reopened.push([this.#cursor, index]);
      this.#cursor = index + 1;
    } else {
      const at = this.#reopened.findIndex(([from, to]) => index >= from && index < to);
      const [from, to] = this.#reopened[at] ?? [index, index + 1];
      const rest: [number, number][] = [
        [from, index],
        [index + 1, to],
      ];
      this.#reopened.splice(at, 1, ...rest.filter(([start, end]) => start < end));
    }
    return this.#open(index);
  }

  /** Gives out an index once more, whose workunit was decided and is so no longer. */
  reopen(index: number): void {
    const last = this.#reopened.at(-1);
    if (last?.[1] === index) last[1] += 1;
    else this.#reopened.push([index, index + 1]);
  }

  /**
   * What to read so that pulls find inputs; undefined when enough is there or being read.
   * @param waiting open workunits that want a replica
   */
  readAhead(waiting: number): MasterEffect | undefined {
    if (isAtHand(this.#source) || this.#reading || waiting >= WINDOW_WORKUNITS / 2)
      return undefined;
    if (this.#isBroadcast && (this.#only || !this.#hasRun)) return undefined;
    this.#reading = this.#isBroadcast ? {from: 0, count: 1} : this.#takeRun(WINDOW_WORKUNITS);
    if (!this.#reading) return undefined;
    return {type: 'readInputs', batchId: this.#batchId, source: this.#source, ...this.#reading};
  }

  /** Whether this was asked for, and is not here yet. */
  awaits(from: number, count: number): boolean {
    return this.#reading?.from === from && this.#reading.count === count;
  }

  /** Of a broadcast none: from now on next() has them. */
  inputsRead(from: number, inputs: readonly Input[]): Workunit[] {
    const isAwaited = this.awaits(from, inputs.length);
    assert(isAwaited, `batch ${this.#batchId}: inputs from ${from} were not asked for`);
    this.#reading = undefined;
    if (this.#isBroadcast) {
      this.#only = inputs[0];
      return [];
    }
    return inputs.map((input, i) => openWorkunit(this.#batchId, from + i, input));
  }

  #takeRun(atMost: number): {from: number; count: number} | undefined {
    const [run] = this.#reopened;
    if (run) {
      const from = run[0];
      const count = Math.min(atMost, run[1] - from);
      run[0] += count;
      if (run[0] === run[1]) this.#reopened.shift();
      return {from, count};
    }
    if (this.#cursor >= this.#count) return undefined;
    const from = this.#cursor;
    const count = Math.min(atMost, this.#count - from);
    this.#cursor += count;
    return {from, count};
  }
}
