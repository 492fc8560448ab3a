// What operators decided, in stores with damage: it holds after a recovery, or is named.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import type {Tables} from '../../src/core/journal-salvage.ts';
import {NUMBERS_KEY, type NumbersRow} from '../../src/core/operator-rows.ts';
import {type BatchRow, encodeJson, jsonRow} from '../../src/core/tables.ts';
import {BAD, finish, keyOf, mend, mendTables, rangeOf, rowOf} from './damage.ts';
import {batchOf, refOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {shelve} from './shelving.ts';
import type {TestNode, Work} from './test-node.ts';

const timedOut = (work: readonly Work[]) =>
  work.map(each => ({...refOf(each), cpuMs: 1, status: 'timedOut', reason: ''}) as const);

/** A batch that lets one error pass, computed by one node but for its first two workunits: these failed. */
function halfFailed(count: number) {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(count));
  const a = rig.node('a', {slots: 64});
  const work = rig.pull(a, count);
  rig.report(a, work.slice(2));
  rig.says(a, rig.reportOf(a, timedOut(work.slice(0, 2))));
  return {rig, id, a};
}

test('a suspended batch stays suspended, one that lost decisions too', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(20));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 4));
  rig.ask({kind: 'suspendBatch', batchId: id, reason: 'lunch'});
  const {loss, next} = mend(rig, [keyOf(rig, 'page')]);
  t.is(loss.batches[0]?.reopened?.length, 20);
  t.like(batchOf(next, id).control.suspended, {reason: 'lunch'});
  finish(next, a);
  t.is(batchOf(next, id).counters.done, 0);
  next.ask({kind: 'resumeBatch', batchId: id});
  finish(next, a);
  t.is(batchOf(next, id).counters.done, 20);
});

test('a batch that is retried is so after a recovery, though all of it is decided', t => {
  const {rig, id, a} = halfFailed(4);
  rig.asked({kind: 'retryBatch', batchId: id}); // the shell never answers
  t.like(rowOf(rig), {state: 'running', retrying: true, failed: 2, retries: 1});
  const {loss, next} = mend(rig, [keyOf(rig, 'credit')]);
  t.deepEqual(loss.batches, []);
  t.true(batchOf(next, id).retrying);
  shelve(next);
  finish(next, a);
  t.like(batchOf(next, id).counters, {state: 'done', done: 4, failed: 0});
});

test('what a retry decided stands, and votes of it stay', t => {
  const {rig, id, a} = halfFailed(4);
  shelve(rig, rig.asked({kind: 'retryBatch', batchId: id}).effects);
  rig.report(a, rig.pull(a, 1));
  rig.says(a, rig.reportOf(a, timedOut(rig.pull(a, 1))));
  t.like(rowOf(rig), {state: 'failed', done: 3, failed: 1});
  const {loss, next} = mend(rig, [keyOf(rig, 'credit')]);
  t.deepEqual(loss.batches, []);
  t.like(rowOf(next), {state: 'failed', done: 3, failed: 1, retries: 1});
});

test('a batch whose deletion was under way goes on going, and is no loss', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(200));
  const kept = rig.submit({minQuorum: 1}, rangeOf(2));
  const a = rig.node('a', {slots: 64});
  for (let work = rig.pull(a, 64); work.length > 0; work = rig.pull(a, 64)) rig.report(a, work);
  rig.ask({kind: 'deleteBatch', batchId: id, force: false});
  t.true(rowOf(rig).deleting);
  rig.rows.delete(keyOf(rig, 'page', 1)); // as if that much had gone before the damage
  const {loss, next} = mend(rig, [keyOf(rig, 'credit')]);
  t.deepEqual(loss.batches, []);
  t.deepEqual([...next.core.context.batches.keys()], [kept]);
  t.like(jsonRow(next.scan('batch')[0]?.[1] ?? BAD), {id, deleting: true, state: 'done'});
});

test('an older row of a deleted batch does not bring it back, nor its votes', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(4));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 2));
  const older = rig.scan('batch').concat(rig.scan('vote'));
  t.is(older.length, 3);
  rig.ask({kind: 'deleteBatch', batchId: id, force: true});
  for (const [at, [key, value]] of older.entries())
    rig.rows.set(`${at === 0 ? 'batch' : 'vote'}/${key}`, value);
  t.is(rowOf(rig).state, 'running');
  const {loss, next} = mend(rig);
  t.deepEqual(loss.batches, []);
  t.is(next.core.context.batches.size, 0);
  t.like(rowOf(next), {deleting: true});
  t.is(next.scan('vote').length, 0);
});

