// A new store from what can be read of a damaged one: everything that LevelDB still gives, held against the
// journal as far as it is whole (core/journal-salvage.ts). It works on a copy and writes to a folder of its own.

import {Level} from 'level';
import {VolleyError} from '../base/errors.ts';
import type {Head} from '../core/journal.ts';
import {JournalSalvage, newStore, type Readable, type Tables} from '../core/journal-salvage.ts';
import type {Op} from '../core/tables.ts';
import type {Crypto} from '../wire/crypto.ts';
import {type LevelStore, openLevelStore} from './level-store.ts';
import {examineStore, type RowDamage} from './store-audit.ts';

type Hash = Pick<Crypto, 'sha256'>;

export type Salvaged = Readable & {readonly damages: readonly RowDamage[]};

/** Reads what there is; `copy` is changed. Needs memory for all of it. */
export async function salvageStore(copy: string, crypto: Hash): Promise<Salvaged> {
  const first = await readOnce(copy, crypto).catch((error: unknown) => {
    if (error instanceof VolleyError && error.code === 'VOLLEY_STORE_DAMAGED') return undefined;
    throw error;
  });
  if (first && !first.damages.some(({table}) => table === 'store')) return first;
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
    const reading = new JournalSalvage(crypto, isWhole);
    await store
      .look(({rowKey, payload, fault}) => reading.row(rowKey, payload, fault))
      .catch(() => {});
    return {...reading.end(), damages};
  } finally {
    await store.close();
  }
}

/** Writes the rows to a new store in `folder`, whose journal begins behind `base`. */
export async function writeStore(
  folder: string,
  tables: Tables,
  base: Head,
  crypto: Hash,
): Promise<void> {
  const store = await openLevelStore(folder);
  try {
    for (const ops of newStore(tables, base, crypto)) await committed(store, ops);
  } finally {
    await store.close();
  }
}

const committed = (store: LevelStore, ops: readonly Op[]): Promise<void> =>
  new Promise((resolve, reject) => store.commit(ops, error => (error ? reject(error) : resolve())));
