// The state file of `volley map --resume`: NDJSON that only grows, so that a run that was killed at any moment goes
// on where it was.
//
//   {"volley":"map", …}                       what was asked for
//   {"stdout":{…}}                            the file that results are written to, and its size
//   {"batch":3,"name":…,"count":…,"sha256":…,"sums":…} the inputs of a batch: on disk before it is submitted
//   {"batch":3,"id":17}                       it is submitted; without this it is found by its name
//   {"taken":[[3,0,40],…],"bytes":…}          results that were written, and how long the output is by then
//   {"ended":{…}}                             all of them
//
// Results are on disk before the row that says so, and a batch is deleted after it. What was written behind the last
// row is cut off a file, and comes again in a pipe.

import {createHash} from 'node:crypto';
import {closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs';
import {VolleyError} from '../base/errors.ts';
import {asBatchId, type BatchId} from '../base/types.ts';
import type {Line} from './line-source.ts';
import {StateLock} from './map-lock.ts';

/** What has to be the same for a run to go on. */
export type Settings = Readonly<Record<string, unknown>>;

export type StdoutFile = {
  readonly dev: number;
  readonly ino: number;
  /** Bytes, with what was there before. */
  readonly size: number;
};

export type Ended = {readonly done: number; readonly failed: number};

/** Results of one batch: its number, the first index, the one after the last. */
export type Span = readonly [batch: number, from: number, to: number];

export type KnownBatch = {
  readonly name: string;
  readonly count: number;
  /** Of its first and last input. */
  readonly lines: readonly [number, number];
  readonly sha256: string;
  /** SUM_BYTES of the SHA-256 of each input, base64: which one has changed. */
  readonly sums: string;
  id?: BatchId;
  /** Indexes of results that were written; of a whole batch not kept. */
  readonly taken: Set<number>;
  isWhole: boolean;
};

type Row = {
  readonly volley?: string;
  readonly version?: number;
  readonly run?: string;
  readonly settings?: Settings;
  readonly stdout?: StdoutFile;
  readonly batch?: number;
  readonly id?: number;
  readonly taken?: readonly Span[];
  readonly bytes?: number;
  readonly failed?: number;
  readonly ended?: Ended;
} & Partial<Pick<KnownBatch, 'name' | 'count' | 'lines' | 'sha256' | 'sums'>>;

const VERSION = 1;
const SUM_BYTES = 3;

export class MapJournal {
  readonly #path: string;
  readonly #file: number;
  readonly #lock: StateLock;
  #isClosed = false;
  run = '';
  #settings: Settings | undefined;
  /** By number. */
  readonly batches: KnownBatch[] = [];
  stdout: StdoutFile | undefined;
  ended: Ended | undefined;
  /** Of what was taken. */
  done = 0;
  failed = 0;

  /** Throws for a file that is none of ours or that another run holds, and changes nothing of it. */
  constructor(path: string) {
    this.#path = path;
    this.#lock = new StateLock(path);
    try {
      this.#file = this.#open();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    try {
      this.#read();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get isNew(): boolean {
    return this.#settings === undefined;
  }

  /** @param run a name that no other run has */
  begin(run: string, settings: Settings): void {
    this.run = run;
    this.#settings = settings;
    this.#append({volley: 'map', version: VERSION, run, settings});
  }

  /** Throws VOLLEY_USAGE, which names what is not as it was. */
  check(settings: Settings): void {
    const before = this.#settings ?? {};
    for (const name of new Set([...Object.keys(before), ...Object.keys(settings)])) {
      const [was, is] = [JSON.stringify(before[name]), JSON.stringify(settings[name])];
      if (was !== is)
        throw this.#refusal(`its ${name} was ${was ?? 'not given'}, and is ${is ?? 'not given'}`);
    }
  }

  writesTo(stdout: StdoutFile): void {
    this.stdout = stdout;
    this.#append({stdout});
  }

  /** Durable when it returns. Names the batch. */
  intend(no: number, inputs: readonly Line[]): string {
    const name = `map-${this.run}-${no}`;
    const [lines, sha256, sums] = [linesOf(inputs), hashOf(inputs), sumsOf(inputs)];
    const batch = {name, count: inputs.length, lines, sha256, sums};
    this.batches[no] = {...batch, taken: new Set(), isWhole: false};
    this.#appendDurably({batch: no, ...batch});
    return name;
  }

  submitted(no: number, id: BatchId): void {
    const batch = this.batches[no];
    if (batch) batch.id = id;
    this.#append({batch: no, id});
  }

  /** Durable when it returns. `bytes`: size of the file of results. `failed`: of these. */
  taken(taken: readonly Span[], failed: number, bytes: number | undefined): void {
    this.#appendDurably({taken, failed, ...(bytes === undefined ? {} : {bytes})});
  }

  end(ended: Ended): void {
    this.#appendDurably({ended});
  }

  /** Nothing is noted any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#file);
    this.#lock.release();
  }

  /** Throws VOLLEY_USAGE when they are not those of the earlier run. */
  checkInputs(no: number, inputs: readonly Line[]): void {
    const known = this.batches[no];
    if (!known) return;
    const [first, last] = known.lines;
    if (inputs.length < known.count)
      throw this.#refusal(`the input ends before line ${last}, and did not then`);
    if (hashOf(inputs) === known.sha256) return;
    const sums = Buffer.from(known.sums, 'base64');
    const changed = inputs.find(
      (input, i) => !sumOf(input).equals(sums.subarray(i * SUM_BYTES, (i + 1) * SUM_BYTES)),
    );
    throw this.#refusal(`the input has changed at line ${changed?.line ?? first}`);
  }

  #refusal(reason: string): VolleyError {
    const advice = 'give the same command and input, or name another state file';
    return new VolleyError('VOLLEY_USAGE', {
      reason: `${this.#path} is the state of another run: ${reason}; ${advice}`,
    });
  }

  #open(): number {
    try {
      return openSync(this.#path, 'a+');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new VolleyError('VOLLEY_CANNOT_WRITE', {path: this.#path, reason}, error);
    }
  }

  #append(row: Row): void {
    if (this.#isClosed) return; // a batch that was on its way: the next run finds it by its name
    const bytes = Buffer.from(`${JSON.stringify(row)}\n`);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new VolleyError('VOLLEY_CANNOT_WRITE', {path: this.#path, reason}, error);
    }
  }

  #appendDurably(row: Row): void {
    this.#append(row);
    if (!this.#isClosed) fdatasyncSync(this.#file);
  }

  #read(): void {
    const text = readFileSync(this.#file, 'utf8');
    const whole = text.lastIndexOf('\n') + 1;
    const lines = text.slice(0, whole).split('\n').slice(0, -1);
    lines.forEach((line, i) => {
      this.#take(rowOf(line), i + 1);
    });
    if (lines.length === 0 && text !== '') throw this.#foreign(1);
    // A row that was cut by a kill or a power cut says nothing.
    if (whole < text.length) ftruncateSync(this.#file, Buffer.byteLength(text.slice(0, whole)));
  }

  #take(row: Row | undefined, line: number): void {
    if (!row || (line === 1) !== (row.volley === 'map')) throw this.#foreign(line);
    if (row.volley !== undefined) this.#takeHead(row);
    if (row.stdout) this.stdout = row.stdout;
    if (row.ended) this.ended = row.ended;
    if (row.batch !== undefined) this.#takeBatch(row.batch, row, line);
    if (row.taken) this.#takeTaken(row.taken, row);
  }

  #takeHead({version, run = '', settings = {}}: Row): void {
    if (version !== VERSION) throw this.#foreign(1);
    this.run = run;
    this.#settings = settings;
  }

  #takeBatch(no: number, row: Row, line: number): void {
    const {id, name, count, lines, sha256, sums} = row;
    const known = this.batches[no];
    if (known && id !== undefined) known.id = asBatchId(id);
    else if (name && count && lines && sha256 && sums)
      this.batches[no] = {name, count, lines, sha256, sums, taken: new Set(), isWhole: false};
    else throw this.#foreign(line);
  }

  #takeTaken(taken: readonly Span[], {bytes, failed = 0}: Row): void {
    let count = 0;
    for (const [no, from, to] of taken) {
      const batch = this.batches[no];
      for (let index = from; index < to; index++) batch?.taken.add(index);
      count += to - from;
      if (batch?.taken.size !== batch?.count || !batch) continue;
      batch.isWhole = true;
      batch.taken.clear();
    }
    this.failed += failed;
    this.done += count - failed;
    if (bytes !== undefined && this.stdout) this.stdout = {...this.stdout, size: bytes};
  }

  #foreign(line: number): VolleyError {
    const reason = `${this.#path} is no state file of \`volley map\` (line ${line}); name another file`;
    return new VolleyError('VOLLEY_USAGE', {reason});
  }
}

