// Stragglers: what is late at the end of a batch is computed by an idle node too.

import test from 'ava';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {TRUSTED_AFTER} from '../../src/master/adaptive.ts';
import {BY_ARCH, room} from './kinds.ts';
import {batchOf, receiptsOf, resultsOf} from './look.ts';
import {hold, ran} from './paced.ts';
import {MasterRig} from './rig.ts';
import type {TestNode, Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

/** Two workunits of about 100 ms: one is done, and its node idle; the other one is still at the first node. */
function lastOneOut(policy: PolicyRequest = {}) {
  const rig = MasterRig.ready();
  const [slow, idle] = rig.nodes(2) as [TestNode, TestNode];
  const id = rig.submit({minQuorum: 1, leaseSeconds: 600, ...policy}, rangeOf(2));
  const late = rig.pull(slow, 1);
  ran(rig, idle, rig.pull(idle, 1), 100);
  const wait = (seconds: number): void =>
    hold(
      rig,
      seconds,
      new Map([
        [slow, late],
        [idle, []],
      ]),
    );
  return {rig, id, slow, idle, late, wait};
}

test('what is late is given to an idle node, once, and the first result counts', t => {
  const {rig, id, slow, idle, late, wait} = lastOneOut();
  t.deepEqual(rig.pull(idle), [], 'it is not late yet');
  wait(1);
  t.deepEqual(rig.pull(idle), []);
  wait(2);
  const hedge = rig.pull(idle);
  t.deepEqual(
    hedge.map(({index}) => index),
    late.map(({index}) => index),
  );
  t.is(batchOf(rig, id).counters.hedges, 1);
  const third = rig.node('third');
  rig.pull(third);
  wait(1);
  t.deepEqual(rig.pull(third), [], 'one beside it is enough');
  ran(rig, idle, hedge, 100);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, replicas: 3, results: 2});
  const report = rig.reportOf(slow, resultsOf(late));
  t.is(receiptsOf(rig.says(slow, report), slow).length, 1, 'it need not keep its late result');
});

test('the late one may still come first', t => {
  const {rig, id, slow, idle, late, wait} = lastOneOut();
  rig.pull(idle);
  wait(3);
  t.is(rig.pull(idle).length, 1);
  ran(rig, slow, late, 3_000);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, results: 2});
});

test('nobody idle, nobody asked', t => {
  const {rig, id, wait} = lastOneOut();
  wait(5); // the other node wants nothing
  t.is(batchOf(rig, id).counters.hedges, undefined);
});

test('while other work waits nothing is computed twice for its speed', t => {
  const {rig, id, idle, wait} = lastOneOut();
  const other = rig.submit({minQuorum: 1, priority: -1}, rangeOf(100));
  rig.pull(idle, 1);
  wait(5);
  t.is(batchOf(rig, id).counters.hedges, undefined);
  t.is(batchOf(rig, other).counters.hedges, undefined);
});

test('a suspended batch and a paused cluster have no hedges', t => {
  const {rig, id, idle, wait} = lastOneOut();
  rig.pull(idle);
  rig.ask({kind: 'suspendBatch', batchId: id, reason: ''});
  wait(5);
  t.is(batchOf(rig, id).counters.hedges, undefined);
  rig.ask({kind: 'resumeBatch', batchId: id});
  rig.ask({kind: 'pauseCluster', paused: true, reason: ''});
  wait(5);
  t.is(batchOf(rig, id).counters.hedges, undefined);
});

test('a hedge takes no replica that the policy needs for its quorum', t => {
  const {rig, id, idle, wait} = lastOneOut({maxTotalReplicas: 2});
  rig.pull(idle);
  wait(10);
  t.is(batchOf(rig, id).counters.hedges, undefined);
});

