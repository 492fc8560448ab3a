// What can be read of a damaged store, held against its journal as far as that is whole. Pure; io/store-rebuild.ts
// reads and writes.
//
//   damaged   rows that are missing, unreadable or not what the journal says was written last
//   lastGood  the commit before the first one that anything is missing of: the new journal begins behind it
//
// A store may be larger than memory, so it is told in passes: every row of table `journal`, in the order of their
// keys; then every other row; `missing`; and, if it asks for that, the journal once more. Memory holds the newest
// claim of each row, about 150 bytes. JournalSalvage does all of them for a store that is in memory.

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
import {journalKey, type Op, put, TABLES, type TableName} from './tables.ts';

type Hash = Pick<Crypto, 'sha256'>;
/** Rows of each table by their keys. */
export type Tables = Map<TableName, Map<string, Uint8Array>>;

export type Readable = {
  /** Without `journal`, meta/head and meta/base. Rows that are in `damaged` may be there in an older form. */
  readonly tables: Tables;
  readonly damaged: ReadonlySet<string>;
  /**
   * Commits are missing that others follow: any row may be older than another one, and nothing tells. Of a lost tail
   * no row is.
   */
  readonly hasGaps: boolean;
  readonly lastGood: Head;
};

/** A row as it was read; `fault` says what is wrong with it by itself. */
export type ReadRow = {
  readonly rowKey: string;
  readonly payload: Uint8Array;
  readonly fault: string | undefined;
};

/** What the newest commit that can be read says of a row that it did not delete. */
type Known = {readonly digest: number; readonly journalNo: number; isThere: boolean};

/** The passes, one row at a time. */
export class SalvagePasses {
  readonly #crypto: Hash;
  readonly #isWhole: boolean;
  readonly #base: Head;
  readonly #claims = new Map<string, Known>();
  readonly #damaged = new Set<string>();
  /** Rows that are there, and that no commit that can be read has written and not deleted. */
  readonly #unclaimed = new Set<string>();
  /** Those of them that were deleted and came back. */
  readonly #deleted = new Set<string>();
  #firstLost: number;
  #hasGaps = false;

  /**
   * @param isWhole the journal is: a row that it does not know was deleted
   * @param baseRow payload of meta/base; undefined = there is none that can be read
   */
  constructor(crypto: Hash, isWhole: boolean, baseRow: Uint8Array | undefined) {
    this.#crypto = crypto;
    this.#isWhole = isWhole;
    this.#base = baseOf(baseRow);
    this.#firstLost = this.#base.journalNo + 1;
  }

