// Blobs over HTTP: what both servers need of the blob folder, and the leaves they share: which part of a
// blob a request wants, and how its answer looks. Content never changes under its name, so the name is
// the entity tag and a range is good for ever.

import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import {asBlobId} from '../base/types.ts';

export type StoredBlob = {readonly blobId: BlobId; readonly size: number};

/** The blob folder as HTTP sees it; io/blob-store.ts fits it. */
export interface Blobs {
  /** Runs `act`, which asks for blobs here and has a row name them: no sweep comes between. */
  naming<T>(act: () => Promise<T>): Promise<T>;
  /** Bytes, or undefined when the blob is not there. One that is there stays for most of a day at least. */
  size(blobId: BlobId): Promise<number | undefined>;
  /** The whole blob. Throws VOLLEY_UNKNOWN_BLOB, as read and stream do. For blobs of bounded size. */
  get(blobId: BlobId): Promise<Uint8Array>;
  /** Exactly `length` bytes from `offset`. */
  read(blobId: BlobId, offset: number, length: number): Promise<Uint8Array>;
  /** Bytes from `start` up to and without `end`, read as they are taken. */
  stream(blobId: BlobId, start: number, end: number): AsyncIterable<Uint8Array>;
  /**
   * Takes bytes until the source ends. Leaves nothing when it throws: VOLLEY_TOO_LARGE above `limit`,
   * VOLLEY_BAD_INPUT when the hash is not `expected`.
   */
  putStream(
    source: AsyncIterable<Uint8Array>,
    options: {readonly expected?: BlobId; readonly limit: number},
  ): Promise<StoredBlob>;
}

const BLOB_ID = /^[0-9a-f]{64}$/;
const ID_CHARACTERS = 64;

export const parseBlobId = (text: string | undefined): BlobId | undefined =>
  text !== undefined && BLOB_ID.test(text) ? asBlobId(text) : undefined;

export type Span = {readonly offset: number; readonly length: number};
export type Wanted =
  | ({readonly kind: 'whole'} & Span)
  | ({readonly kind: 'part'} & Span)
  | {readonly kind: 'unsatisfiable'};

/** One byte range of RFC 9110; several ranges, or words it does not know, mean the whole blob. */
export function parseRange(header: string | undefined, size: number): Wanted {
  const whole = {kind: 'whole', offset: 0, length: size} as const;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (match === null) return whole;
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  if (first === '' && last === '') return whole;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? {kind: 'unsatisfiable'} : {kind: 'part', offset: size - length, length};
  }
  const offset = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < offset) return whole;
  return offset >= size ? {kind: 'unsatisfiable'} : {kind: 'part', offset, length: end - offset};
}

export type BlobAnswer = {
  readonly status: 200 | 206 | 304 | 416;
  readonly headers: Readonly<Record<string, string | number>>;
  /** What the body holds; undefined = no body. */
  readonly span: Span | undefined;
};

export type BlobConditions = {
  readonly range?: string | undefined;
  readonly 'if-range'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
};

/** The head of an answer to GET or HEAD of a blob that is there. */
export function answerBlob(blobId: BlobId, size: number, asked: BlobConditions): BlobAnswer {
  const etag = `"${blobId}"`;
  const headers = {etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream'};
  if (asked['if-none-match'] === etag) return {status: 304, headers, span: undefined};
  const stale = asked['if-range'] !== undefined && asked['if-range'] !== etag;
  const wanted = parseRange(stale ? undefined : asked.range, size);
  if (wanted.kind === 'unsatisfiable') {
    const none = {...headers, 'content-range': `bytes */${size}`, 'content-length': 0};
    return {status: 416, headers: none, span: undefined};
  }
  const {offset, length} = wanted;
  const sized = {...headers, 'content-length': length};
  if (wanted.kind === 'whole') return {status: 200, headers: sized, span: {offset, length}};
  const range = `bytes ${offset}-${offset + length - 1}/${size}`;
  return {status: 206, headers: {...sized, 'content-range': range}, span: {offset, length}};
}

/** The bytes of a span, all of them or a throw: what was promised in a header must come. */
export async function* readSpan(
  blobs: Pick<Blobs, 'stream'>,
  blobId: BlobId,
  {offset, length}: Span,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = length;
  for await (const piece of blobs.stream(blobId, offset, offset + length)) {
    left -= piece.length;
    yield piece;
  }
  if (left === 0) return;
  const reason = `blob ${blobId} is ${left} bytes too short`;
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {reason});
}

/**
 * Asks for each blob that a list of files names: nothing deletes them now, as nothing deletes the list. What is not
 * there shows when it is read.
 */
export async function askForListed(
  blobs: Pick<Blobs, 'size' | 'stream'>,
  listId: BlobId,
): Promise<void> {
  const size = (await blobs.size(listId)) ?? 0;
  let rest = '';
  for await (const piece of blobs.stream(listId, 0, size)) {
    const text = rest + Buffer.from(piece).toString('latin1');
    for (const [id] of text.matchAll(/[0-9a-f]{64}/g)) await blobs.size(asBlobId(id));
    rest = text.slice(1 - ID_CHARACTERS);
  }
}
