// Nodes that are kept from work by rule: who is, for what, and that no batch stands still for it.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import {MINUTE_MS} from '../../src/base/units.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import {jsonRow} from '../../src/core/tables.ts';
import type {ResultItem} from '../../src/wire/message.ts';
import {batchOf, notesOf, refOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, inline, type TestNode, type Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const wrong = ({index}: Work) => inline(`wrong${index}`);

function fails(rig: MasterRig, node: TestNode, work: readonly Work[]): MasterEffect[] {
  const items = work.map(
    (each): ResultItem => ({...refOf(each), cpuMs: 1, status: 'runnerLost', reason: 'x'}),
  );
  return rig.says(node, rig.reportOf(node, items));
}

/** A batch of quorum 2 that is given to three nodes at first; `bad` returns what others contradict. */
function three(count: number) {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 3}, rangeOf(count));
  const [bad, a, b] = [rig.node('bad'), rig.node('a'), rig.node('b')];
  return {rig, id, bad, a, b};
}

/** All three compute `count` workunits, the bad one wrongly. */
function contradict(rig: MasterRig, bad: TestNode, others: readonly TestNode[], count: number) {
  const effects: MasterEffect[] = [];
  for (let i = 0; i < count; i++) {
    effects.push(...rig.report(bad, rig.pull(bad, 1), wrong));
    for (const node of others) effects.push(...rig.report(node, rig.pull(node, 1)));
  }
  return effects;
}

/** All are back, and the master has looked who is there. */
function back(rig: MasterRig, ...nodes: readonly TestNode[]): void {
  for (const node of nodes) rig.join(node);
  rig.pass(1_001);
}

test('a node that others contradict three times gets no more work of that app', t => {
  const {rig, id, bad, a, b} = three(20);
  const effects = contradict(rig, bad, [a, b], 3);
  t.true(notesOf(effects).includes('node is quarantined for an app'));
  t.deepEqual(rig.pull(bad, 4), []);
  t.true(rig.pull(a, 4).length > 0);
  t.like(stateOf(rig, bad).control.benches?.[0], {app: 'primes', times: 1});
  t.like(jsonRow<{benches: object[]}>(rig.scan('control')[0]?.[1] ?? new Uint8Array()), {
    benches: [{appId: APP.appId, app: 'primes'}],
  });
  t.is(batchOf(rig, id).counters.done, 3);
});

test('it still gets work of another app', t => {
  const {rig, bad, a, b} = three(20);
  contradict(rig, bad, [a, b], 3);
  const other = {...APP, name: 'other', appId: 'b2'.repeat(32) as typeof APP.appId};
  rig.ask({kind: 'addApp', app: other});
  const id = rig.submit({}, rangeOf(4), {app: 'other'});
  t.deepEqual([...new Set(rig.pull(bad, 4).map(({batchId}) => batchId))], [id]);
});

test('errors count where others had results, and an app that fails everywhere blames nobody', t => {
  const {rig, bad, a, b} = three(20);
  for (let i = 0; i < 8; i++) {
    fails(rig, bad, rig.pull(bad, 1));
    for (const node of [a, b]) rig.report(node, rig.pull(node, 1));
  }
  t.is(stateOf(rig, bad).standing.get(APP.appId), 'benched');
  const broken = three(20);
  for (let i = 0; i < 8; i++)
    for (const node of [broken.bad, broken.a, broken.b])
      fails(broken.rig, node, broken.rig.pull(node, 1));
  for (const node of [broken.bad, broken.a, broken.b])
    t.is(stateOf(broken.rig, node).standing.size, 0);
});

test('after its time it gets one workunit at a time, and is free when that agrees', t => {
  const {rig, bad, a, b} = three(40);
  contradict(rig, bad, [a, b], 3);
  rig.pass(11 * MINUTE_MS);
  back(rig, bad, a, b);
  const probe = rig.pull(bad, 4);
  t.is(probe.length, 1);
  t.deepEqual(rig.pull(bad, 4), [], 'one at a time');
  rig.report(bad, probe);
  for (const node of [a, b]) rig.report(node, rig.pull(node, 4));
  t.is(stateOf(rig, bad).standing.size, 0);
  t.is(rig.scan('control').length, 0);
  t.true(rig.pull(bad, 4).length > 1);
});

