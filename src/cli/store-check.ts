// Does a master's core come up from this store? For stores that were put together anew.

import {Prng} from '../base/prng.ts';
import {type AppRow, jsonRow} from '../core/tables.ts';
import type {LevelStore} from '../io/level-store.ts';
import {SystemClock} from '../io/system-clock.ts';
import type {MasterConfig} from '../master/context.ts';
import type {MasterCore} from '../master/master.ts';
import {FIRST_TABLES, MasterRestore} from '../master/restore.ts';
import type {Crypto} from '../wire/crypto.ts';

/** Pushes the rows in their order; see FIRST_TABLES. An app that is not `good` is left out. */
export async function restoreMaster(
  store: LevelStore,
  rows: MasterRestore,
  good: (app: AppRow) => Promise<boolean> = async () => true,
): Promise<MasterCore> {
  for (const table of FIRST_TABLES)
    for await (const [key, value] of store.scan(table)) {
      if (table === 'app' && !(await good(jsonRow<AppRow>(value)))) continue;
      rows.row(table, key, value);
    }
  for (const {table, from, to} of rows.ranges())
    for await (const [key, value] of store.scan(table, from, to)) rows.row(table, key, value);
  return rows.finish();
}

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
  const core = await restoreMaster(store, new MasterRestore(config, crypto, new Prng(1), now));
  core.check();
}
