// Retries and deletions as an operator asks for them, with a shell that lists pages and reports.

import type {BatchId} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import {listedReport} from '../../src/core/lookups.ts';
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

/** Lets deletions go on to their end; answers how many rows each turn deleted. `hear` is told what else they did. */
export function goOn(
  rig: MasterRig,
  first: readonly MasterEffect[] = [],
  hear: (effects: readonly MasterEffect[]) => void = () => {},
): number[] {
  const deleted: number[] = [];
  const see = (effects: readonly MasterEffect[]): void => {
    hear(effects);
    const dels = only(effects, 'save').filter(({op}) => op.type === 'del').length;
    if (dels > 0) deleted.push(dels);
    for (const {batchId, from, to} of only(effects, 'listReports')) {
      const reports = rig
        .scan('report')
        .map(([key, value]) => listedReport(Number.parseInt(key, 16), value))
        .filter(({reportNo}) => reportNo >= from && reportNo <= to);
      const next = reports[3]?.reportNo;
      see(rig.turn({type: 'reportsListed', batchId, reports: reports.slice(0, 3), next}));
    }
  };
  see(first);
  for (let i = 0; i < 100; i++) see(rig.pass(20));
  return deleted;
}
