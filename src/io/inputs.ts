// Inputs of workunits, read back from what the operator submitted.
//
// A range is computed. Lines are in one NDJSON blob of any size; its index blob holds the offset of
// every 256th line, so a block of 256 lines is found with one read of 16 bytes and cut again. The
// feeder reads forward a few dozen lines at a time: a block stays in memory for the next read.

import {fromUtf8, viewOf} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {keepNewest} from '../base/newest.ts';
import {asBlobId, type BlobId} from '../base/types.ts';
import type {InputSource} from '../core/input-source.ts';
import {decodeJson} from '../core/tables.ts';
import type {Inputs, InputsRead} from '../runtime/ports.ts';
import {INLINE_INPUT_BYTES_MAX} from '../wire/limits.ts';
import type {Input} from '../wire/message.ts';
import type {BlobStore} from './blob-store.ts';
import {LineCutter} from './line-cutter.ts';
import {PART_ENTRY_BYTES} from './outputs.ts';

/** Lines from one entry of an index blob to the next. Stored blobs depend on it. */
export const INDEX_LINES = 256;
/** f64 LE: an offset up to 2^53. */
export const INDEX_ENTRY_BYTES = 8;
/** A block is up to 256 × 512 bytes of small lines: 4 MiB in all. */
const BLOCKS_KEPT = 32;
/** A line of a `files` source, for a name of 255 bytes and more. */
const FILE_LINE_BYTES_MAX = 4_096;

type Indexed = Extract<InputSource, {kind: 'lines' | 'files'}>;
type RangeSource = Extract<InputSource, {kind: 'range'}>;
export type FileLine = {readonly name: string; readonly blob: BlobId; readonly size: number};

