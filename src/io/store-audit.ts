// Looks at a store before it is used: is the journal whole, are the rows what was written?

import {VolleyError} from '../base/errors.ts';
import {HEAD_KEY, type Head, JournalAudit} from '../core/journal.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {LevelStore, RowDamage} from './level-store.ts';

/** Damaged rows that a report names; a disk that lost more is named by its first ones. */
const DAMAGES_MAX = 100;

/**
 * Walks the journal from its start (about 100,000 commits a second) and returns its end, for the
 * driver. Rejects with VOLLEY_STORE_DAMAGED, which names the first commit that is missing or wrong.
 */
export async function auditStore(
  store: Pick<LevelStore, 'get' | 'scan'>,
  crypto: Pick<Crypto, 'sha256'>,
): Promise<Head> {
  const audit = new JournalAudit(crypto);
  for await (const [key, payload] of store.scan('journal')) if (!audit.row(key, payload)) break;
  const verdict = audit.end(await store.get('meta', HEAD_KEY));
  if (verdict.kind === 'good') return verdict.head;
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {
    reason: `journal row ${verdict.journalNo}: ${verdict.reason}`,
  });
}

export type RowsAudit = {
  readonly rows: number;
  readonly damagedRows: number;
  /** The first 100. */
  readonly damages: readonly RowDamage[];
};

/** Checks every row of every table (about 250,000 a second); for `volley doctor --store`. */
export async function auditRows(store: Pick<LevelStore, 'verify'>): Promise<RowsAudit> {
  const damages: RowDamage[] = [];
  let damagedRows = 0;
  const rows = await store.verify(damage => {
    damagedRows++;
    if (damages.length < DAMAGES_MAX) damages.push(damage);
  });
  return {rows, damagedRows, damages};
}
