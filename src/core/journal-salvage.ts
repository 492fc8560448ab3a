// What can be read of a damaged store, row by row and in any order, held against its journal as far as that is
// whole. Pure; io/store-rebuild.ts reads and writes.
//
//   damaged   rows that are missing, unreadable or not what the journal says was written last
//   lastGood  the commit before the first one that anything is missing of: the new journal begins behind it,
//             so that every receipt for something that may be lost has a higher number, and nodes see that

import type {Crypto} from '../wire/crypto.ts';
import {
  BASE_KEY,
  decodeHead,
  decodeJournalRow,
  digestOf,
  EMPTY_HEAD,
  encodeHead,
  HEAD_KEY,
  type Head,
  type JournalRow,
  journalOps,
} from './journal.ts';
import {type Op, put, TABLES, type TableName} from './tables.ts';

type Hash = Pick<Crypto, 'sha256'>;
/** Rows of each table by their keys. */
export type Tables = Map<TableName, Map<string, Uint8Array>>;

export type Readable = {
  /** Without `journal`, meta/head and meta/base. Rows that are in `damaged` may be there in an older form. */
  readonly tables: Tables;
  readonly damaged: ReadonlySet<string>;
  readonly lastGood: Head;
};

/** Rows of one commit of the new store. */
const ROWS_PER_COMMIT = 2_000;

type Known = {readonly digest: number | undefined; readonly journalNo: number};

export class JournalSalvage {
  readonly #crypto: Hash;
  readonly #isWhole: boolean;
  readonly #rows = new Map<string, Uint8Array>();
  readonly #journal = new Map<number, {row: JournalRow; payload: Uint8Array}>();
  readonly #damaged = new Set<string>();

  /** @param isWhole the journal is: a row that it does not know was deleted */
  constructor(crypto: Hash, isWhole: boolean) {
    this.#crypto = crypto;
    this.#isWhole = isWhole;
  }

  /** @param fault what is wrong with the row by itself */
  row(rowKey: string, payload: Uint8Array, fault: string | undefined): void {
    if (fault !== undefined) this.#damaged.add(rowKey);
    else if (rowKey.startsWith('journal/')) this.#journalRow(payload);
    else this.#rows.set(rowKey, payload);
  }

  #journalRow(payload: Uint8Array): void {
    try {
      const row = decodeJournalRow(payload);
      this.#journal.set(row.journalNo, {row, payload});
    } catch {
      // No commit that we can read: a gap.
    }
  }

  end(): Readable {
    const base = this.#base();
    const claims = this.#claims();
    let firstLost = this.#firstGap(base);
    const lost = (rowKey: string, known: Known | undefined): void => {
      this.#damaged.add(rowKey);
      if (known) firstLost = Math.min(firstLost, known.journalNo);
    };
    for (const rowKey of [...this.#damaged]) lost(rowKey, claims.get(rowKey));
    for (const [rowKey, known] of claims)
      if (known.digest !== undefined && !this.#rows.has(rowKey)) lost(rowKey, known);
    const tables: Tables = new Map();
    for (const [rowKey, payload] of this.#rows) {
      const known = claims.get(rowKey);
      if (!this.#isKept(rowKey, known)) continue;
      if (known && known.digest !== digestOf(this.#crypto, payload)) lost(rowKey, known);
      place(tables, rowKey, payload);
    }
    return {tables, damaged: this.#damaged, lastGood: this.#headAt(base, firstLost - 1)};
  }

  /** Not the ends of the old journal, nor a row that was deleted and came back. */
  #isKept(rowKey: string, known: Known | undefined): boolean {
    if (rowKey === `meta/${HEAD_KEY}` || rowKey === `meta/${BASE_KEY}`) return false;
    return known ? known.digest !== undefined : !this.#isWhole;
  }

  #base(): Head {
    const payload = this.#rows.get(`meta/${BASE_KEY}`);
    try {
      return payload ? decodeHead(payload) : EMPTY_HEAD;
    } catch {
      return EMPTY_HEAD;
    }
  }

  #firstGap(base: Head): number {
    let journalNo = base.journalNo + 1;
    while (this.#journal.has(journalNo)) journalNo += 1;
    return journalNo;
  }

  #headAt(base: Head, journalNo: number): Head {
    const found = this.#journal.get(journalNo);
    if (found) return {journalNo, hash: this.#crypto.sha256(found.payload)};
    return journalNo === base.journalNo ? base : {...EMPTY_HEAD, journalNo: Math.max(0, journalNo)};
  }

  /** What every readable commit says, the newest of each row. */
  #claims(): Map<string, Known> {
    const claims = new Map<string, Known>();
    const numbers = [...this.#journal.keys()].sort((a, b) => a - b);
    for (const journalNo of numbers)
      for (const {rowKey, digest} of this.#journal.get(journalNo)?.row.claims ?? [])
        claims.set(rowKey, {digest, journalNo});
    return claims;
  }
}

function place(tables: Tables, rowKey: string, payload: Uint8Array): void {
  const slash = rowKey.indexOf('/');
  const table = rowKey.slice(0, slash) as TableName;
  if (!Object.hasOwn(TABLES, table)) return;
  let rows = tables.get(table);
  if (!rows) {
    rows = new Map();
    tables.set(table, rows);
  }
  rows.set(rowKey.slice(slash + 1), payload);
}

/** The commits of a new store with these rows, whose journal begins behind `base`. */
export function* newStore(tables: Tables, base: Head, crypto: Hash): Generator<readonly Op[]> {
  let head = base;
  let ops: Op[] = [put('meta', BASE_KEY, encodeHead(base))];
  const flushed = (): readonly Op[] => {
    const made = journalOps(crypto, head, ops);
    head = made.head;
    ops = [];
    return made.ops;
  };
  for (const [table, rows] of tables)
    for (const [key, payload] of rows) {
      ops.push(put(table, key, payload));
      if (ops.length >= ROWS_PER_COMMIT) yield flushed();
    }
  if (ops.length > 0) yield flushed();
}
