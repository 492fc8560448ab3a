// What operators did to batches is no damage.

import test from 'ava';
import {asBatchId} from '../../src/base/types.ts';
import {type BatchRow, decodeCredit, decodePage} from '../../src/core/tables.ts';
import {gapsIn} from '../../src/master/salvage-batches.ts';
import {BAD, finish, keyOf, mend, rowOf} from './damage.ts';
import {batchOf, resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

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

test('a batch that was cancelled, and whose row is the one before, says which votes went with its end', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 3}, rangeOf(8));
  const [a, b, gone] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.report(a, rig.pull(a, 3));
  rig.report(b, rig.pull(b, 1));
  rig.report(gone, rig.pull(gone, 4)); // decides the first one, and is alone with the last one
  rig.ask({kind: 'revokeNode', nodeId: gone.id});
  const open = [...batchOf(rig, id).open.values()].filter(({votes}) => votes.length > 0);
  const rowKey = keyOf(rig, 'batch');
  const before = rig.rows.get(rowKey) ?? BAD;
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.is(rig.scan('vote').length, 0);
  rig.rows.set(rowKey, before);
  const {loss, next} = mend(rig, [], [], [rowKey]);
  const indexes = open.map(({index}) => index);
  t.deepEqual(indexes, [1, 2]);
  t.deepEqual(loss.batches, [
    {batchId: id, name: batchOf(rig, id).row.name, reopened: indexes, decisionsLost: 0},
  ]);
  t.is(loss.voidAfter, 0, 'their nodes say them again');
  t.like(batchOf(next, id).counters, {state: 'running', done: 1});
});

test('of a batch whose row is an older one nothing is missing where the votes are there', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 2}, rangeOf(8));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 2));
  const {loss} = mend(rig, [], [], [keyOf(rig, 'batch')]);
  t.deepEqual(loss.batches, []);
  t.is(loss.voidAfter, 7);
});

test('decisions whose page and journal are gone are counted by the row of their batch', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(6));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 4));
  rig.rows.delete(keyOf(rig, 'page'));
  const {loss, next} = mend(rig);
  t.deepEqual(loss.batches, [{batchId: id, name: rowOf(rig).name, reopened: [], decisionsLost: 4}]);
  t.is(loss.voidAfter, 0, 'their nodes say them again');
  t.true(loss.recounted);
  t.like(rowOf(next), {state: 'running', done: 0});
  finish(next, a);
  t.is(batchOf(next, id).counters.done, 6);
});

test('numbers of batches that nothing is left of are named, those of deleted ones are not', t => {
  const rig = MasterRig.ready();
  for (let no = 1; no <= 9; no++) rig.submit({minQuorum: 1}, rangeOf(1));
  const [second, last] = [asBatchId(2), asBatchId(9)];
  for (const id of [second, last]) rig.ask({kind: 'deleteBatch', batchId: id, force: true});
  rig.pass(1_000);
  t.deepEqual(mend(rig).loss.missingBatches, []);
  const drop = (table: string, no: number): void => {
    for (const key of [...rig.rows.keys()])
      if (key.startsWith(`${table}/0000000${no}`)) rig.rows.delete(key);
  };
  for (const no of [1, 3, 4, 6]) for (const table of ['batch', 'history']) drop(table, no);
  const ranges = [
    [1, 1],
    [3, 4],
    [6, 6],
  ];
  t.deepEqual(mend(rig).loss.missingBatches, ranges);
  // The highest is known by the row of numbers alone.
  for (const no of [8, 9]) for (const table of ['batch', 'history']) drop(table, no);
  const {loss, next} = mend(rig);
  t.deepEqual(loss.missingBatches, [...ranges, [8, 9]]);
  next.turn();
  t.is(next.submit({minQuorum: 1}, rangeOf(1)), asBatchId(10));
});

test('a gap right above the highest number that an older row knows is named', t => {
  t.deepEqual(gapsIn([1, 2, 4], 2), [[3, 3]]);
  t.deepEqual(gapsIn([4, 1], 0), [[2, 3]]);
  t.deepEqual(gapsIn([1, 2], 2), []);
  t.deepEqual(gapsIn([], 0), []);
});

test('a batch whose history is left, without its row and a word of a deletion, is named', t => {
  const rig = MasterRig.ready();
  for (let no = 1; no <= 3; no++) rig.submit({minQuorum: 1}, rangeOf(1));
  for (const no of [2, 3]) rig.rows.delete(`batch/0000000${no}`);
  t.deepEqual(mend(rig).loss.missingBatches, [[2, 3]]);
});
