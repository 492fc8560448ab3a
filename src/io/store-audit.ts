// Looks at a store before it is used: is the journal whole, did it get as far as its witness says, is every
// row what the journal says was written last, and is none missing? One flipped bit anywhere in the folder
// either changes nothing or is found here (test/system/bit-flips.test.ts).

import {VolleyError} from '../base/errors.ts';
import {BASE_KEY, HEAD_KEY, type Head} from '../core/journal.ts';
import {JournalAudit} from '../core/journal-audit.ts';
import {journalKey} from '../core/tables.ts';
import type {Crypto} from '../wire/crypto.ts';
import {DAMAGE_ADVICE} from './level-failure.ts';
import type {LevelStore, StoredRow} from './level-store.ts';

export type Audited = Pick<LevelStore, 'get' | 'scan' | 'look' | 'witnessed'>;

/** `journalNo`: the commit that wrote the row last, as far as the journal knows; 0 = not known. */
export type RowDamage = {
  readonly table: string;
  readonly key: string;
  readonly reason: string;
  readonly journalNo: number;
};

export type StoreReport = {
  /** End of the journal; what is right of it when it is damaged. */
  readonly head: Head;
  readonly rows: number;
  readonly rowsOf: Readonly<Record<string, number>>;
  /** In the order they were found. None = the store is whole. */
  readonly damages: readonly RowDamage[];
};

/**
 * Checks the store (about 150,000 rows and 100,000 commits a second) and returns the end of its journal,
 * for the driver. Rejects with VOLLEY_STORE_DAMAGED, which names the first damage and how many there are.
 */
export async function auditStore(store: Audited, crypto: Pick<Crypto, 'sha256'>): Promise<Head> {
  const {head, damages} = await examineStore(store, crypto);
  const first = damages[0];
  if (!first) return head;
  const more = damages.length > 1 ? ` (and ${damages.length - 1} more)` : '';
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {
    reason: `${nameOf(first)}: ${first.reason}${more}; ${DAMAGE_ADVICE}`,
  });
}

export const nameOf = ({table, key}: RowDamage): string =>
  table === 'journal' ? `journal row ${Number.parseInt(key, 16)}` : `row ${table}/${key}`;

/** All that is wrong. What LevelDB itself cannot read is one more damage, not an error. */
export async function examineStore(
  store: Audited,
  crypto: Pick<Crypto, 'sha256'>,
): Promise<StoreReport> {
  const examination = new Examination(crypto);
  try {
    await examination.journal(store);
    await store.look(row => examination.row(row));
    examination.missing();
  } catch (error) {
    if (!(error instanceof VolleyError)) throw error;
    examination.found('store/', error.message);
  }
  return examination.report();
}

class Examination {
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #damages: RowDamage[] = [];
  readonly #rowsOf: Record<string, number> = {};
  #audit: JournalAudit;
  #rows = 0;
  /** Only a whole journal can tell what the rows must be. */
  #isWhole = false;

  constructor(crypto: Pick<Crypto, 'sha256'>) {
    this.#crypto = crypto;
    this.#audit = new JournalAudit(crypto);
  }

  found(rowKey: string, reason: string, journalNo = 0): void {
    const slash = rowKey.indexOf('/');
    const [table, key] = [rowKey.slice(0, slash), rowKey.slice(slash + 1)];
    this.#damages.push({table, key, reason, journalNo});
  }

  async journal(store: Audited): Promise<void> {
    this.#audit = new JournalAudit(this.#crypto, await store.get('meta', BASE_KEY));
    for await (const [key, payload] of store.scan('journal'))
      if (!this.#audit.row(key, payload)) break;
    const verdict = this.#audit.end(await store.get('meta', HEAD_KEY), store.witnessed);
    this.#isWhole = verdict.kind === 'good';
    if (verdict.kind === 'damaged')
      this.found(`journal/${journalKey(verdict.journalNo)}`, verdict.reason, verdict.journalNo);
  }

  row({rowKey, payload, fault}: StoredRow): void {
    this.#rows++;
    const table = rowKey.slice(0, Math.max(0, rowKey.indexOf('/')));
    this.#rowsOf[table] = (this.#rowsOf[table] ?? 0) + 1;
    if (fault !== undefined) this.found(rowKey, fault, this.#audit.see(rowKey)?.journalNo);
    else if (this.#isWhole && table !== 'journal' && rowKey !== `meta/${HEAD_KEY}`) {
      const journalNo = this.#audit.claimed(rowKey)?.journalNo;
      const wrong = this.#audit.fault(rowKey, payload);
      if (wrong !== undefined) this.found(rowKey, wrong, journalNo);
    }
  }

  missing(): void {
    if (!this.#isWhole) return;
    for (const [rowKey, {journalNo}] of this.#audit.missing())
      this.found(rowKey, `it is missing, commit ${journalNo} wrote it`, journalNo);
  }

  report(): StoreReport {
    const {head} = this.#audit;
    return {head, rows: this.#rows, rowsOf: this.#rowsOf, damages: this.#damages};
  }
}
