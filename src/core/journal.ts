// The journal: every commit also writes one row that names the commit before it and every row that it
// wrote, so that whatever the disk lost, changed or brought back is found when the store is opened.
//
//   journal/<n> = {n, hash of journal/<n-1>, claims of commit n}
//   meta/head   = {n, hash of journal/<n>}          both in the same atomic batch as the operations
//   a claim     = "table/key", and 6 bytes of SHA-256 of the value that was put, or that it was deleted
//
// LevelDB drops a damaged block of its log without an error and goes on with what follows: that
// leaves a gap in the numbers. In a table it may lose one row, or the newest of several values of a row:
// then an older one comes back, and its own checksum is right. Only who knows what was written last
// can tell, so the audit replays the claims and holds the result against every row (journal-audit.ts).
//
// Why claims, and not a sum over all live rows: a sum needs the old value of each row that is written
// over, which means a read for each write or all digests in memory, and it tells that something is wrong
// but not what. A claim costs a hash of 1 µs and 30 bytes in a row that is written anyway, and names the row.
// Why 6 bytes: against chance, not against an enemy (who could rewrite the whole chain); 2^-48 is enough,
// and the number fits a double. The chain hash keeps all 32: a receipt or a backup may quote it for years.
//
// A store that was recovered begins at a base: meta/base = {n, hash} stands for all commits up to n, and
// the commits after it claim every row. A lost tail leaves an older head; the witness beside the store
// (io/store-witness.ts) sees that, and so does a node that holds a receipt with a higher number.

import {ByteReader, ByteWriter} from '../base/bytes.ts';
import type {Crypto} from '../wire/crypto.ts';
import {journalKey, type Op, put} from './tables.ts';

/** End of the journal. `journalNo` 0 with a zero hash = nothing was ever committed. */
export type Head = {readonly journalNo: number; readonly hash: Uint8Array};

/** `digest` undefined = the row was deleted. */
export type Claim = {readonly rowKey: string; readonly digest: number | undefined};

export type JournalRow = {
  /** 1, 2, 3 …, the same as the row's key. */
  readonly journalNo: number;
  /** 32 bytes: hash of the row before; zero in the first row. */
  readonly previous: Uint8Array;
  /** What the commit wrote, in its order; the row itself and the head are not among it. */
  readonly claims: readonly Claim[];
};

const CHAIN_BYTES = 32;
const DIGEST_BYTES = 6;

export const EMPTY_HEAD: Head = {journalNo: 0, hash: new Uint8Array(CHAIN_BYTES)};
/** Key of the head in table `meta`. */
export const HEAD_KEY = 'head';
/** Key of what the journal begins after, in table `meta`; no row = EMPTY_HEAD. */
export const BASE_KEY = 'base';

/** `ops` with the journal row and the new head behind them, and that head. */
export function journalOps(
  crypto: Pick<Crypto, 'sha256'>,
  head: Head,
  ops: readonly Op[],
): {readonly ops: readonly Op[]; readonly head: Head} {
  const journalNo = head.journalNo + 1;
  const row = encodeClaims(crypto, journalNo, head.hash, ops);
  const next = {journalNo, hash: crypto.sha256(row)};
  const journal = put('journal', journalKey(journalNo), row);
  return {ops: [...ops, journal, put('meta', HEAD_KEY, encodeHead(next))], head: next};
}

/** What a claim says of a value: the first 6 bytes of its SHA-256, as a number. */
export const digestOf = (crypto: Pick<Crypto, 'sha256'>, value: Uint8Array): number =>
  numberAt(crypto.sha256(value), 0);

function numberAt(bytes: Uint8Array, at: number): number {
  let number = 0;
  for (let i = at; i < at + DIGEST_BYTES; i++) number = number * 256 + (bytes[i] as number);
  return number;
}

/** Two passes (size, then write) into one buffer: faster than one that grows. */
function encodeClaims(
  crypto: Pick<Crypto, 'sha256'>,
  journalNo: number,
  previous: Uint8Array,
  ops: readonly Op[],
): Uint8Array {
  const head = new ByteWriter().varint(journalNo).raw(previous).bytes();
  let size = head.length;
  for (const op of ops) size += 3 + op.table.length + op.key.length + DIGEST_BYTES;
  const bytes = new Uint8Array(size);
  bytes.set(head);
  let at = head.length;
  for (const op of ops) {
    const length = op.table.length + 1 + op.key.length;
    const mark = length * 2 + (op.type === 'put' ? 1 : 0);
    if (mark >= 128) bytes[at++] = (mark % 128) | 128;
    bytes[at++] = mark >= 128 ? mark >> 7 : mark;
    at = writeAscii(bytes, at, op.table);
    bytes[at++] = SLASH;
    at = writeAscii(bytes, at, op.key);
    if (op.type === 'del') continue;
    const hash = crypto.sha256(op.value);
    for (let i = 0; i < DIGEST_BYTES; i++) bytes[at++] = hash[i] as number;
  }
  return bytes.subarray(0, at);
}

const SLASH = 0x2f;

function writeAscii(bytes: Uint8Array, start: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + text.length;
}

export const rowKeyOf = (op: Op): string => `${op.table}/${op.key}`;

/** Throws RangeError for a row that is cut short. */
export function decodeJournalRow(bytes: Uint8Array): JournalRow {
  const reader = new ByteReader(bytes);
  const journalNo = reader.varint();
  const previous = reader.raw(CHAIN_BYTES);
  const claims: Claim[] = [];
  while (!reader.done) {
    const mark = reader.varint();
    const name = reader.raw(Math.floor(mark / 2));
    const rowKey = String.fromCharCode(...name);
    const digest = mark % 2 === 1 ? numberAt(reader.raw(DIGEST_BYTES), 0) : undefined;
    claims.push({rowKey, digest});
  }
  return {journalNo, previous, claims};
}

export const encodeHead = (head: Head): Uint8Array =>
  new ByteWriter().varint(head.journalNo).raw(head.hash).bytes();

/** Throws RangeError for a row of the wrong length. */
export function decodeHead(bytes: Uint8Array): Head {
  const reader = new ByteReader(bytes);
  const head = {journalNo: reader.varint(), hash: reader.raw(CHAIN_BYTES)};
  if (!reader.done) throw new RangeError('row is too long');
  return head;
}
