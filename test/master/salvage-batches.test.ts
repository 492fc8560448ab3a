// What operators did to batches is no damage.

import test from 'ava';
import {type BatchRow, decodeCredit, decodePage} from '../../src/core/tables.ts';
import {BAD, keyOf, mend, rowOf} from './damage.ts';
import {resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

test('a deleted batch that reports of others still name is no loss', t => {
  const rig = MasterRig.ready();
  const ids = [rig.submit({minQuorum: 1}, rangeOf(2)), rig.submit({minQuorum: 1}, rangeOf(2))];
  const a = rig.node('a');
  rig.report(a, [...rig.pull(a, 2), ...rig.pull(a, 2)]);
  rig.ask({kind: 'deleteBatch', batchId: ids[0] as BatchRow['id'], force: false});
  rig.pass(1_000);
  for (const rowKey of [...rig.rows.keys()])
    if (rowKey === 'batch/00000001') rig.rows.delete(rowKey);
  const {loss, next} = mend(rig);
  t.deepEqual(loss.batches, []);
  t.deepEqual([...next.core.context.batches.keys()], [2 as BatchRow['id']]);
});

test('a workunit that failed, was retried and then done stays done when credit is counted anew', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(1));
  const a = rig.node('a');
  const failed = resultsOf(rig.pull(a)).map(
    item => ({...item, status: 'timedOut', reason: 'x'}) as const,
  );
  rig.says(a, rig.reportOf(a, failed));
  rig.ask({kind: 'retryBatch', batchId: id});
  const pages = rig.scan('page').map(([, row]) => ({pageNo: 0, decisions: decodePage(row)}));
  rig.turn({type: 'pagesListed', batchId: id, from: 0, count: 64, pages});
  rig.report(a, rig.pull(a));
  const {loss, next} = mend(rig, [keyOf(rig, 'credit')]);
  t.deepEqual(loss.batches, []);
  t.is(rowOf(next).state, 'done');
  t.like(decodeCredit(next.scan('credit')[0]?.[1] ?? BAD), {validated: 1, errors: 1, credit: 1});
});
