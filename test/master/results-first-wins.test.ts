import test from 'ava';
import {Desk} from './desk.ts';
import {batchOf, only} from './look.ts';
import {MasterRig} from './rig.ts';
import {inline, type TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const POLICY = {firstWins: true, minQuorum: 1};

test('the first result that says something ends the batch, and one packet stops the rest', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(POLICY, rangeOf(1_000));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const forA = rig.pull(a, 4);
  t.true(rig.pull(b, 4).length > 0);
  const effects = rig.report(a, forA.slice(0, 1), () => inline('found\n'));
  t.like(batchOf(rig, id).counters, {
    state: 'done',
    done: 1,
    winner: forA[0]?.index,
    reason: 'workunit 0 has the first result',
  });
  const said = only(effects, 'multicast').map(({command}) => command.what);
  t.deepEqual(said, [{kind: 'cancelBatch', batchId: id}]);
  t.is(batchOf(rig, id).open.size, 0);
  t.is(batchOf(rig, id).out, 0);
});

test('an empty result is decided as any other and ends nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(POLICY, rangeOf(3));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 1), () => inline(''));
  t.like(batchOf(rig, id).counters, {state: 'running', done: 1});
});

test('a hit counts when the quorum says so, not before', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({firstWins: true, minQuorum: 2}, rangeOf(1));
  const [liar, a, b] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.report(liar, rig.pull(liar), () => inline('a lie'));
  t.is(batchOf(rig, id).counters.state, 'running');
  for (const node of [a, b]) rig.report(node, rig.pull(node), () => inline(''));
  t.like(batchOf(rig, id).counters, {state: 'failed', reason: 'no workunit has a result'});
});

test('a batch without any hit ends as failed', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(POLICY, rangeOf(4));
  const a = rig.node('a');
  for (let work = rig.pull(a); work.length > 0; work = rig.pull(a))
    rig.report(a, work, () => inline(''));
  const {state, reason, done, winner} = batchOf(rig, id).counters;
  t.deepEqual([state, reason, done, winner], ['failed', 'no workunit has a result', 4, undefined]);
});

test('a won batch stays won after a restart, and later hits change nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(POLICY, rangeOf(8));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const [forA, forB] = [rig.pull(a, 1), rig.pull(b, 1)];
  rig.report(a, forA, () => inline('first'));
  const reports = rig.scan('report').length;
  rig.report(b, forB, () => inline('second'));
  t.is(rig.scan('report').length, reports);
  rig.kill();
  t.like(batchOf(rig, id).counters, {state: 'done', winner: forA[0]?.index, done: 1});
  t.like(batchOf(rig, id).toRow(), {state: 'done', winner: forA[0]?.index});
});

test('two hits of one report are one', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(POLICY, rangeOf(2));
  const a = rig.node('a', {slots: 2});
  rig.report(a, rig.pull(a, 2), ({index}) => inline(`hit ${index}`));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, winner: 0});
});

test('a winner that rests on a revoked node alone is no winner until it is checked', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit(POLICY, rangeOf(2));
  const [bad, good] = rig.nodes(2) as [TestNode, TestNode];
  rig.report(bad, rig.pull(bad, 1), () => inline(''));
  rig.report(bad, rig.pull(bad, 1), () => inline('a lie'));
  t.like(desk.row(id), {state: 'done', done: 2, winner: 1});
  desk.revoke(bad);
  desk.answerAll();
  t.like(desk.row(id), {state: 'running', rechecking: 2, winner: undefined, reason: ''});
  rig.report(good, rig.pull(good, 2), () => inline(''));
  const {state, reason, winner} = desk.row(id);
  t.deepEqual([state, reason, winner], ['failed', 'no workunit has a result', undefined]);
});

test('a batch that its first result ended early is left alone when that node is revoked', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit(POLICY, rangeOf(9));
  const bad = rig.node('bad');
  rig.report(bad, rig.pull(bad, 1), () => inline('a lie'));
  desk.revoke(bad);
  desk.answerAll();
  t.like(desk.row(id), {state: 'done', winner: 0, rechecking: 0});
  t.is(rig.scan('doubt').length, 1, 'the operator is told');
});
