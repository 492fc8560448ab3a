import test from 'ava';
import type {NodeView} from '../../src/core/views.ts';
import {viewNodes} from '../../src/master/status.ts';
import type {Guest, Message, Pull, Renewal} from '../../src/wire/message.ts';
import {notesOf, only, renewalsOf, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const FREE: Guest = {
  heldSlots: 0,
  cpuPercent: 100,
  reason: '',
  draining: false,
  preferencesId: 0,
};
const HELD: Guest = {...FREE, heldSlots: 4, reason: 'temperature: 85 °C, above 80'};
const ONE = {kind: 'range', start: 0, end: 1, chunk: 1} as const;

const says = (
  rig: MasterRig,
  node: TestNode,
  guest: Guest,
  more: {wanted?: number; returned?: Renewal[]} = {},
) => {
  const pull = rig.pullOf(node, more.wanted ?? 0) as Pull;
  const returned = more.returned ? {returned: more.returned} : {};
  return rig.says(node, {...pull, guest, ...returned} as Message);
};
const viewOf = (rig: MasterRig, node: TestNode): NodeView | undefined =>
  viewNodes(rig.core).find(({nodeId}) => nodeId === node.id);

test('what holds a node back is shown, and told to watchers when it changes', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  says(rig, node, FREE);
  const held = says(rig, node, HELD);
  t.is(only(held, 'announce').length, 1);
  t.like(viewOf(rig, node), {allowed: 0, heldBy: 'temperature: 85 °C, above 80', cpuPercent: 100});
  const warmer = says(rig, node, {...HELD, reason: 'temperature: 86 °C, above 80'});
  t.is(only(warmer, 'announce').length, 0);
  says(rig, node, {...FREE, heldSlots: 1, cpuPercent: 30, draining: true});
  t.like(viewOf(rig, node), {allowed: 3, heldBy: '', cpuPercent: 30, draining: true});
});

test('a node that does not tell may run all of its slots', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  rig.says(node, rig.pullOf(node, 0));
  t.like(viewOf(rig, node), {allowed: 4, cpuPercent: 100, heldBy: '', preferences: {}});
});

test('what is given back goes to another node at once, and a repeat takes nothing', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rig.submit({minQuorum: 1, targetReplicas: 1}, ONE);
  const work = rig.pull(a);
  t.is(work.length, 1);
  t.is(rig.pull(b).length, 0);
  says(rig, a, HELD, {returned: renewalsOf(work)});
  t.is(viewOf(rig, a)?.out, 0);
  const again = rig.pull(b);
  t.is(again.length, 1);
  says(rig, a, HELD, {returned: renewalsOf(work)});
  says(rig, a, HELD, {returned: renewalsOf(again)});
  t.is(viewOf(rig, b)?.out, 1, "another node's lease is not its to give back");
  rig.report(b, again);
  t.is(viewOf(rig, b)?.validated, 1);
});

test('a result of work that was given back still counts while the workunit is open', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1) as [TestNode];
  rig.submit({minQuorum: 1, targetReplicas: 1}, ONE);
  const work = rig.pull(a);
  says(rig, a, HELD, {returned: renewalsOf(work)});
  rig.report(a, work);
  t.is(viewOf(rig, a)?.validated, 1);
});

test('no call for work is for a node that is held back', t => {
  const rig = MasterRig.ready();
  const [held, free] = rig.nodes(2) as [TestNode, TestNode];
  for (const node of [held, free]) says(rig, node, FREE, {wanted: 4});
  says(rig, held, HELD);
  const {effects} = rig.asked({
    kind: 'submitBatch',
    batch: {name: '', app: 'primes', args: [], input: ONE, policy: {minQuorum: 1}},
  });
  const calls = only(effects, 'multicast').map(({command}) => command.target.nodes);
  t.deepEqual(calls, [[]]);
  t.is(viewOf(rig, free)?.allowed, 4);
});

test('a wish is told after each pull that does not name it, and outlives the master', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  t.deepEqual(sentTo(says(rig, node, FREE), node, 'preferences'), []);
  const answer = rig.ask({
    kind: 'preferNode',
    nodeId: node.id,
    changes: {cores: 2, days: 'mon-tue'},
  });
  t.deepEqual(answer.ok && answer.preferences, {cores: 2, days: ['mon', 'tue']});
  const [first] = sentTo(says(rig, node, FREE), node, 'preferences');
  t.is(first?.json, '{"cores":2,"days":["mon","tue"]}');
  t.is(sentTo(says(rig, node, FREE), node, 'preferences').length, 1);
  const named = {...FREE, preferencesId: first?.id ?? 0};
  t.deepEqual(sentTo(says(rig, node, named), node, 'preferences'), []);
  rig.kill();
  rig.join(node);
  t.deepEqual(sentTo(says(rig, node, named), node, 'preferences'), []);
  t.deepEqual(viewOf(rig, node)?.preferences, {cores: 2, days: ['mon', 'tue']});
});

test('a wish is changed key by key, and taken back whole', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  const prefer = (changes: Record<string, unknown>) =>
    rig.ask({kind: 'preferNode', nodeId: node.id, changes});
  prefer({cores: 2, cpuPercent: 50});
  prefer({cores: null});
  t.deepEqual(viewOf(rig, node)?.preferences, {cpuPercent: 50});
  prefer({cpuPercent: null});
  const [told] = sentTo(says(rig, node, {...FREE, preferencesId: 5}), node, 'preferences');
  t.is(told?.json, '{}');
});

test('a node that has wishes of a master which knows none is told so', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  const [told] = sentTo(says(rig, node, {...FREE, preferencesId: 9}), node, 'preferences');
  t.deepEqual(told, {type: 'preferences', id: 0, json: '{}'});
});

test('a wish that makes no sense is refused with the key, and changes nothing', t => {
  const rig = MasterRig.ready();
  const [node] = rig.nodes(1) as [TestNode];
  const {answer, effects} = rig.asked({
    kind: 'preferNode',
    nodeId: node.id,
    changes: {cpuPercnt: 50},
  });
  t.like(answer, {ok: false, code: 'VOLLEY_USAGE'});
  t.deepEqual(only(effects, 'save'), []);
  t.deepEqual(notesOf(effects), []);
  const unknown = {kind: 'preferNode', nodeId: 'f'.repeat(32) as never, changes: {}} as const;
  t.like(rig.ask(unknown), {ok: false, code: 'VOLLEY_UNKNOWN_NODE'});
});