test('a probe that is wrong is one bench more', t => {
  const {rig, bad, a, b} = three(40);
  contradict(rig, bad, [a, b], 3);
  rig.pass(11 * MINUTE_MS);
  back(rig, bad, a, b);
  rig.report(bad, rig.pull(bad, 4), wrong);
  for (const node of [a, b]) rig.report(node, rig.pull(node, 4));
  t.like(stateOf(rig, bad).control.benches?.[0], {times: 2});
  t.deepEqual(rig.pull(bad, 4), []);
});

test('results of quorum 1 are no probe: nobody would contradict them', t => {
  const {rig, id, bad, a, b} = three(3);
  contradict(rig, bad, [a, b], 3);
  t.is(batchOf(rig, id).counters.state, 'done');
  rig.submit({minQuorum: 1}, rangeOf(10));
  rig.pass(11 * MINUTE_MS);
  back(rig, bad, a, b);
  t.deepEqual(rig.pull(bad, 4), []);
  t.true(rig.pull(a, 4).length > 0);
});

test('a batch that would have too few nodes takes those on the bench too', t => {
  const {rig, id, bad, a, b} = three(20);
  contradict(rig, bad, [a, b], 3);
  t.deepEqual(rig.pull(bad, 4), []);
  // b goes away: only a and the bad one are left for a quorum of 2.
  for (let i = 0; i < 8; i++) {
    rig.pass(1_000);
    for (const node of [bad, a]) rig.pull(node, 0);
  }
  t.false(stateOf(rig, b).up);
  t.true(rig.pull(bad, 4).length > 0);
  t.true(batchOf(rig, id).takesAll);
});

test('a bench survives a restart, and the operator ends it', t => {
  const {rig, bad, a, b} = three(40);
  contradict(rig, bad, [a, b], 3);
  rig.killAndRest();
  back(rig, bad, a, b);
  t.deepEqual(rig.pull(bad, 4), []);
  t.true(rig.ask({kind: 'releaseNode', nodeId: bad.id}).ok);
  t.is(rig.scan('control').length, 0);
  t.true(rig.pull(bad, 4).length > 0);
});

test('an erring node that is benched does not keep others from trying again', t => {
  const rig = MasterRig.ready();
  const policy = {minQuorum: 2, targetReplicas: 2, maxErrorReplicas: 10};
  const id: BatchId = rig.submit(policy, rangeOf(30));
  const [bad, a, b] = [rig.node('bad'), rig.node('a'), rig.node('b')];
  for (let i = 0; i < 10; i++) {
    fails(rig, bad, rig.pull(bad, 1));
    for (const node of [a, b]) rig.report(node, rig.pull(node, 1));
  }
  t.is(stateOf(rig, bad).standing.get(APP.appId), 'benched');
  let [work] = [rig.pull(a, 1)];
  fails(rig, a, work);
  for (let i = 0; i < 60 && batchOf(rig, id).running; i++)
    for (const node of [a, b]) {
      work = rig.pull(node, 4);
      rig.report(node, work);
    }
  t.like(batchOf(rig, id).counters, {state: 'done', done: 30});
});

test('a tie that only a node on the bench can end is given to it', t => {
  const {rig, bad, a, b} = three(3);
  contradict(rig, bad, [a, b], 3);
  const tied = rig.submit({}, rangeOf(2));
  rig.report(a, rig.pull(a), wrong);
  rig.report(b, rig.pull(b));
  t.deepEqual(rig.pull(bad), [], 'another one might end it');
  back(rig, a, b, bad);
  t.deepEqual([...rig.pull(a), ...rig.pull(b)], []);
  const work = rig.pull(bad);
  t.is(work.length, 2);
  rig.report(bad, work);
  rig.pass(31_000); // it owes validated results: a young master waits for somebody else
  t.like(batchOf(rig, tied).counters, {state: 'done', done: 2, disagreements: 2});
});
