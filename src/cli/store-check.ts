// Does a master's core come up from this store? For stores that were put together anew.

import {Prng} from '../base/prng.ts';
import {type AppRow, jsonRow, type TableName} from '../core/tables.ts';
import type {LevelStore} from '../io/level-store.ts';
import {SystemClock} from '../io/system-clock.ts';
import type {MasterConfig} from '../master/context.ts';
import type {MasterCore} from '../master/master.ts';
import {FIRST_TABLES, MasterRestore} from '../master/restore.ts';
import {TRUST_KEY} from '../master/trust-watch.ts';
import type {Crypto} from '../wire/crypto.ts';

/** Whether a row of FIRST_TABLES is taken. */
export type Wanted = (table: TableName, key: string, value: Uint8Array) => Promise<boolean>;

/** An app that is not `good` is left out. */
export const goodApps =
  (good: (app: AppRow) => Promise<boolean>): Wanted =>
  async (table, _key, value) =>
    table !== 'app' || (await good(jsonRow<AppRow>(value)));

/** Pushes the rows in their order; see FIRST_TABLES. */
export async function restoreMaster(
  store: LevelStore,
  rows: MasterRestore,
  wanted: Wanted,
): Promise<MasterCore> {
  for (const table of FIRST_TABLES)
    for await (const [key, value] of store.scan(table))
      if (await wanted(table, key, value)) rows.row(table, key, value);
  for (const {table, from, to} of rows.ranges())
    for await (const [key, value] of store.scan(table, from, to)) rows.row(table, key, value);
  return rows.finish();
}

/** A master without a trust document of its own must not be told that it has an old one. */
const withoutTrust: Wanted = async (table, key) => table !== 'meta' || key !== TRUST_KEY;

/** Rejects with VOLLEY_STORE_DAMAGED. The core it makes is thrown away, its keys are nobody's. */
export async function restoreCheck(store: LevelStore, crypto: Crypto): Promise<void> {
  const config: MasterConfig = {
    clusterId: crypto.random(16),
    instanceId: crypto.random(8),
    leaseSecret: crypto.random(32),
    blobSecret: crypto.random(32),
    groupKey: crypto.random(32),
    groupKeyId: 0,
    blobPort: 0,
    signedTrust: new Uint8Array(),
    version: '',
  };
  const now = new SystemClock().now();
  const rows = new MasterRestore(config, crypto, new Prng(1), now);
  (await restoreMaster(store, rows, withoutTrust)).check();
}
