// Results as lines of a file that other programs read: NDJSON, or CSV as RFC 4180 says it. And the way back,
// for a file that was cut: where its last whole record ends, and which result that was.

import type {FileHandle} from 'node:fs/promises';
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

const CHUNK_BYTES = 256 * 1_024;
/** A record holds one inline output and little else. */
const RECORD_BYTES_MAX = 64 * 1_024;
const [QUOTE, LINE_FEED] = [0x22, 0x0a];

/** `bytes` of the file are whole records, and the next result is `from`. Reads the file once, in pieces. */
export async function whereToGoOn(
  file: FileHandle,
  format: Format,
): Promise<{readonly bytes: number; readonly from: number}> {
  const ends = new RecordEnds(format);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; ; ) {
    const {bytesRead} = await file.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) break;
    ends.see(chunk.subarray(0, bytesRead), at);
    at += bytesRead;
  }
  const {start, end} = ends;
  const isHead = format === 'csv' && start === 0;
  if (end === 0 || isHead) return {bytes: 0, from: 0};
  return {bytes: end, from: indexOf(await textOf(file, start, end), format) + 1};
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

/** Index of the result that a record holds. */
function indexOf(record: string, format: Format): number {
  const index = format === 'csv' ? Number(record.split(',')[1]) : indexInJson(record);
  if (!Number.isInteger(index)) throw usage(`the file is no export in ${format}: it cannot go on`);
  return index;
}

function indexInJson(record: string): number {
  try {
    const value: unknown = JSON.parse(record);
    return Number((value as {index?: unknown} | null)?.index);
  } catch {
    return Number.NaN;
  }
}