  /** First pass: the rows of `journal` in the order of their keys. */
  journal(stored: ReadRow): void {
    const row = journalRowOf(stored);
    if (!row) return;
    // The rows without a gap from the base on: the first that is not among them is lost.
    if (row.journalNo === this.#firstLost) this.#firstLost += 1;
    else this.#hasGaps = true;
    for (const {rowKey, digest} of row.claims)
      if (digest === undefined) this.#claims.delete(rowKey);
      else this.#claims.set(rowKey, {digest, journalNo: row.journalNo, isThere: false});
  }

  /** Second pass: all others. true = it may be kept, unless `isDeleted` says otherwise in the end. */
  row({rowKey, payload, fault}: ReadRow): boolean {
    const known = this.#claims.get(rowKey);
    if (known) known.isThere = true;
    if (fault !== undefined) this.#lost(rowKey, known);
    // The ends of the old journal are none of the new one.
    const isEnd = rowKey === `meta/${HEAD_KEY}` || rowKey === `meta/${BASE_KEY}`;
    if (fault !== undefined || isEnd) return false;
    if (!known) this.#unclaimed.add(rowKey);
    else if (known.digest !== digestOf(this.#crypto, payload)) this.#lost(rowKey, known);
    return Object.hasOwn(TABLES, tableOf(rowKey));
  }

  #lost(rowKey: string, known: Known | undefined): void {
    this.#damaged.add(rowKey);
    if (known) this.#firstLost = Math.min(this.#firstLost, known.journalNo);
  }

  /** All rows were told. true = with gaps in the journal only a second reading of it tells what was deleted. */
  missing(): boolean {
    for (const [rowKey, known] of this.#claims) if (!known.isThere) this.#lost(rowKey, known);
    this.#claims.clear();
    if (this.#isWhole) for (const rowKey of this.#unclaimed) this.#deleted.add(rowKey);
    return !this.#isWhole && this.#unclaimed.size > 0;
  }

  /** Third pass: as the first. */
  again(stored: ReadRow): void {
    for (const {rowKey, digest} of journalRowOf(stored)?.claims ?? []) {
      if (!this.#unclaimed.has(rowKey)) continue;
      if (digest === undefined) this.#deleted.add(rowKey);
      else this.#deleted.delete(rowKey);
    }
  }

  /** The row was deleted and came back. */
  isDeleted(rowKey: string): boolean {
    return this.#deleted.has(rowKey);
  }

  get damaged(): ReadonlySet<string> {
    return this.#damaged;
  }

  get hasGaps(): boolean {
    return this.#hasGaps;
  }

  /** Key of the row of `journal` that `lastGood` wants to see. */
  get lastGoodKey(): string {
    return journalKey(Math.max(0, this.#firstLost - 1));
  }

  lastGood(journalRow: Uint8Array | undefined): Head {
    const journalNo = this.#firstLost - 1;
    if (journalRow) return {journalNo, hash: this.#crypto.sha256(journalRow)};
    if (journalNo === this.#base.journalNo) return this.#base;
    return {...EMPTY_HEAD, journalNo: Math.max(0, journalNo)};
  }
}

/** All passes over rows that are told in any order and are kept in memory. */
export class JournalSalvage {
  readonly #crypto: Hash;
  readonly #isWhole: boolean;
  readonly #rows: ReadRow[] = [];
  readonly #journal = new Map<string, ReadRow>();

  /** @param isWhole the journal is: a row that it does not know was deleted */
  constructor(crypto: Hash, isWhole: boolean) {
    this.#crypto = crypto;
    this.#isWhole = isWhole;
  }

  /** @param fault what is wrong with the row by itself */
  row(rowKey: string, payload: Uint8Array, fault: string | undefined): void {
    const row = {rowKey, payload, fault};
    if (tableOf(rowKey) === 'journal') this.#journal.set(keyOf(rowKey), row);
    else this.#rows.push(row);
  }

  end(): Readable {
    const isBase = ({rowKey, fault}: ReadRow): boolean =>
      rowKey === `meta/${BASE_KEY}` && fault === undefined;
    const base = this.#rows.find(isBase)?.payload;
    const passes = new SalvagePasses(this.#crypto, this.#isWhole, base);
    const journal = [...this.#journal].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    for (const row of journal) passes.journal(row);
    const kept = this.#rows.filter(row => passes.row(row));
    if (passes.missing()) for (const row of journal) passes.again(row);
    const tables: Tables = new Map();
    for (const row of kept) if (!passes.isDeleted(row.rowKey)) place(tables, row);
    const last = this.#journal.get(passes.lastGoodKey);
    const lastGood = passes.lastGood(last && journalRowOf(last) ? last.payload : undefined);
    return {tables, damaged: passes.damaged, hasGaps: passes.hasGaps, lastGood};
  }
}

function baseOf(row: Uint8Array | undefined): Head {
  try {
    return row ? decodeHead(row) : EMPTY_HEAD;
  } catch {
    return EMPTY_HEAD;
  }
}

/** undefined = no commit that we can read: a gap. */
function journalRowOf({payload, fault}: ReadRow): JournalRow | undefined {
  if (fault !== undefined) return undefined;
  try {
    return decodeJournalRow(payload);
  } catch {
    return undefined;
  }
}

export const tableOf = (rowKey: string): TableName =>
  rowKey.slice(0, Math.max(0, rowKey.indexOf('/'))) as TableName;
export const keyOf = (rowKey: string): string => rowKey.slice(rowKey.indexOf('/') + 1);

export function place(tables: Tables, {rowKey, payload}: ReadRow): void {
  const rows = tables.get(tableOf(rowKey)) ?? new Map<string, Uint8Array>();
  tables.set(tableOf(rowKey), rows.set(keyOf(rowKey), payload));
}

/** Bytes of the rows of one commit of a new store, about; and what a row is beside its payload. */
const COMMIT_BYTES = 256 * 1_024;
const ROW_BYTES = 100;

/** The commits of a new store whose journal begins behind `base`. */
export class NewStore {
  readonly #crypto: Hash;
  #head: Head;
  #ops: Op[];
  #bytes = 0;
  rows = 0;

  constructor(base: Head, crypto: Hash) {
    this.#crypto = crypto;
    this.#head = base;
    this.#ops = [put('meta', BASE_KEY, encodeHead(base))];
  }

  /** Answers a commit when there is enough for one. */
  add(table: TableName, key: string, payload: Uint8Array): readonly Op[] | undefined {
    this.#ops.push(put(table, key, payload));
    this.#bytes += payload.length + ROW_BYTES;
    this.rows += 1;
    return this.#bytes >= COMMIT_BYTES ? this.flush() : undefined;
  }

  /** The last commit. */
  flush(): readonly Op[] | undefined {
    if (this.#ops.length === 0) return undefined;
    const {ops, head} = journalOps(this.#crypto, this.#head, this.#ops);
    this.#head = head;
    this.#ops = [];
    this.#bytes = 0;
    return ops;
  }
}

/** The same of rows that are in memory. */
export function* newStore(tables: Tables, base: Head, crypto: Hash): Generator<readonly Op[]> {
  const made = new NewStore(base, crypto);
  for (const [table, rows] of tables)
    for (const [key, payload] of rows) {
      const ops = made.add(table, key, payload);
      if (ops) yield ops;
    }
  const ops = made.flush();
  if (ops) yield ops;
}