test('numbers of deleted batches are not given again, though the row of numbers is lost', t => {
  const rig = MasterRig.ready();
  const ids = [1, 2, 3].map(() => rig.submit({minQuorum: 1}, rangeOf(1)));
  const a = rig.node('a');
  for (const _ of ids) rig.report(a, rig.pull(a, 1));
  for (const batchId of ids) rig.ask({kind: 'deleteBatch', batchId, force: true});
  const numbers = rig.scan('meta').find(([key]) => key === NUMBERS_KEY);
  t.deepEqual(jsonRow<NumbersRow>(numbers?.[1] ?? BAD), {batchId: 3, reportNo: 3} as NumbersRow);
  for (const [key] of rig.scan('batch')) rig.rows.delete(`batch/${key}`);
  const {next} = mend(rig, [`meta/${NUMBERS_KEY}`]);
  t.is(next.submit(), 4 as BatchId);
  t.is(mend(rig).next.submit(), 4 as BatchId);
  const unreadable = mend(rig, [], [`meta/${NUMBERS_KEY}`, `meta/state`]).next;
  t.is(unreadable.submit(), 4 as BatchId);
});

test('a quarantined node stays quarantined, with or without a row of its own', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(8));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rig.ask({kind: 'labelNode', nodeId: a.id, add: ['ring1'], remove: []});
  rig.ask({kind: 'holdNode', nodeId: a.id, hold: 'quarantined', reason: 'odd'});
  for (const damaged of [[], [`node/${a.id}`]]) {
    const {next} = mend(rig, damaged);
    next.turn();
    next.pass(3_000);
    for (const node of [a, b]) next.join(node);
    t.like(stateOf(next, a).control, {labels: ['ring1'], hold: {kind: 'quarantined'}});
    t.deepEqual(next.pull(a, 4), []);
    next.report(b, next.pull(b, 4));
    t.is(batchOf(next, id).counters.done, 4);
    next.kill();
    t.is(stateOf(next, a).control.hold?.kind, 'quarantined');
  }
});

test('a vote of a quarantined node that an older disk has again is none, and its workunit is told', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2}, rangeOf(4));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rig.report(a, rig.pull(a, 1));
  const [vote] = rig.scan('vote') as [[string, Uint8Array]];
  rig.ask({kind: 'holdNode', nodeId: a.id, hold: 'quarantined', reason: 'odd'});
  rig.report(b, rig.pull(b, 1));
  const [kept] = rig.scan('vote') as [[string, Uint8Array]];
  t.not(kept[0], vote[0]);
  rig.rows.set(`vote/${vote[0]}`, vote[1]);
  const {loss, next} = mend(rig);
  t.deepEqual(
    next.scan('vote').map(([key]) => key),
    [kept[0]],
  );
  t.deepEqual(loss.batches, [
    {batchId: id, name: rowOf(rig).name, reopened: [0], decisionsLost: 0},
  ]);
  t.is(loss.voidAfter, 0, 'it may have been released since');
});

test('rows of what operators decided that are lost or out of date are named', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit({minQuorum: 1}, rangeOf(8));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  for (const {id: nodeId} of [a, b])
    rig.ask({kind: 'labelNode', nodeId, add: ['ring1'], remove: []});
  rig.ask({kind: 'pauseCluster', paused: true, reason: 'the show'});
  rig.ask({kind: 'suspendBatch', batchId, reason: ''});
  const damaged = [`control/${a.id}`, 'meta/state', keyOf(rig, 'batch')];
  const row = rig.rows.get(keyOf(rig, 'batch')) ?? BAD;
  const {loss: lost, next} = mend(rig, damaged);
  const hold = 'labels that operators gave, or a hold, may be lost or out of date';
  const state = 'whether the cluster is suspended may be lost or out of date';
  t.deepEqual(lost.rows, [
    {rowKey: `control/${a.id}`, reason: hold},
    {rowKey: 'meta/state', reason: state},
  ]);
  t.is(lost.batches[0]?.reopened, undefined, 'a batch whose row is gone is told with what it lost');
  t.false(next.core.context.state.paused);
  t.deepEqual(stateOf(next, b).control, {labels: ['ring1']});
  // An older form of it is there.
  const {suspended: _, ...older} = jsonRow<BatchRow>(row);
  const rowKey = keyOf(rig, 'batch');
  rig.rows.set(rowKey, encodeJson(older));
  const tables: Tables = new Map();
  for (const table of ['batch', 'control', 'node', 'meta', 'history'] as const)
    tables.set(table, new Map(rig.scan(table)));
  const reason = 'a priority, a suspension or a cancellation may be out of date';
  t.deepEqual(mendTables(tables, [rowKey]).rows, [{rowKey, reason}]);
});
