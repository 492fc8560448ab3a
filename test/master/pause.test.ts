// The whole cluster, suspended and resumed by one packet.

import test from 'ava';
import {viewStatus} from '../../src/master/status.ts';
import {assignsOf, only, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const SHELL = {journalNo: 1, startedAt: 1, counters: {}};
const ANNA = {name: 'anna', role: 'operate'};
const pause = (rig: MasterRig, paused: boolean, reason = '') =>
  rig.turn({
    type: 'operator',
    requestId: 7,
    request: {kind: 'pauseCluster', paused, reason},
    actor: ANNA,
  });
const pullWith = (rig: MasterRig, node: TestNode, stateGeneration: number) =>
  rig.says(node, {...rig.pullOf(node), stateGeneration} as ReturnType<MasterRig['pullOf']>);
const viewOf = (rig: MasterRig) => viewStatus(rig.core, SHELL).state;

test('one packet tells all, and nobody is given work', t => {
  const rig = MasterRig.ready();
  rig.submit();
  const a = rig.node('a');
  const effects = pause(rig, true, 'the fuse');
  const sent = only(effects, 'multicast');
  t.is(sent.length, 1);
  t.like(sent[0]?.command, {
    what: {kind: 'state'},
    state: {generation: 1, paused: true},
    target: {labels: [], nodes: []},
  });
  t.like(assignsOf(rig.says(a, rig.pullOf(a)), a)[0], {
    batches: [],
    state: {generation: 1, paused: true},
  });
  t.like(viewOf(rig), {paused: true, by: 'anna', reason: 'the fuse', generation: 1});
});

test('resuming is one packet too: the nodes ask when they hear it', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(3);
  if (!a) throw new Error('no node');
  rig.pull(a);
  pause(rig, true);
  rig.submit();
  const effects = pause(rig, false);
  t.deepEqual(
    only(effects, 'multicast').map(({command}) => command.what.kind),
    ['state'],
  );
  t.true(rig.pull(a).length > 0);
});

test('who has not taken it is told again, and counted until then', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2);
  if (!a || !b) throw new Error('no nodes');
  pause(rig, true);
  t.is(viewOf(rig).taken, 0);
  pullWith(rig, a, 1);
  t.is(viewOf(rig).taken, 1);
  const repaired = only(rig.pass(500), 'repair').map(({to}) => to);
  t.true(repaired.includes(b.peer));
  t.false(repaired.includes(a.peer));
  pullWith(rig, b, 1);
  t.is(viewOf(rig).taken, 2);
});

test('a restart remembers it, and who was away is told in its Welcome', t => {
  const rig = MasterRig.ready();
  rig.submit();
  pause(rig, true, 'night');
  rig.kill();
  t.like(viewOf(rig), {paused: true, by: 'anna', reason: 'night', generation: 1});
  const a = rig.node('a');
  t.deepEqual(rig.pull(a), []);
  const joined = rig.join(a);
  t.deepEqual(sentTo(joined, a, 'welcome')[0]?.state, {generation: 1, paused: true});
  pause(rig, false);
  t.is(viewOf(rig).generation, 2);
});

test('resuming what computes changes nothing', t => {
  const rig = MasterRig.ready();
  t.deepEqual(only(pause(rig, false), 'multicast'), []);
  t.is(viewOf(rig).generation, 0);
});