test('what a slow node has just begun goes to a fast one that is idle', t => {
  const rig = MasterRig.ready();
  const [slow, fast] = rig.nodes(2) as [TestNode, TestNode];
  const id = rig.submit({minQuorum: 1, leaseSeconds: 600}, rangeOf(41));
  for (let i = 0; i < 20; i++) {
    ran(rig, fast, rig.pull(fast, 1), 1_000);
    ran(rig, slow, rig.pull(slow, 1), 20_000);
  }
  const last = rig.pull(slow, 1);
  t.is(last.length, 1);
  t.deepEqual(rig.pull(fast), []);
  hold(
    rig,
    1,
    new Map([
      [slow, last],
      [fast, []],
    ]),
  );
  t.is(rig.pull(fast)[0]?.index, last[0]?.index, 'it would end long before');
  t.is(batchOf(rig, id).counters.hedges, 1);
});

test('a trusted node that is late has its workunit alone no longer', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [a, b, c] = nodes;
  const all = {redundancy: 'adaptive', minQuorum: 3, targetReplicas: 3} as const;
  rig.submit(all, rangeOf(TRUSTED_AFTER));
  for (let i = 0; i < TRUSTED_AFTER; i++)
    for (const node of nodes) ran(rig, node, rig.pull(node, 1), 100);
  const id = rig.submit({redundancy: 'adaptive', leaseSeconds: 600}, rangeOf(2));
  const late = rig.pull(a, 1);
  ran(rig, b, rig.pull(b, 1), 100);
  const idle = new Map<TestNode, Work[]>([
    [a, late],
    [b, []],
    [c, []],
  ]);
  t.deepEqual([rig.pull(b), rig.pull(c)], [[], []], 'each is alone with its workunit');
  hold(rig, 1, idle);
  ran(rig, c, rig.pull(c), 100);
  t.is(batchOf(rig, id).counters.done, 1, 'one is checked, nothing else being to do');
  t.deepEqual([rig.pull(b), rig.pull(c)], [[], []]);
  hold(rig, 3, idle);
  const isLate = [late[0]?.index];
  const first = rig.pull(b);
  t.deepEqual(
    first.map(({index}) => index),
    isLate,
  );
  ran(rig, b, first, 100);
  t.deepEqual(rig.pull(c), [], 'the late one would do now');
  hold(rig, 1, idle);
  const second = rig.pull(c);
  t.deepEqual(
    second.map(({index}) => index),
    isLate,
    'but is not counted on',
  );
  ran(rig, c, second, 100);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2});
});

test('of machines alike only those of its kind are idle for it', t => {
  const {rig, arm, x64} = room(2, 2);
  const [slow, idle] = arm as [TestNode, TestNode];
  const id = rig.submit({...BY_ARCH, minQuorum: 1, leaseSeconds: 600}, rangeOf(2));
  const late = rig.pull(slow, 1);
  ran(rig, idle, rig.pull(idle, 1), 100);
  for (const node of [idle, ...x64]) t.deepEqual(rig.pull(node), []);
  const still = new Map([
    [slow, late],
    ...[idle, ...x64].map(node => [node, [] as Work[]] as const),
  ]);
  hold(rig, 4, still);
  for (const other of x64)
    t.deepEqual(rig.pull(other), [], 'its result could not be held against theirs');
  t.is(rig.pull(idle).length, 1);
  t.is(batchOf(rig, id).counters.hedges, 1);
});

test('where nobody of its kind is idle nothing is asked for', t => {
  const {rig, arm, x64} = room(2, 2);
  const [slow, gone] = arm as [TestNode, TestNode];
  const id = rig.submit({...BY_ARCH, minQuorum: 1, leaseSeconds: 600}, rangeOf(2));
  const late = rig.pull(slow, 1);
  ran(rig, gone, rig.pull(gone, 1), 100);
  for (const node of x64) t.deepEqual(rig.pull(node), []);
  hold(rig, 30, new Map([[slow, late], ...x64.map(node => [node, [] as Work[]] as const)]));
  t.is(batchOf(rig, id).counters.hedges ?? 0, 0);
});
