// Holds a store against its journal: is the chain whole, and is every row what was written last?
//
// Three steps, in this order: every row of table `journal`, then `end` with the head; then every other row
// (`fault`), and what is claimed and was not among them (`missing`). Replaying the claims keeps one entry
// for each live row in memory, about 150 bytes.

import {equalBytes} from '../base/bytes.ts';
import type {Crypto} from '../wire/crypto.ts';
import {
  decodeHead,
  decodeJournalRow,
  digestOf,
  EMPTY_HEAD,
  type Head,
  type JournalRow,
} from './journal.ts';
import {journalKey} from './tables.ts';

export type JournalVerdict =
  | {readonly kind: 'good'; readonly head: Head}
  /** `journalNo` = the first row that is missing or wrong. */
  | {readonly kind: 'damaged'; readonly journalNo: number; readonly reason: string};

/** What the newest commit that wrote a row says of it. */
export type Claimed = {readonly digest: number; readonly journalNo: number};

export class JournalAudit {
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #claims = new Map<string, Claimed>();
  #head = EMPTY_HEAD;
  #damage: JournalVerdict | undefined;

  /** @param baseRow payload of meta/base, undefined when there is none */
  constructor(crypto: Pick<Crypto, 'sha256'>, baseRow?: Uint8Array) {
    this.#crypto = crypto;
    if (!baseRow) return;
    const base = decoded(decodeHead, baseRow);
    if (base) this.#head = base;
    else this.#damage = {kind: 'damaged', journalNo: 1, reason: 'the base has the wrong length'};
  }

  /** false = damaged: no need to bring further rows. */
  row(key: string, payload: Uint8Array): boolean {
    if (this.#damage) return false;
    const expected = this.#head.journalNo + 1;
    const row = decoded(decodeJournalRow, payload);
    const fault = row ? this.#faultOf(key, row, expected) : 'the row is cut short';
    if (fault === undefined && row) this.#follow(row, payload);
    else this.#damage = {kind: 'damaged', journalNo: expected, reason: fault ?? ''};
    return fault === undefined;
  }

  #follow({journalNo, claims}: JournalRow, payload: Uint8Array): void {
    this.#head = {journalNo, hash: this.#crypto.sha256(payload)};
    for (const {rowKey, digest} of claims)
      if (digest === undefined) this.#claims.delete(rowKey);
      else this.#claims.set(rowKey, {digest, journalNo});
  }

  /**
   * @param headRow payload of meta/head, undefined when there is none
   * @param witnessed how far the journal was durable, as its witness says
   */
  end(headRow: Uint8Array | undefined, witnessed?: Head): JournalVerdict {
    if (this.#damage) return this.#damage;
    const fault = this.#faultOfHead(headRow) ?? this.#faultOfEnd(witnessed);
    return fault ? {kind: 'damaged', ...fault} : {kind: 'good', head: this.#head};
  }

  /** What is wrong with a row of another table than `journal` (meta/head is not asked for). */
  fault(rowKey: string, payload: Uint8Array): string | undefined {
    const claim = this.#claims.get(rowKey);
    if (!claim) return 'it was deleted, or never written';
    this.#claims.delete(rowKey);
    return claim.digest === digestOf(this.#crypto, payload)
      ? undefined
      : `it is not what commit ${claim.journalNo} wrote`;
  }

  /** End of what is right of the journal so far. */
  get head(): Head {
    return this.#head;
  }

  claimed(rowKey: string): Claimed | undefined {
    return this.#claims.get(rowKey);
  }

  /** A row whose own checksum is wrong is there, and is not missing. Answers who wrote it last. */
  see(rowKey: string): Claimed | undefined {
    const claim = this.#claims.get(rowKey);
    this.#claims.delete(rowKey);
    return claim;
  }

  /** Rows that were written and were not brought. */
  missing(): ReadonlyMap<string, Claimed> {
    return this.#claims;
  }

  #faultOf(key: string, row: JournalRow, expected: number): string | undefined {
    if (key !== journalKey(expected)) return `the next row is ${Number.parseInt(key, 16)}`;
    if (row.journalNo !== expected) return `the row says it is row ${row.journalNo}`;
    if (!equalBytes(row.previous, this.#head.hash))
      return 'the row does not follow from the row before it';
    return undefined;
  }

  /** A lost tail leaves a good, shorter journal. A witness that is older than the journal says nothing. */
  #faultOfEnd(witnessed: Head | undefined): {journalNo: number; reason: string} | undefined {
    const {journalNo, hash} = this.#head;
    if (!witnessed || witnessed.journalNo < journalNo) return undefined;
    if (witnessed.journalNo > journalNo) {
      const reason = `rows up to ${witnessed.journalNo} were durable and are missing`;
      return {journalNo: journalNo + 1, reason};
    }
    if (equalBytes(witnessed.hash, hash)) return undefined;
    return {journalNo, reason: 'it is not the row that was written'};
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
