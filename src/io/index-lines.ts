// Submit of a `lines` or `files` source: checks the NDJSON, or the lines of text, as they stream by, and stores
// them with their index.

import {createReadStream} from 'node:fs';
import {assertNever} from '../base/assert.ts';
import {fromUtf8, viewOf} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import type {InputSource} from '../core/input-source.ts';
import {INPUT_FILE_BYTES_MAX, WORKUNITS_PER_BATCH_MAX} from '../wire/limits.ts';
import type {BlobStore} from './blob-store.ts';
import {fileLineOf, INDEX_ENTRY_BYTES, INDEX_LINES, jsonFaultOf} from './inputs.ts';
import {LineCutter} from './line-cutter.ts';

/** One line is held in memory to be checked, and becomes one input of one replica. */
const LINE_BYTES_MAX = 16 * MIB;

export type IndexedLines = Extract<InputSource, {kind: 'lines' | 'files'}>;

/** `text`: `lines` inputs whose lines are any UTF-8 text. */
export type LinesKind = 'lines' | 'files' | 'text';

/**
 * Stores NDJSON and its index. Every line must be one JSON value (for `files`:
 * {"name","blob","size"}, for `text` any but an empty one); only the end of the last line may be missing,
 * or one blank line follow it.
 *
 * Rejects with VOLLEY_INPUT_MISSING for a path that cannot be read, VOLLEY_TOO_LARGE, and
 * VOLLEY_BAD_INPUT, which names the line; nothing is left in the store then.
 */
export async function indexLines(
  blobs: BlobStore,
  source: string | AsyncIterable<Uint8Array>,
  kind: LinesKind = 'lines',
): Promise<IndexedLines> {
  const index = new LineIndex(kind);
  const chunks = typeof source === 'string' ? fileChunks(source) : source;
  const {blobId} = await blobs.putStream(index.through(chunks), {
    limit: INPUT_FILE_BYTES_MAX,
    what: 'the input',
  });
  const indexBlobId = await blobs.put(index.encode());
  return {kind: kind === 'files' ? kind : 'lines', blobId, indexBlobId, count: index.count};
}

class LineIndex {
  readonly #kind: LinesKind;
  readonly #offsets: number[] = [];
  readonly #cutter: LineCutter;
  /** A blank line is allowed when nothing follows it. */
  #blank = false;
  count = 0;

  constructor(kind: LinesKind) {
    this.#kind = kind;
    this.#cutter = new LineCutter(LINE_BYTES_MAX, (offset, length, bytes) =>
      this.#onLine(offset, length, bytes),
    );
  }

  /** Yields what comes, once it is checked. */
  async *through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of source) {
      this.#cutter.push(chunk);
      if (this.#cutter.pendingBytes > LINE_BYTES_MAX + 1) throw this.#lineTooLarge();
      yield chunk;
    }
    this.#cutter.end();
    if (this.count === 0) throw new VolleyError('VOLLEY_BAD_INPUT', {reason: 'it has no lines'});
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.#offsets.length * INDEX_ENTRY_BYTES);
    const view = viewOf(bytes);
    this.#offsets.forEach((offset, i) => {
      view.setFloat64(i * INDEX_ENTRY_BYTES, offset, true);
    });
    return bytes;
  }

  #onLine(offset: number, length: number, bytes: Uint8Array | undefined): void {
    if (this.#blank) throw this.#bad('is blank');
    if (bytes === undefined) throw this.#lineTooLarge(length);
    if (length === 0) {
      this.#blank = true;
      return;
    }
    const fault = this.#faultOf(bytes);
    if (fault !== undefined) throw this.#bad(fault);
    if (this.count >= WORKUNITS_PER_BATCH_MAX)
      throw this.#bad(`is one too many: a batch has at most ${WORKUNITS_PER_BATCH_MAX} lines`);
    if (this.count % INDEX_LINES === 0) this.#offsets.push(offset);
    this.count++;
  }

  #faultOf(bytes: Uint8Array): string | undefined {
    if (this.#kind === 'text') return fromUtf8(bytes) === undefined ? 'is not UTF-8' : undefined;
    if (this.count === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
      return 'begins with a byte order mark; save the file as UTF-8 without one';
    switch (this.#kind) {
      case 'lines':
        return jsonFaultOf(bytes);
      case 'files':
        return fileLineOf(bytes) ? undefined : 'is not {"name", "blob", "size"}';
      default:
        return assertNever(this.#kind);
    }
  }

  #bad(fault: string): VolleyError {
    return new VolleyError('VOLLEY_BAD_INPUT', {reason: `line ${this.count + 1} ${fault}`});
  }

  #lineTooLarge(size = this.#cutter.pendingBytes): VolleyError {
    const what = `line ${this.count + 1} of the input`;
    return new VolleyError('VOLLEY_TOO_LARGE', {what, size, limit: LINE_BYTES_MAX});
  }
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const chunk of createReadStream(path, {highWaterMark: 256 * 1_024}))
      yield chunk as Buffer;
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason: code ?? message}, error);
  }
}
