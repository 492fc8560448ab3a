// That a master has a store is written beside it, in a file of its own. A folder that was deleted, or a disk that is
// not mounted, is then no reason to begin with nothing: nodes would be strangers and every batch forgotten,
// without a word.

import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {writeDurably} from './key-files.ts';
import {isOfData} from './level-failure.ts';

const MARK = 'store.begun';
/** What a LevelDB store is found by; without CURRENT its opening says more (level-failure.ts). */
const isOfStore = (name: string): boolean => name === 'CURRENT' || isOfData(name);

/**
 * Before the store is opened.
 * @param data folder of the master, the store is in `store` below it
 * @param mayBeEmpty the owner says that it may begin anew
 * @throws VOLLEY_STORE_DAMAGED when there was a store and is none
 */
export function checkStoreIsThere(data: string, mayBeEmpty: boolean): void {
  const store = join(data, 'store');
  if (mayBeEmpty || !existsSync(join(data, MARK)) || namesIn(store).some(isOfStore)) return;
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {
    reason:
      `${store} is gone, and this master has worked with it. Put the folder back, or a copy of it; ` +
      '`volley master --empty-store` begins anew: nodes join again, batches and results are forgotten',
  });
}

/** Before anything is acknowledged. */
export function markStoreBegun(data: string, wall: number): void {
  const path = join(data, MARK);
  if (!existsSync(path)) writeDurably(path, toUtf8(`${new Date(wall).toISOString()}\n`), 0o600);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // the opening says why
  }
}
