// The state file of `volley map --resume`: NDJSON that only grows, so that a run that was killed at any moment goes
// on where it was.
//
//   {"volley":"map", …}                       what was asked for
//   {"stdout":{…}}                            the file that results are written to, and its size
//   {"batch":3,"name":…,"count":…,"sha256":…,"sums":…} the inputs of a batch: on disk before it is submitted
//   {"batch":3,"id":17}                       it is submitted; without this it is found by its name
//   {"next":{"at":…,"bytes":…,"sums":[…]}}    what is about to be written to the file
//   {"taken":[[3,0,40],…],"bytes":…}          results that were written, and how long the file is by then
//   {"ended":{…}}                             all of them
//
// Results are on disk before the row that says so, and a batch is deleted after it. What was written behind the last
// row is cut off a file, where `next` says that it is ours; in a pipe it comes again.

import {createHash} from 'node:crypto';
import {closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs';
import {fromUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {asBatchId, type BatchId} from '../base/types.ts';
import type {Line} from './line-source.ts';
import {StateLock} from './map-lock.ts';
import {endOf, type Piece, pieceOf} from './map-pieces.ts';
import {
  type Ended,
  type Head,
  type Meant,
  type Row,
  rowIn,
  type Settings,
  type Span,
  type StdoutFile,
  SUM_BYTES,
  type Taken,
  VERSION,
} from './map-rows.ts';

export type {Ended, Settings, Span, StdoutFile} from './map-rows.ts';

export type KnownBatch = Meant & {
  id?: BatchId;
  /** Indexes of results that were written; of a whole batch not kept. */
  readonly taken: Set<number>;
  isWhole: boolean;
};

const NEWLINE = 10;

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
  /** Of this file, behind its noted size: what may have been written. */
  pieces: Piece[] = [];
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
    this.pieces = [];
    this.#append({stdout});
  }

  /** What is about to be written there. A process that is killed has said it. */
  next(at: number, bytes: Uint8Array): void {
    this.#append({next: pieceOf(at, bytes)});
  }

  /** What was noted is on disk. */
  sync(): void {
    if (!this.#isClosed) fdatasyncSync(this.#file);
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
    this.sync();
  }

  #read(): void {
    const bytes = readFileSync(this.#file);
    const whole = bytes.lastIndexOf(NEWLINE) + 1;
    if (whole === 0 && bytes.length > 0) throw this.#foreign(1);
    let line = 0;
    for (let at = 0; at < whole; ) {
      const end = bytes.indexOf(NEWLINE, at);
      const row = rowIn(fromUtf8(bytes.subarray(at, end)) ?? '');
      line += 1;
      if (!row || (line === 1) !== 'volley' in row || !this.#take(row)) throw this.#foreign(line);
      at = end + 1;
    }
    // A row that was cut by a kill or a power cut says nothing.
    if (whole < bytes.length) ftruncateSync(this.#file, whole);
  }

  /** false = it does not fit to those before it. */
  #take(row: Row): boolean {
    if (this.ended) return false; // nothing comes after it
    if ('volley' in row) return this.#takeHead(row);
    if ('stdout' in row) {
      this.stdout = row.stdout;
      this.pieces = [];
      return true;
    }
    if ('ended' in row) {
      this.ended = row.ended;
      return true;
    }
    if ('next' in row) return this.#takeNext(row.next);
    if ('taken' in row) return this.#takeTaken(row);
    return 'id' in row ? this.#takeId(row.batch, row.id) : this.#takeMeant(row.batch, row);
  }

  #takeHead({run, settings}: Head): boolean {
    this.run = run;
    this.#settings = settings;
    return true;
  }

  #takeMeant(no: number, {name, count, lines, sha256, sums}: Meant): boolean {
    if (no !== this.batches.length || name !== `map-${this.run}-${no}`) return false;
    this.batches[no] = {name, count, lines, sha256, sums, taken: new Set(), isWhole: false};
    return true;
  }

  #takeId(no: number, id: number): boolean {
    const known = this.batches[no];
    if (known) known.id = asBatchId(id);
    return known !== undefined;
  }

  #takeNext(piece: Piece): boolean {
    const last = this.pieces[this.pieces.length - 1];
    if (piece.at !== (last ? endOf(last) : this.stdout?.size)) return false;
    this.pieces.push(piece);
    return true;
  }

  #takeTaken({taken, bytes, failed}: Taken): boolean {
    let count = 0;
    for (const span of taken) {
      if (!this.#takeSpan(span)) return false;
      count += span[2] - span[1];
    }
    this.failed += failed;
    this.done += count - failed;
    return failed <= count && (bytes === undefined || this.#takeSize(bytes));
  }

  #takeSpan([no, from, to]: Span): boolean {
    const batch = this.batches[no];
    if (!batch || batch.isWhole || to > batch.count) return false;
    for (let index = from; index < to; index++) {
      if (batch.taken.has(index)) return false;
      batch.taken.add(index);
    }
    if (batch.taken.size < batch.count) return true;
    batch.isWhole = true;
    batch.taken.clear();
    return true;
  }

  #takeSize(size: number): boolean {
    const {stdout} = this;
    if (!stdout || (size < stdout.size && !stdout.isShared)) return false;
    this.stdout = {...stdout, size};
    this.pieces = this.pieces.filter(({at}) => at >= size);
    return true;
  }

  #foreign(line: number): VolleyError {
    const reason = `${this.#path} is no state file of \`volley map\` (line ${line}); name another file`;
    return new VolleyError('VOLLEY_USAGE', {reason});
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
