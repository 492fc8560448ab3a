// Results as lines of a file that other programs read: NDJSON, or CSV as RFC 4180 says it. And the way back,
// for a file that was cut: where its last whole record ends, and which result that was.

import type {FileHandle} from 'node:fs/promises';
import type {BatchId} from '../base/types.ts';
import type {ResultView} from '../core/views.ts';
import {usage} from './command.ts';

export const FORMATS = ['ndjson', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

const COLUMNS = ['batch', 'index', 'state', 'size', 'blobId', 'text', 'base64', 'reason'] as const;
/** `isBroadcast`: the node has a column too. */
const columnsOf = (isBroadcast: boolean): readonly (keyof ResultView)[] =>
  isBroadcast ? [...COLUMNS, 'nodeId'] : COLUMNS;

/** What a file begins with. */
export const headOf = (format: Format, isBroadcast = false): string =>
  format === 'csv' ? `${columnsOf(isBroadcast).join(',')}\r\n` : '';

export const recordOf = (format: Format, view: ResultView, isBroadcast = false): string =>
  format === 'csv'
    ? `${columnsOf(isBroadcast)
        .map(column => field(view[column]))
        .join(',')}\r\n`
    : `${JSON.stringify(view)}\n`;

function field(value: string | number | undefined): string {
  const text = value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a record begins with. */
const beginningOf = (format: Format, batch: BatchId): string =>
  format === 'csv' ? `${batch},` : `{"batch":${batch},`;

const CHUNK_BYTES = 256 * 1_024;
/** A record holds one inline output and little else. */
const RECORD_BYTES_MAX = 64 * 1_024;
const [QUOTE, LINE_FEED] = [0x22, 0x0a];

/**
 * `bytes` of the file are whole records, and the next result is `from`. Reads the file once, in pieces. Refuses what
 * is no export of that batch: a mixed file looks like a whole one.
 */
export async function whereToGoOn(
  file: FileHandle,
  format: Format,
  batch: BatchId,
  isBroadcast = false,
): Promise<{readonly bytes: number; readonly from: number}> {
  const ends = new RecordEnds(format);
  const chunk = new Uint8Array(CHUNK_BYTES);
  let size = 0;
  for (;;) {
    const {bytesRead} = await file.read(chunk, 0, CHUNK_BYTES, size);
    if (bytesRead === 0) break;
    ends.see(chunk.subarray(0, bytesRead), size);
    size += bytesRead;
  }
  const {start, end} = ends;
  const isHead = format === 'csv' && start === 0;
  if (end === 0 || isHead) {
    const wanted = headOf(format, isBroadcast) + beginningOf(format, batch);
    const text = await textOf(file, 0, Math.min(size, wanted.length));
    if (!wanted.startsWith(text))
      throw usage(`the file is no export of batch ${batch} in ${format}: it cannot go on`);
    return {bytes: 0, from: 0};
  }
  const found = placeOf(await textOf(file, start, end), format);
  if (found.batch !== batch)
    throw usage(
      `the file holds results of batch ${found.batch}: it cannot go on with batch ${batch}`,
    );
  return {bytes: end, from: found.index + 1};
}

/** Where the last whole record begins and ends. A line end between quotes ends no record of CSV. */
class RecordEnds {
  start = 0;
  end = 0;
  readonly #hasQuotes: boolean;
  #isQuoted = false;

  constructor(format: Format) {
    this.#hasQuotes = format === 'csv';
  }

  see(bytes: Uint8Array, at: number): void {
    for (const [i, byte] of bytes.entries()) {
      if (byte === QUOTE && this.#hasQuotes) this.#isQuoted = !this.#isQuoted;
      if (byte !== LINE_FEED || this.#isQuoted) continue;
      this.start = this.end;
      this.end = at + i + 1;
    }
  }
}

async function textOf(file: FileHandle, start: number, end: number): Promise<string> {
  const bytes = new Uint8Array(Math.min(end - start, RECORD_BYTES_MAX));
  await file.read(bytes, 0, bytes.length, start);
  return new TextDecoder().decode(bytes);
}

type Place = {readonly batch: number; readonly index: number};

/** Which result a record holds. */
function placeOf(record: string, format: Format): Place {
  const [batch, index] = (format === 'csv' ? record.split(',') : inJson(record)).map(Number);
  if (!Number.isInteger(batch) || !Number.isInteger(index))
    throw usage(`the file is no export in ${format}: it cannot go on`);
  return {batch: batch ?? 0, index: index ?? 0};
}

function inJson(record: string): unknown[] {
  try {
    const value = JSON.parse(record) as Partial<Place> | null;
    return [value?.batch, value?.index];
  } catch {
    return [];
  }
}
