// What operators do with nodes, and what becomes of their work, their votes and their credit.

import test from 'ava';
import type {NodeId} from '../../src/base/types.ts';
import type {OperatorAnswer} from '../../src/core/operator-request.ts';
import type {HoldKind} from '../../src/core/operator-rows.ts';
import {viewNodes, viewStatus} from '../../src/master/status.ts';
import {assignsOf, batchOf, creditOf, only, receiptsOf, sentTo, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {inline, TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const hold = (rig: MasterRig, {id: nodeId}: TestNode, kind: HoldKind, reason = '') =>
  rig.asked({kind: 'holdNode', nodeId, hold: kind, reason});
const reasonOf = (answer: OperatorAnswer): string =>
  answer.ok ? '' : String(answer.fields['reason']);
const labelsOf = (rig: MasterRig, node: TestNode) =>
  viewNodes(rig.core).find(({nodeId}) => nodeId === node.id)?.labels;
const SHELL = {journalNo: 1, startedAt: 1, counters: {}};

test('a suspended node is told at once, loses its leases and gets no work until it is resumed', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(20));
  const [a, b] = [rig.node('a'), rig.node('b')];
  const lost = rig.pull(a, 4).map(({index}) => index);
  const {effects} = hold(rig, a, 'suspended', 'the show');
  t.true(sentTo(effects, a, 'welcome')[0]?.suspended);
  t.is(stateOf(rig, a).out.size, 0);
  const pulled = rig.says(a, rig.pullOf(a));
  t.like(assignsOf(pulled, a)[0], {suspended: true, batches: []});
  t.deepEqual(
    rig.pull(b, 4).map(({index}) => index),
    lost,
  );
  t.like(viewNodes(rig.core)[0]?.hold, {kind: 'suspended', reason: 'the show'});
  const resumed = rig.asked({kind: 'resumeNode', nodeId: a.id});
  t.false(sentTo(resumed.effects, a, 'welcome')[0]?.suspended);
  t.is(rig.pull(a, 4).length, 4);
  t.is(rig.scan('control').length, 0);
});

test('a quarantined node is told to stop too: it would go on with what others have', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(20));
  const a = rig.node('a');
  rig.pull(a, 4);
  const {effects} = hold(rig, a, 'quarantined', 'its memory flips bits');
  t.true(sentTo(effects, a, 'welcome')[0]?.suspended);
  t.is(stateOf(rig, a).out.size, 0);
  t.like(assignsOf(rig.says(a, rig.pullOf(a)), a)[0], {suspended: true, batches: []});
  const released = rig.asked({kind: 'releaseNode', nodeId: a.id});
  t.false(sentTo(released.effects, a, 'welcome')[0]?.suspended);
  t.is(rig.pull(a, 4).length, 4);
});

for (const kind of ['suspended', 'quarantined'] as const)
  test(`a pull from before it was ${kind} that is said again gets none of the leases taken back`, t => {
    const rig = MasterRig.ready();
    rig.submit({minQuorum: 1}, rangeOf(20));
    const a = rig.node('a');
    const pull = rig.pullOf(a, 4);
    t.is(assignsOf(rig.says(a, pull), a)[0]?.batches.length, 1);
    hold(rig, a, kind);
    t.like(assignsOf(rig.says(a, pull), a)[0], {suspended: true, batches: []});
  });

test('one from before it drains gets its leases again, which are its own still', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(20));
  const a = rig.node('a');
  const pull = rig.pullOf(a, 4);
  const first = assignsOf(rig.says(a, pull), a);
  hold(rig, a, 'draining');
  t.deepEqual(assignsOf(rig.says(a, pull), a), first);
  rig.ask({kind: 'resumeNode', nodeId: a.id});
  t.deepEqual(assignsOf(rig.says(a, pull), a), first);
});

test('an older pull that comes late after that is not answered', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(20));
  const a = rig.node('a');
  const older = rig.pullOf(a, 4);
  rig.says(a, rig.pullOf(a, 0));
  hold(rig, a, 'suspended');
  rig.ask({kind: 'resumeNode', nodeId: a.id});
  t.deepEqual(assignsOf(rig.says(a, older), a), []);
  t.is(stateOf(rig, a).out.size, 0);
});

test('a draining node keeps what it has, and its results count', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(20));
  const a = rig.node('a');
  const work = rig.pull(a, 4);
  hold(rig, a, 'draining');
  t.is(stateOf(rig, a).out.size, 4);
  const pulled = assignsOf(rig.says(a, rig.pullOf(a)), a)[0];
  t.like(pulled, {suspended: false, batches: []});
  rig.report(a, work);
  t.is(batchOf(rig, id).counters.done, 4);
});

test('what was decided about a node survives restarts of both, whatever the node says', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(20));
  const a = rig.node('a');
  hold(rig, a, 'suspended');
  rig.killAndRest();
  a.bootId = new Uint8Array(8).fill(9);
  const joined = rig.join(a, {name: 'new name'});
  t.true(sentTo(joined, a, 'welcome')[0]?.suspended);
  t.deepEqual(rig.pull(a), []);
});

test('votes of a quarantined node are taken out, others vote in its place', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(1));
  const [bad, a, b] = [rig.node('bad'), rig.node('a'), rig.node('b')];
  rig.report(bad, rig.pull(bad), () => inline('wrong'));
  t.is(rig.scan('vote').length, 1);
  hold(rig, bad, 'quarantined', 'its memory flips bits');
  t.is(rig.scan('vote').length, 0);
  rig.report(a, rig.pull(a));
  rig.report(b, rig.pull(b));
  t.like(batchOf(rig, id).counters, {done: 1, disagreements: 0, state: 'done'});
  t.is(creditOf(rig, bad).disagreed, 0);
});

