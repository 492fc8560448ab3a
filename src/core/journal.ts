// The journal: every commit also writes one row that names the commit before it, so that a commit
// that the disk lost or changed is found when the store is opened, and never passes in silence.
//
//   journal/<n> = {n, hash of journal/<n-1>, hash of the operations of commit n}
//   meta/head   = {n, hash of journal/<n>}          both in the same atomic batch as the operations
//
// LevelDB drops a damaged block of its log without an error and goes on with what follows: that
// leaves a gap in the numbers. A lost tail leaves an older head; the journal cannot see that, but a
// node that holds a receipt with a higher number can.
//
// Why two lengths: the chain hash is what a receipt or a backup may quote for years, so it keeps
// all 32 bytes of SHA-256. The hash of the operations is itself under the chain hash; 16 bytes are
// enough to tell one batch from another and save a third of the row.

import {ByteReader, ByteWriter, equalBytes} from '../base/bytes.ts';
import type {Crypto} from '../wire/crypto.ts';
import {journalKey, type Op, put} from './tables.ts';

/** End of the journal. `journalNo` 0 with a zero hash = nothing was ever committed. */
export type Head = {readonly journalNo: number; readonly hash: Uint8Array};

export type JournalRow = {
  /** 1, 2, 3 …, the same as the row's key. */
  readonly journalNo: number;
  /** 32 bytes: hash of the row before; zero in the first row. */
  readonly previous: Uint8Array;
  /** First 16 bytes of SHA-256 over the operations of the commit. */
  readonly batch: Uint8Array;
};

export type JournalVerdict =
  | {readonly kind: 'good'; readonly head: Head}
  /** `journalNo` = the first row that is missing or wrong. */
  | {readonly kind: 'damaged'; readonly journalNo: number; readonly reason: string};

const CHAIN_BYTES = 32;
const BATCH_BYTES = 16;

export const EMPTY_HEAD: Head = {journalNo: 0, hash: new Uint8Array(CHAIN_BYTES)};
/** Key of the head in table `meta`. */
export const HEAD_KEY = 'head';

/** `ops` with the journal row and the new head behind them, and that head. */
export function journalOps(
  crypto: Pick<Crypto, 'sha256'>,
  head: Head,
  ops: readonly Op[],
): {readonly ops: readonly Op[]; readonly head: Head} {
  const journalNo = head.journalNo + 1;
  const batch = crypto.sha256(flatten(ops)).subarray(0, BATCH_BYTES);
  const row = encodeJournalRow({journalNo, previous: head.hash, batch});
  const next = {journalNo, hash: crypto.sha256(row)};
  const journal = put('journal', journalKey(journalNo), row);
  return {ops: [...ops, journal, put('meta', HEAD_KEY, encodeHead(next))], head: next};
}

/** First 16 bytes of SHA-256 over the operations, as a journal row holds it. */
export const hashOps = (crypto: Pick<Crypto, 'sha256'>, ops: readonly Op[]): Uint8Array =>
  crypto.sha256(flatten(ops)).slice(0, BATCH_BYTES);

export const encodeJournalRow = (row: JournalRow): Uint8Array =>
  new ByteWriter().varint(row.journalNo).raw(row.previous).raw(row.batch).bytes();

/** Throws RangeError for a row of the wrong length. */
export function decodeJournalRow(bytes: Uint8Array): JournalRow {
  const reader = new ByteReader(bytes);
  const row = {
    journalNo: reader.varint(),
    previous: reader.raw(CHAIN_BYTES),
    batch: reader.raw(BATCH_BYTES),
  };
  if (!reader.done) throw new RangeError('row is too long');
  return row;
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

/**
 * Checks a journal row by row, in the order of the keys. Give it every row of table `journal`, then
 * `end` with the row of meta/head. It remembers the first fault; rows after that are not looked at.
 */
export class JournalAudit {
  readonly #crypto: Pick<Crypto, 'sha256'>;
  #head = EMPTY_HEAD;
  #damage: JournalVerdict | undefined;

  constructor(crypto: Pick<Crypto, 'sha256'>) {
    this.#crypto = crypto;
  }

  /** false = damaged: no need to bring further rows. */
  row(key: string, payload: Uint8Array): boolean {
    if (this.#damage) return false;
    const expected = this.#head.journalNo + 1;
    const fault = this.#faultOf(key, payload, expected);
    if (fault === undefined) this.#head = {journalNo: expected, hash: this.#crypto.sha256(payload)};
    else this.#damage = {kind: 'damaged', journalNo: expected, reason: fault};
    return fault === undefined;
  }

  /** @param headRow payload of meta/head, undefined when there is none */
  end(headRow: Uint8Array | undefined): JournalVerdict {
    if (this.#damage) return this.#damage;
    const fault = this.#faultOfHead(headRow);
    return fault ? {kind: 'damaged', ...fault} : {kind: 'good', head: this.#head};
  }

  #faultOf(key: string, payload: Uint8Array, expected: number): string | undefined {
    if (key !== journalKey(expected)) return `the next row is ${Number.parseInt(key, 16)}`;
    const row = decoded(decodeJournalRow, payload);
    if (row === undefined) return 'the row has the wrong length';
    if (row.journalNo !== expected) return `the row says it is row ${row.journalNo}`;
    if (!equalBytes(row.previous, this.#head.hash))
      return 'the row does not follow from the row before it';
    return undefined;
  }

  #faultOfHead(headRow: Uint8Array | undefined): {journalNo: number; reason: string} | undefined {
    const {journalNo, hash} = this.#head;
    if (headRow === undefined)
      return journalNo === 0 ? undefined : {journalNo, reason: 'the head is missing'};
    const head = decoded(decodeHead, headRow);
    if (head === undefined) return {journalNo, reason: 'the head has the wrong length'};
    if (head.journalNo > journalNo)
      return {journalNo: journalNo + 1, reason: `rows up to ${head.journalNo} are missing`};
    if (head.journalNo < journalNo)
      return {journalNo: head.journalNo + 1, reason: `the head is at ${head.journalNo}`};
    if (!equalBytes(head.hash, hash)) return {journalNo, reason: 'the head names another row'};
    return undefined;
  }
}

function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

// All operations as one run of bytes: one hash call for a commit. Two passes over the list (size,
// then copy) are faster than growing a buffer, and far faster than a hash update for each part.
//   put: 1, length of table, table, length u16 of key, key, length u32 of value, value
//   del: 0, length of table, table, length u16 of key, key

const HEADER_BYTES = 1 + 1 + 2 + 4;

function flatten(ops: readonly Op[]): Uint8Array {
  let size = 0;
  for (const op of ops) {
    size += HEADER_BYTES + op.table.length + op.key.length;
    if (op.type === 'put') size += op.value.length;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const op of ops) at = writeOp(bytes, at, op);
  return bytes.subarray(0, at);
}

function writeOp(bytes: Uint8Array, start: number, op: Op): number {
  let at = start;
  bytes[at++] = op.type === 'put' ? 1 : 0;
  bytes[at++] = op.table.length;
  at = writeAscii(bytes, at, op.table);
  bytes[at++] = op.key.length >>> 8;
  bytes[at++] = op.key.length;
  at = writeAscii(bytes, at, op.key);
  if (op.type === 'del') return at;
  const length = op.value.length;
  bytes[at++] = length >>> 24;
  bytes[at++] = length >>> 16;
  bytes[at++] = length >>> 8;
  bytes[at++] = length;
  bytes.set(op.value, at);
  return at + length;
}

function writeAscii(bytes: Uint8Array, start: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + text.length;
}
