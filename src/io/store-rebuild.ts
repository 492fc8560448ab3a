// A new store from what can be read of a damaged one: everything that LevelDB still gives, held against the
// journal as far as it is whole (core/journal-salvage.ts). It works on a copy and writes to a folder of its own.
//
// Reports are nearly all of a store, and are read again whenever they are needed; memory holds the other rows.

import {Level} from 'level';
import {VolleyError} from '../base/errors.ts';
import {BASE_KEY, type Head} from '../core/journal.ts';
import {
  keyOf,
  NewStore,
  place,
  type Readable,
  SalvagePasses,
  type Tables,
  tableOf,
} from '../core/journal-salvage.ts';
import type {Op, TableName} from '../core/tables.ts';
import type {Crypto} from '../wire/crypto.ts';
import {type LevelStore, openLevelStore, type StoredRow} from './level-store.ts';
import {examineStore, type RowDamage} from './store-audit.ts';

type Hash = Pick<Crypto, 'sha256'>;
/** `report` rows in the order of their keys, in parts. */
export type Reports = () => AsyncIterable<readonly (readonly [string, Uint8Array])[]>;

/** Its `tables` are without `report`. */
export type Salvaged = Readable & {
  readonly reports: Reports;
  readonly damages: readonly RowDamage[];
  /** `reports` reads the copy until then. */
  close(): Promise<void>;
};

/** Reads what there is; `copy` is changed. */
export async function salvageStore(copy: string, crypto: Hash): Promise<Salvaged> {
  const first = await readOnce(copy, crypto).catch((error: unknown) => {
    if (error instanceof VolleyError && error.code === 'VOLLEY_STORE_DAMAGED') return undefined;
    throw error;
  });
  if (first && !first.damages.some(({table}) => table === 'store')) return first;
  await first?.close();
  // On Node.js `Level` is ClassicLevel, whose types `level` does not show.
  await (Level as unknown as {repair(path: string): Promise<void>}).repair(copy);
  const second = await readOnce(copy, crypto);
  return {...second, damages: [...(first?.damages ?? [UNREADABLE]), ...second.damages]};
}

const UNREADABLE: RowDamage = {
  table: 'store',
  key: '',
  reason: 'LevelDB could not open it',
  journalNo: 0,
};

async function readOnce(copy: string, crypto: Hash): Promise<Salvaged> {
  const store = await openLevelStore(copy);
  try {
    const {damages} = await examineStore(store, crypto);
    const isWhole = !damages.some(({table}) => table === 'journal' || table === 'store');
    return {...(await read(store, crypto, isWhole)), damages, close: () => store.close()};
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function read(
  store: LevelStore,
  crypto: Hash,
  isWhole: boolean,
): Promise<Readable & Pick<Salvaged, 'reports'>> {
  const base = await store.get('meta', BASE_KEY).catch(() => undefined);
  const passes = new SalvagePasses(crypto, isWhole, base);
  const tables: Tables = new Map();
  await each(store, 'journal', row => passes.journal(row));
  await each(store, undefined, row => {
    const table = tableOf(row.rowKey);
    if (table !== 'journal' && passes.row(row) && table !== 'report') place(tables, row);
  });
  if (passes.missing()) await each(store, 'journal', row => passes.again(row));
  for (const [table, rows] of tables)
    for (const key of rows.keys()) if (passes.isDeleted(`${table}/${key}`)) rows.delete(key);
  const last = await store.get('journal', passes.lastGoodKey).catch(() => undefined);
  const reports = () => reportsOf(store, passes);
  const {damaged, hasGaps} = passes;
  return {tables, reports, damaged, hasGaps, lastGood: passes.lastGood(last)};
}

/** As far as LevelDB reads; what it cannot read is among the damages. */
async function each(
  store: LevelStore,
  table: TableName | undefined,
  onRow: (row: StoredRow) => void,
): Promise<void> {
  try {
    for await (const rows of store.rows(table)) for (const row of rows) onRow(row);
  } catch (error) {
    if (!(error instanceof VolleyError)) throw error;
  }
}

async function* reportsOf(
  store: LevelStore,
  passes: SalvagePasses,
): AsyncGenerator<(readonly [string, Uint8Array])[], void, void> {
  try {
    for await (const rows of store.rows('report'))
      yield rows
        .filter(({rowKey, fault}) => fault === undefined && !passes.isDeleted(rowKey))
        .map(({rowKey, payload}) => [keyOf(rowKey), payload] as const);
  } catch (error) {
    if (!(error instanceof VolleyError)) throw error;
  }
}

/** Rows of the new store. */
export type Rebuilt = {
  readonly tables: Tables;
  readonly reports: Reports;
  /** Keys of reports that are left out. */
  readonly badReports: ReadonlySet<string>;
};

/** Writes the rows to a new store in `folder`, whose journal begins behind `base`; answers how many. */
export async function writeStore(
  folder: string,
  {tables, reports, badReports}: Rebuilt,
  base: Head,
  crypto: Hash,
): Promise<number> {
  const store = await openLevelStore(folder);
  try {
    const made = new NewStore(base, crypto);
    const write = async (ops: readonly Op[] | undefined): Promise<void> => {
      if (ops) await committed(store, ops);
    };
    for (const [table, rows] of tables)
      for (const [key, payload] of rows) await write(made.add(table, key, payload));
    for await (const part of reports())
      for (const [key, payload] of part)
        if (!badReports.has(key)) await write(made.add('report', key, payload));
    await write(made.flush());
    return made.rows;
  } finally {
    await store.close();
  }
}

const committed = (store: LevelStore, ops: readonly Op[]): Promise<void> =>
  new Promise((resolve, reject) => store.commit(ops, error => (error ? reject(error) : resolve())));