export class BlobInputs implements Inputs {
  readonly #blobs: BlobStore;
  /** Least recently used first. */
  readonly #blocks = new Map<string, Promise<readonly Input[]>>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  read(source: InputSource, from: number, count: number, done: (read: InputsRead) => void): void {
    this.#read(source, from, count).then(
      inputs => done({kind: 'inputs', inputs}),
      (error: unknown) =>
        done({kind: 'failed', reason: error instanceof Error ? error.message : String(error)}),
    );
  }

  async #read(source: InputSource, from: number, count: number): Promise<readonly Input[]> {
    if (source.kind === 'range') return rangeInputs(source, from, count);
    if (source.kind === 'blob')
      return [{kind: 'slice', blobId: source.blobId, offset: 0, length: source.size}];
    const end = from + count;
    if (from < 0 || count < 0 || end > source.count)
      throw new VolleyError('VOLLEY_BAD_INPUT', {
        reason: `there are ${source.count} inputs, not ${end}`,
      });
    if (source.kind === 'parts') return this.#partInputs(source, from, count);
    const inputs: Input[] = [];
    for (let at = from; at < end; ) {
      const block = Math.floor(at / INDEX_LINES);
      const first = block * INDEX_LINES;
      const part = (await this.#block(source, block)).slice(at - first, end - first);
      inputs.push(...part);
      at += part.length;
    }
    return inputs;
  }

  async #partInputs(
    {blobId, indexBlobId, size}: Extract<InputSource, {kind: 'parts'}>,
    from: number,
    count: number,
  ): Promise<readonly Input[]> {
    const entries = await this.#blobs.read(
      indexBlobId,
      from * PART_ENTRY_BYTES,
      count * PART_ENTRY_BYTES,
    );
    const view = viewOf(entries);
    return Array.from({length: count}, (_, i) => {
      const offset = view.getFloat64(i * PART_ENTRY_BYTES, true);
      const end = view.getFloat64(i * PART_ENTRY_BYTES + 8, true);
      if (!(offset >= 0 && offset <= end && end <= size))
        throw new VolleyError('VOLLEY_STORE_DAMAGED', {
          reason: `index blob ${indexBlobId} does not fit blob ${blobId}`,
        });
      return {kind: 'slice', blobId, offset, length: end - offset};
    });
  }

  async #block(source: Indexed, block: number): Promise<readonly Input[]> {
    const key = `${source.kind}/${source.blobId}/${block}`;
    const known = this.#blocks.get(key);
    const reading = known ?? this.#readBlock(source, block);
    this.#blocks.delete(key);
    this.#blocks.set(key, reading);
    keepNewest(this.#blocks, BLOCKS_KEPT);
    try {
      return await reading;
    } catch (error) {
      this.#blocks.delete(key);
      throw error;
    }
  }

  async #readBlock(source: Indexed, block: number): Promise<readonly Input[]> {
    const expected = Math.min(INDEX_LINES, source.count - block * INDEX_LINES);
    const {start, end} = await this.#blockRange(source, block);
    const inputs =
      source.kind === 'lines'
        ? await this.#lineInputs(source.blobId, start, end)
        : await this.#fileInputs(source.blobId, start, end);
    if (inputs.length === expected) return inputs;
    throw new VolleyError('VOLLEY_STORE_DAMAGED', {
      reason: `blob ${source.blobId} has ${inputs.length} lines where its index has ${expected}`,
    });
  }

  async #blockRange(source: Indexed, block: number): Promise<{start: number; end: number}> {
    const last = block === Math.ceil(source.count / INDEX_LINES) - 1;
    const entries = await this.#blobs.read(
      source.indexBlobId,
      block * INDEX_ENTRY_BYTES,
      last ? INDEX_ENTRY_BYTES : 2 * INDEX_ENTRY_BYTES,
    );
    const view = viewOf(entries);
    const size = await this.#blobs.size(source.blobId);
    if (size === undefined) throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob: source.blobId});
    const start = view.getFloat64(0, true);
    const end = last ? size : view.getFloat64(INDEX_ENTRY_BYTES, true);
    if (start >= 0 && start < end && end <= size) return {start, end};
    throw new VolleyError('VOLLEY_STORE_DAMAGED', {
      reason: `index blob ${source.indexBlobId} does not fit blob ${source.blobId}`,
    });
  }

  async #lineInputs(blobId: BlobId, start: number, end: number): Promise<readonly Input[]> {
    const inputs: Input[] = [];
    const cutter = new LineCutter(INLINE_INPUT_BYTES_MAX, (offset, length, bytes) => {
      if (length === 0) return; // blank last line
      inputs.push(
        bytes
          ? {kind: 'inline', bytes: bytes.slice()}
          : {kind: 'slice', blobId, offset: start + offset, length},
      );
    });
    for await (const chunk of this.#blobs.stream(blobId, start, end)) cutter.push(chunk);
    cutter.end();
    return inputs;
  }

  async #fileInputs(blobId: BlobId, start: number, end: number): Promise<readonly Input[]> {
    const files: FileLine[] = [];
    const cutter = new LineCutter(FILE_LINE_BYTES_MAX, (_offset, length, bytes) => {
      if (length === 0) return; // blank last line
      const file = bytes && fileLineOf(bytes);
      if (!file)
        throw new VolleyError('VOLLEY_STORE_DAMAGED', {
          reason: `blob ${blobId} has a line that names no file`,
        });
      files.push(file);
    });
    for await (const chunk of this.#blobs.stream(blobId, start, end)) cutter.push(chunk);
    cutter.end();
    return await Promise.all(files.map(file => this.#fileInput(file)));
  }

  async #fileInput({blob, size}: FileLine): Promise<Input> {
    return size <= INLINE_INPUT_BYTES_MAX
      ? {kind: 'inline', bytes: await this.#blobs.get(blob)}
      : {kind: 'slice', blobId: blob, offset: 0, length: size};
  }
}

/** The last chunk ends where the range does. */
function rangeInputs({start, end, chunk}: RangeSource, from: number, count: number): Input[] {
  const inputs: Input[] = [];
  for (let index = from; index < from + count; index++) {
    const first = start + index * chunk;
    if (index < 0 || first >= end)
      throw new VolleyError('VOLLEY_BAD_INPUT', {reason: `the range has no part ${index}`});
    inputs.push({kind: 'range', start: first, end: Math.min(first + chunk, end)});
  }
  return inputs;
}

/** A line of a `files` source, or undefined when it is not one. */
export function fileLineOf(bytes: Uint8Array): FileLine | undefined {
  const line = decodeJson(bytes) as Partial<Record<keyof FileLine, unknown>> | null | undefined;
  if (typeof line !== 'object' || line === null) return undefined;
  const {name, blob, size} = line;
  if (typeof name !== 'string' || name === '') return undefined;
  if (typeof blob !== 'string' || !/^[0-9a-f]{64}$/.test(blob)) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
  return {name, blob: asBlobId(blob), size};
}

/** Why a line is not JSON, or undefined when it is. */
export function jsonFaultOf(bytes: Uint8Array): string | undefined {
  const text = fromUtf8(bytes);
  if (text === undefined) return 'is not UTF-8';
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `is not JSON: ${(error as Error).message}`;
  }
}
