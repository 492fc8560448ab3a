// When a batch will be over, as things are.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {viewBatch} from '../../src/master/status.ts';
import {hold, ran} from './paced.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const etaOf = (rig: MasterRig, id: BatchId): number | undefined =>
  viewBatch(rig.core, id, rig.now)?.etaMs;
const isNear = (ms: number | undefined, wanted: number): boolean =>
  ms !== undefined && ms > wanted * 0.8 && ms < wanted * 1.25;

/** Two nodes of four slots, and a batch of which some workunits have run, a minute each. */
function minutes(count: number, policy: PolicyRequest = {}, ended = 2) {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(2) as [TestNode, TestNode];
  const id = rig.submit({minQuorum: 1, leaseSeconds: 600, ...policy}, rangeOf(count));
  for (let i = 0; i < ended; i++) ran(rig, nodes[0], rig.pull(nodes[0], 1), 60_000);
  const pass = (seconds: number): void =>
    hold(rig, seconds, new Map(nodes.map(node => [node, []])));
  return {rig, nodes, id, pass};
}

test('nothing is known before the first run has ended', t => {
  const {rig, id} = minutes(100, {}, 0);
  t.is(etaOf(rig, id), undefined);
});

test('the runs that are left, over the slots that there are', t => {
  const {rig, id} = minutes(82);
  t.true(isNear(etaOf(rig, id), (80 / 8) * 60_000), `${etaOf(rig, id)}`);
});

test('a quorum of two takes twice as long', t => {
  const {rig, id} = minutes(80, {minQuorum: 2, targetReplicas: 2});
  t.true(isNear(etaOf(rig, id), (160 / 8) * 60_000), `${etaOf(rig, id)}`);
});

test('a few long ones do not end sooner for all the idle slots, and what runs is nearly over', t => {
  const {rig, id, nodes} = minutes(3);
  t.true(isNear(etaOf(rig, id), 60_000), `${etaOf(rig, id)}`);
  const last = rig.pull(nodes[1], 1);
  hold(
    rig,
    30,
    new Map([
      [nodes[0], []],
      [nodes[1], last],
    ]),
  );
  t.true(isNear(etaOf(rig, id), 30_000), `${etaOf(rig, id)}`);
});

test('one half as fast counts half', t => {
  const {rig, id, nodes} = minutes(1_000);
  for (let i = 0; i < 30; i++) {
    ran(rig, nodes[0], rig.pull(nodes[0], 1), 60_000);
    ran(rig, nodes[1], rig.pull(nodes[1], 1), 120_000);
  }
  const [left, aMinute] = [1_000 - 62, 4 / 1 + 4 / 2];
  t.true(isNear(etaOf(rig, id), (left / aMinute) * 60_000), `${etaOf(rig, id)}`);
});

test('what goes first is waited for, and what has the same priority takes turns', t => {
  const {rig, id, nodes, pass} = minutes(82);
  const alone = etaOf(rig, id) ?? 0;
  const same = rig.submit({minQuorum: 1, leaseSeconds: 600}, rangeOf(41));
  for (const batch of [same]) t.is(etaOf(rig, batch), undefined);
  ran(rig, nodes[0], rig.pull(nodes[0], 1), 60_000);
  pass(2);
  t.true(isNear(etaOf(rig, id), alone * 1.5), `${etaOf(rig, id)} after ${alone}`);
  rig.ask({kind: 'setPriority', batchId: same, priority: -1});
  pass(2);
  t.true(isNear(etaOf(rig, id), alone));
  t.true(isNear(etaOf(rig, same), alone * 1.5));
});

test('what stands still has no end: suspended, paused, no node, ended', t => {
  const {rig, id, pass} = minutes(82);
  rig.ask({kind: 'suspendBatch', batchId: id, reason: ''});
  t.is(etaOf(rig, id), undefined);
  rig.ask({kind: 'resumeBatch', batchId: id});
  rig.ask({kind: 'pauseCluster', paused: true, reason: ''});
  t.is(etaOf(rig, id), undefined);
  rig.ask({kind: 'pauseCluster', paused: false, reason: ''});
  pass(2);
  t.not(etaOf(rig, id), undefined);
  rig.pass(60_000);
  t.is(etaOf(rig, id), undefined, 'all nodes are silent');
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.is(etaOf(rig, id), undefined);
});

test('tiny workunits go by their rate', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  const id = rig.submit({minQuorum: 1}, rangeOf(100_000));
  ran(rig, node, rig.pull(node, 4), 0.1);
  for (let second = 0; second < 6; second++) {
    for (let i = 0; i < 5; i++) ran(rig, node, rig.pull(node, 40), 0.1);
    rig.pass(1_000);
  }
  const view = viewBatch(rig.core, id, rig.now);
  const rate = view?.perSecond ?? 0;
  t.true(rate > 50, `${rate}/s`);
  t.true(isNear(view?.etaMs, ((100_000 - (view?.done ?? 0)) / rate) * 1_000));
});
