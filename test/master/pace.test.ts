// Measured run times of nodes and apps: what a pull gets of them.

import test from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import {notePace, paceOf, runMsAt} from '../../src/master/pace.ts';
import {batchOf, stateOf} from './look.ts';
import {ran} from './paced.ts';
import {MasterRig} from './rig.ts';
import {APP, type TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const ALONE = {minQuorum: 1, leaseSeconds: 600} as const;

/** One node takes 40 ms for what takes the other one 400. */
function measured() {
  const rig = MasterRig.ready();
  const [fast, slow] = rig.nodes(2) as [TestNode, TestNode];
  const id = rig.submit(ALONE, rangeOf(10_000));
  for (let i = 0; i < 40; i++) {
    ran(rig, fast, rig.pull(fast, 1), 40);
    ran(rig, slow, rig.pull(slow, 1), 400);
  }
  return {rig, id, fast, slow};
}

test('how slow a node is with an app stands against the mean of the batch', t => {
  const {rig, id, fast, slow} = measured();
  const batch = batchOf(rig, id);
  const [a, b] = [runMsAt(stateOf(rig, fast), batch), runMsAt(stateOf(rig, slow), batch)];
  t.true(a > 20 && a < 80, `${a} ms`);
  t.true(b > 200 && b < 800, `${b} ms`);
});

test('a pull gets as much as the node can do in the time it asks for', t => {
  const {rig, fast, slow} = measured();
  const [many, few] = [rig.pull(fast, 64).length, rig.pull(slow, 64).length];
  t.true(many >= 5 * few, `${many} and ${few}`);
  t.true(few >= 1);
});

test('a new batch of the app knows the nodes from its first run on', t => {
  const {rig, id, fast, slow} = measured();
  rig.ask({kind: 'cancelBatch', batchId: id});
  const next = rig.submit(ALONE, rangeOf(1_000));
  t.is(runMsAt(stateOf(rig, fast), batchOf(rig, next)), -1, 'how large are its workunits?');
  ran(rig, fast, rig.pull(fast, 1), 80);
  const batch = batchOf(rig, next);
  const [a, b] = [stateOf(rig, fast), stateOf(rig, slow)];
  t.true(runMsAt(b, batch) > 5 * runMsAt(a, batch));
});

test('another app is another matter', t => {
  const {rig, id, slow} = measured();
  const app = {...APP, appId: asBlobId('b2'.repeat(32)), name: 'other'};
  rig.ask({kind: 'addApp', app});
  const other = rig.submit({minQuorum: 1}, rangeOf(1), {app: 'other'});
  t.true(paceOf(stateOf(rig, slow), batchOf(rig, id)) > 1);
  t.is(paceOf(stateOf(rig, slow), batchOf(rig, other)), 1);
});

test('one odd run moves the pace by a bound, and of many apps the oldest is forgotten', t => {
  const {rig, id} = measured();
  const batch = batchOf(rig, id);
  const node = {paces: new Map()};
  notePace(node, batch, 1e12);
  t.true(paceOf(node, batch) <= 9);
  notePace(node, batch, 0);
  t.true(paceOf(node, batch) > 0);
  for (let i = 0; i < 1_000; i++)
    notePace(node, {...batch, runMs: 1, row: {...batch.row, appId: `${i}` as never}} as never, 1);
  t.is(node.paces.size, 256);
  t.is(paceOf(node, batch), 1, 'it is forgotten');
});
