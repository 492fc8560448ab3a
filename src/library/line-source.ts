// Lines of a stream as inputs of a map: NDJSON, or any text. A chunk is read when its lines are wanted; what the
// stream holds back meanwhile is the producer's to wait for.

import {fromUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import type {LineForm} from '../http/context.ts';
import {jsonFaultOf} from '../io/inputs.ts';
import {LineCutter} from '../io/line-cutter.ts';
import {closeQuietly, type MapSource} from './map-cut.ts';

/** As the master takes them. */
const LINE_BYTES_MAX = 16 * MIB;

export type Line = {
  readonly bytes: Uint8Array;
  /** 1, 2, 3 … with those that are passed over. */
  readonly line: number;
};

export type LineSourceOptions = {
  readonly form: LineForm;
  /** A line that is none of its form: 'stop' = the input ends before it, and `fault` says why. */
  readonly badLines: 'stop' | 'skip';
  readonly onBad?: (line: number, fault: string) => void;
};

export class LineSource implements MapSource<Line> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #options: LineSourceOptions;
  readonly #cutter: LineCutter;
  #lines: Line[] = [];
  #line = 0;
  #isOver = false;
  #fault: VolleyError | undefined;

  constructor(stream: AsyncIterable<Uint8Array>, options: LineSourceOptions) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#options = options;
    this.#cutter = new LineCutter(LINE_BYTES_MAX, (_offset, length, bytes) =>
      this.#onLine(length, bytes),
    );
  }

  /** Why the input ended before its end. */
  get fault(): VolleyError | undefined {
    return this.#fault;
  }

  async take(most: number): Promise<readonly Line[]> {
    while (this.#lines.length === 0 && !this.#isOver) await this.#read();
    if (this.#lines.length <= most) {
      const all = this.#lines;
      this.#lines = [];
      return all;
    }
    return this.#lines.splice(0, most);
  }

  close(): void {
    this.#isOver = true;
    this.#lines = [];
    // A read under way ends when the stream does.
    closeQuietly(this.#chunks);
  }

  async #read(): Promise<void> {
    const {done, value} = await this.#chunks.next();
    if (done) {
      this.#cutter.end();
      this.#isOver = true;
    } else this.#cutter.push(value);
  }

  #onLine(length: number, bytes: Uint8Array | undefined): void {
    this.#line += 1;
    if (this.#isOver) return;
    const {form, badLines, onBad} = this.#options;
    const fault = faultOf(bytes, length, form);
    if (fault === 'blank') return;
    if (bytes && fault === undefined) {
      this.#lines.push({bytes: bytes.slice(), line: this.#line});
      return;
    }
    if (badLines === 'skip') return onBad?.(this.#line, fault ?? '');
    this.#isOver = true;
    this.#fault = new VolleyError('VOLLEY_BAD_INPUT', {reason: `line ${this.#line} ${fault}`});
  }
}

const TEXT_ADVICE = '; --text takes lines as they are';

/** 'blank' = nothing to compute; undefined = a good line. */
function faultOf(
  bytes: Uint8Array | undefined,
  length: number,
  form: LineForm,
): string | undefined {
  if (!bytes) return `has ${length} bytes; at most ${LINE_BYTES_MAX} are allowed`;
  if (form === 'text') {
    if (length === 0) return 'blank';
    return fromUtf8(bytes) === undefined ? 'is not UTF-8' : undefined;
  }
  if (isBlank(bytes)) return 'blank';
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
    return 'begins with a byte order mark; save the file as UTF-8 without one';
  const fault = jsonFaultOf(bytes);
  return fault?.startsWith('is not JSON') ? fault + TEXT_ADVICE : fault;
}

const isBlank = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 32 || byte === 9);
