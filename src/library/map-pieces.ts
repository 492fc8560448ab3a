// Pieces of the file of results of `volley map --resume`: noted before they are written. So the next run knows of
// what is behind the last note whether it is its own and may be cut off, or somebody else's.
//
// A write that a kill or a full disk cuts ends between two pages, so each page has a sum. A cut within a page cannot
// be told from what somebody else wrote.

import {createHash} from 'node:crypto';

const PAGE_BYTES = 4_096;
const SUM_BYTES = 12;

export type Piece = {
  /** Where it begins in the file. */
  readonly at: number;
  readonly bytes: number;
  /** Of the part of it in each page. */
  readonly sums: readonly string[];
};

export const endOf = ({at, bytes}: Piece): number => at + bytes;

const pageEnd = (at: number, end: number): number =>
  Math.min(end, (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES);

const sumOf = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest().subarray(0, SUM_BYTES).toString('base64');

export function pieceOf(at: number, bytes: Uint8Array): Piece {
  const sums: string[] = [];
  const end = at + bytes.length;
  for (let from = at; from < end; from = pageEnd(from, end))
    sums.push(sumOf(bytes.subarray(from - at, pageEnd(from, end) - at)));
  return {at, bytes: bytes.length, sums};
}

/**
 * Where the bytes from `from` to `to` are not those of the pieces any more; `to` = all are.
 * @param read these bytes of the file
 */
export function ownUntil(
  pieces: readonly Piece[],
  [from, to]: readonly [number, number],
  read: (from: number, to: number) => Uint8Array,
): number {
  let at = from;
  for (const piece of pieces)
    for (const sum of piece.sums) {
      const end = pageEnd(at, endOf(piece));
      if (end > to || sumOf(read(at, end)) !== sum) return at;
      at = end;
    }
  return at;
}