test('results of a quarantined node are not acknowledged, and count after its release', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(1));
  const [a, b] = [rig.node('a'), rig.node('b')];
  const [forA, forB] = [rig.pull(a), rig.pull(b)];
  rig.report(b, forB);
  hold(rig, a, 'quarantined');
  t.deepEqual(receiptsOf(rig.report(a, forA), a), []);
  t.deepEqual(rig.pull(a), []);
  t.is(batchOf(rig, id).counters.done, 0);
  t.true(rig.ask({kind: 'releaseNode', nodeId: a.id}).ok);
  t.is(receiptsOf(rig.report(a, forA), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 1);
});

test('resume does not end a quarantine, and release nothing else', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  hold(rig, a, 'quarantined');
  t.regex(reasonOf(rig.ask({kind: 'resumeNode', nodeId: a.id})), /nodes release/);
  rig.ask({kind: 'releaseNode', nodeId: a.id});
  t.regex(reasonOf(rig.ask({kind: 'releaseNode', nodeId: a.id})), /not quarantined/);
  hold(rig, a, 'suspended');
  t.regex(reasonOf(rig.ask({kind: 'releaseNode', nodeId: a.id})), /not quarantined/);
  t.true(rig.ask({kind: 'resumeNode', nodeId: a.id}).ok);
});

test('labels are given beside the own ones, told in a Welcome, and select for captures', t => {
  const rig = MasterRig.ready();
  const [a, b] = [rig.node('a', {labels: ['own']}), rig.node('b', {actions: ['camera']})];
  const label = (node: TestNode, add: string[], remove: string[] = []) =>
    rig.asked({kind: 'labelNode', nodeId: node.id, add, remove});
  const {effects} = label(a, ['ring1', 'own', 'ring1']);
  t.deepEqual(sentTo(effects, a, 'welcome')[0]?.labels, ['ring1']);
  label(b, ['ring1']);
  t.deepEqual(labelsOf(rig, a), ['own', 'ring1']);
  rig.kill();
  const joined = rig.join(a, {labels: ['other']});
  t.deepEqual(sentTo(joined, a, 'welcome')[0]?.labels, ['ring1']);
  t.deepEqual(labelsOf(rig, a), ['other', 'ring1']);
  rig.join(b, {actions: ['camera']});
  const {effects: fired} = rig.capture({target: {labels: ['ring1'], nodes: []}});
  t.true(only(fired, 'multicast').some(({command}) => command.what.kind === 'fire'));
  t.regex(reasonOf(label(a, [], ['other']).answer), /says "other" itself/);
  t.regex(reasonOf(label(a, [], ['nothing']).answer), /has no label "nothing"/);
  label(a, [], ['ring1']);
  t.deepEqual(labelsOf(rig, a), ['other']);
});

test('more or longer labels than a Welcome carries are refused', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const add = (...labels: string[]): string =>
    reasonOf(rig.ask({kind: 'labelNode', nodeId: a.id, add: labels, remove: []}));
  t.regex(add(...Array.from({length: 9}, (_, i) => `l${i}`)), /at most 8 labels/);
  t.regex(add('x'.repeat(65)), /64 bytes each/);
  t.regex(add(...Array.from({length: 5}, (_, i) => `${i}`.repeat(60))), /256 together/);
  t.is(add('fine'), '');
});

test('a forgotten node leaves what it earned, must join again, and its votes still decide', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(3));
  const [a, b] = [rig.node('a'), rig.node('b')];
  const [forA, forB] = [rig.pull(a), rig.pull(b)];
  rig.report(a, forA);
  rig.report(b, forB.slice(0, 1));
  rig.ask({kind: 'labelNode', nodeId: a.id, add: ['x'], remove: []});
  t.regex(reasonOf(rig.ask({kind: 'forgetNode', nodeId: a.id})), /is up/);
  for (let i = 0; i < 5; i++) {
    rig.pass(1_000);
    rig.pull(b, 0);
  }
  t.true(rig.ask({kind: 'forgetNode', nodeId: a.id}).ok);
  for (const table of ['node', 'control'] as const)
    t.false(
      rig.scan(table).some(([key]) => key === a.id),
      table,
    );
  t.like(viewStatus(rig.core, SHELL).forgotten, {nodes: 1, validated: 1, credit: 1});
  rig.report(b, forB.slice(1));
  t.is(batchOf(rig, id).counters.state, 'done');
  rig.kill();
  t.like(viewStatus(rig.core, SHELL).forgotten, {nodes: 1, credit: 3});
  // It comes back with the key of its membership and no token: as anybody.
  const back = rig.join(a, {}, 0);
  t.is(sentTo(back, a, 'refusal')[0]?.reason, 'pending');
  t.true(rig.ask({kind: 'approveNode', nodeId: a.id}).ok);
  t.is(sentTo(rig.says(a, a.hello()), a, 'welcome').length, 1);
  t.is(creditOf(rig, a).credit, 3, 'what it earned is its own again');
});

test('nothing is done to a node that is not there, or is revoked', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const unknown = 'ff'.repeat(16) as NodeId;
  t.like(rig.ask({kind: 'forgetNode', nodeId: unknown}), {code: 'VOLLEY_UNKNOWN_NODE'});
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  t.regex(reasonOf(hold(rig, a, 'suspended').answer), /revoked, for ever/);
  t.regex(reasonOf(rig.ask({kind: 'forgetNode', nodeId: a.id})), /revoked, for ever/);
  t.is(new TestNode('x').name, 'x');
});