function rowOf(line: string): Row | undefined {
  try {
    const row: unknown = JSON.parse(line);
    return typeof row === 'object' && row !== null ? (row as Row) : undefined;
  } catch {
    return undefined;
  }
}

const linesOf = (inputs: readonly Line[]): [number, number] => [
  inputs[0]?.line ?? 0,
  inputs[inputs.length - 1]?.line ?? 0,
];

function hashOf(inputs: readonly Line[]): string {
  const hash = createHash('sha256');
  for (const {bytes} of inputs) hash.update(bytes).update('\n');
  return hash.digest('hex');
}

const sumOf = ({bytes}: Line): Buffer =>
  createHash('sha256').update(bytes).digest().subarray(0, SUM_BYTES);

const sumsOf = (inputs: readonly Line[]): string =>
  Buffer.concat(inputs.map(sumOf)).toString('base64');

/** Indexes of a batch as few spans. */
export function spansOf(batch: number, indexes: Iterable<number>): Span[] {
  const sorted = [...indexes].sort((a, b) => a - b);
  const spans: [number, number, number][] = [];
  for (const index of sorted) {
    const last = spans[spans.length - 1];
    if (last?.[2] === index) last[2] = index + 1;
    else spans.push([batch, index, index + 1]);
  }
  return spans;
}
