// Retries as an operator asks for them, with a shell that lists the pages.

import type {BatchId} from '../../src/base/types.ts';
import {decodePage} from '../../src/core/tables.ts';
import {only} from './look.ts';
import type {MasterRig} from './rig.ts';

/** What the shell does with what the core wants listed; `before` runs while it reads. */
export function shelve(rig: MasterRig, effects = rig.turn(), before = () => {}): void {
  for (const {batchId, from, count} of only(effects, 'listPages')) {
    const pages = rig
      .scan('page')
      .map(([key, value]) => ({
        id: Number.parseInt(key.slice(0, 8), 16),
        pageNo: Number.parseInt(key.slice(8), 16),
        decisions: decodePage(value),
      }))
      .filter(({id, pageNo}) => id === batchId && pageNo >= from && pageNo < from + count);
    before();
    shelve(rig, rig.turn({type: 'pagesListed', batchId, from, count, pages}));
  }
}

export const retry = (rig: MasterRig, batchId: BatchId, before?: () => void) => {
  const {answer, effects} = rig.asked({kind: 'retryBatch', batchId});
  shelve(rig, effects, before);
  return answer;
};
