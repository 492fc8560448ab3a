// A version of an app that was never tried: its first workunit is computed on two processors.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {
  type Ballot,
  blameText,
  neededOf,
  resultOf,
  roomFor,
  triesApps,
  wantedOf,
} from '../../src/master/probe.ts';
import {viewBatch} from '../../src/master/status.ts';
import {live, rangeOf, room} from './kinds.ts';
import {batchOf, creditOf, stateOf} from './look.ts';
import type {MasterRig} from './rig.ts';
import {APP, inline, type TestNode, type Work} from './test-node.ts';

/** `a0` = a result of group 0 on arm64, `x?` = a replica that is out on x64. */
const ballots = (text: string): Ballot[] =>
  text.split(' ').flatMap(word => {
    const [kind, group] = [...word];
    if (kind === undefined) return [];
    const arch = {a: 'arm64', x: 'x64', o: 'arm'}[kind] ?? '';
    return [{arch, group: group === '?' ? undefined : Number(group)}];
  });

test('an app is blamed by as many of each processor as the quorum, and never by one node', t => {
  for (const [text, needed, result, wanted] of [
    ['', 2, undefined, 2],
    ['a0', 2, undefined, 1],
    ['a0 x?', 2, undefined, 0],
    ['a0 x0', 2, 'alike', 0],
    ['a0 x1', 2, undefined, 2],
    ['a0 x1 a0', 2, undefined, 1],
    ['a0 x1 a0 x?', 2, undefined, 0],
    ['a0 x1 a0 x1', 2, 'differs', 0],
    ['a0 x1 a0 x1', 3, undefined, 2],
    ['a0 x1 a1', 2, 'alike', 0],
    ['a0 x1 a0 x0', 2, 'alike', 0],
    ['a0 x1 a0 x2', 2, undefined, 0],
    ['a0 x1 a2 x3', 2, 'itself', 0],
    ['a0 a0 a0', 2, undefined, 1],
  ] as const) {
    t.is(resultOf(ballots(text), needed), result, text);
    if (result === undefined) t.is(wantedOf(ballots(text), needed), wanted, text);
  }
  t.deepEqual(
    [1, 2, 3].map(minQuorum => neededOf({minQuorum})),
    [2, 2, 3],
  );
});

test('two processors are tried, one node of each at first', t => {
  const rooms = (text: string) =>
    ['arm64', 'x64', 'arm'].map(arch => roomFor(ballots(text), 2, arch));
  t.deepEqual(rooms(''), [1, 1, 1]);
  t.deepEqual(rooms('a?'), [0, 1, 1]);
  t.deepEqual(rooms('a? x?'), [0, 0, 0], 'a third one is not asked');
  t.deepEqual(rooms('a0 x1'), [1, 1, 0]);
});

test('who says how machines are compared is not held up', t => {
  const tries = (policy: object): boolean => triesApps(policy as never);
  t.true(tries({}));
  t.true(tries({compare: {kind: 'numeric'}}));
  t.false(tries({compare: {kind: 'custom'}}));
  for (const homogeneous of ['off', 'arch', 'engine']) t.false(tries({homogeneous}));
  for (const result of ['differs', 'itself'] as const)
    t.true(blameText(result, ['arm64', 'x64']).length <= 256);
});

type Room = {rig: MasterRig; id: BatchId; a: TestNode[]; x: TestNode[]};

function trying(arms: number, xs: number, policy: PolicyRequest = {}, count = 4): Room {
  const {rig, arm, x64} = room(arms, xs);
  return {rig, id: rig.submit(policy, rangeOf(count)), a: arm, x: x64};
}

/** Asks, and returns what `text` says. @returns how many workunits it was given */
function does(rig: MasterRig, node: TestNode | undefined, text: (work: Work) => string): number {
  if (!node) throw new Error('no such node');
  const work = rig.pull(node);
  if (work.length > 0) rig.report(node, work, each => inline(text(each)));
  return work.length;
}

const truth = ({index}: Work): string => `${index}`;
const byArch = (arch: string) => (work: Work) => `${arch} ${work.index}`;

test('the first workunit goes to two processors, the rest waits for what comes out', t => {
  const {rig, id, a, x} = trying(2, 2);
  const first = rig.pull(a[0] as TestNode);
  t.deepEqual(
    first.map(({index}) => index),
    [0],
  );
  t.deepEqual(rig.pull(a[1] as TestNode), []);
  t.regex(viewBatch(rig.core, id, rig.now)?.waiting ?? '', /has a new app/);
  t.is(does(rig, x[0], truth), 1);
  rig.report(a[0] as TestNode, first, work => inline(truth(work)));
  t.is(batchOf(rig, id).counters.done, 1);
  t.is(rig.core.context.probes.resultOf(APP.appId)?.result, 'alike');
  t.is(does(rig, a[1], truth), 3);
  t.is(does(rig, x[1], truth), 3);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 4, disagreements: 0});
});

test('it is tried once: later batches, and lives of the master, know', t => {
  const {rig, a, x} = trying(1, 1, {}, 1);
  does(rig, a[0], truth);
  does(rig, x[0], truth);
  rig.killAndRest();
  for (const [node, arch] of [
    [a[0], 'arm64'],
    [x[0], 'x64'],
  ] as const)
    rig.join(node as TestNode, {arch});
  rig.submit({}, rangeOf(4));
  t.is(rig.pull(a[0] as TestNode).length, 4);
});

test('a quorum of one is given one more, and an app that was tried is not', t => {
  const {rig, id, a, x} = trying(1, 1, {redundancy: 'none', maxTotalReplicas: 1});
  t.is(does(rig, a[0], truth), 1);
  t.is(batchOf(rig, id).counters.done, 0);
  t.is(does(rig, x[0], truth), 1);
  t.like(batchOf(rig, id).counters, {done: 1, replicas: 2});
  t.is(does(rig, a[0], truth), 3);
  t.like(batchOf(rig, id).counters, {state: 'done', replicas: 5});
});

/** All four are asked, twice around. */
function blame(policy: PolicyRequest, text: (node: TestNode, work: Work) => string): Room {
  const all = trying(2, 2, policy);
  for (let round = 0; round < 2; round++)
    for (const node of [...all.a, ...all.x]) does(all.rig, node, work => text(node, work));
  return all;
}

const differs = (node: TestNode, work: Work): string => byArch(node.name.charAt(0))(work);

test('results that differ by processor blame the app, and nobody else', t => {
  for (const policy of [{}, {redundancy: 'none'}, {redundancy: 'adaptive'}] as const) {
    const {rig, id, a, x} = blame(policy, differs);
    t.is(rig.core.context.probes.resultOf(APP.appId)?.result, 'differs');
    const {suspended} = batchOf(rig, id).control;
    t.is(suspended?.by, 'master');
    t.regex(suspended?.reason ?? '', /arm64 than on x64.*--homogeneous arch.*--compare numeric/);
    for (const node of [...a, ...x]) {
      t.like(creditOf(rig, node), {disagreed: 0});
      t.is(stateOf(rig, node).conduct.size, 0);
      t.is(stateOf(rig, node).owes, 0);
    }
    t.is(batchOf(rig, id).counters.done, 0, 'nothing was decided');
  }
});

test('what was blamed stays so: a batch as before begins suspended, one with another policy runs', t => {
  const {rig, a} = blame({}, differs);
  rig.killAndRest();
  for (const node of a) rig.join(node, {arch: 'arm64'});
  const input = rangeOf(1);
  const batch = {name: '', app: APP.name, args: [], input, policy: {}};
  const answer = rig.ask({kind: 'submitBatch', batch});
  t.regex(String(answer.ok && answer.warning), /is suspended: .*--homogeneous/);
  t.deepEqual(rig.pull(a[0] as TestNode), []);
  const id = rig.submit({homogeneous: 'arch'}, input);
  for (const node of a) does(rig, node, byArch('a'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('an operator who goes on all the same has nodes of no processor blamed', t => {
  const {rig, id, a, x} = blame({}, differs);
  const a3 = rig.node('a3', {arch: 'arm64'});
  rig.ask({kind: 'resumeBatch', batchId: id});
  for (let round = 0; round < 3; round++)
    for (const node of [...a, ...x, a3]) does(rig, node, work => differs(node, work));
  const {done, disagreements} = batchOf(rig, id).counters;
  t.true(done > 0 && disagreements > 0);
  for (const node of [...a, ...x]) t.like(creditOf(rig, node), {disagreed: 0});
  t.true(x.every(node => stateOf(rig, node).standing.size === 0));
});

test('one wrong node is found out, and the app is not blamed', t => {
  const {rig, id, a, x} = blame({}, (node, work) => (node.name === 'a1' ? 'lie' : truth(work)));
  t.is(rig.core.context.probes.resultOf(APP.appId)?.result, 'alike');
  for (const node of [...a, ...x])
    does(rig, node, work => (node.name === 'a1' ? 'lie' : truth(work)));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 4});
  t.true(creditOf(rig, a[0] as TestNode).disagreed > 0);
  t.is(creditOf(rig, a[1] as TestNode).disagreed, 0);
});

test('an app that does not agree with itself is at fault, and no node', t => {
  let dice = 0;
  const {rig, id, a, x} = blame({}, () => `${dice++}`);
  t.is(rig.core.context.probes.resultOf(APP.appId)?.result, 'itself');
  t.regex(batchOf(rig, id).control.suspended?.reason ?? '', /not agree with itself/);
  for (const node of [...a, ...x]) {
    t.like(creditOf(rig, node), {disagreed: 0});
    t.is(stateOf(rig, node).standing.size, 0);
  }
});

test('on one processor alone an app without agreement fails, and no node is kept from it', t => {
  const {rig, id, a} = trying(4, 0, {maxTotalReplicas: 4}, 10);
  let dice = 0;
  for (let round = 0; round < 12; round++) for (const node of a) does(rig, node, () => `${dice++}`);
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 0});
  t.regex(batchOf(rig, id).counters.reason, /no two of 4 results agree/);
  for (const node of a) t.is(stateOf(rig, node).standing.size, 0);
});

test('where one node of a processor cannot tell, the batch goes on after a minute, and it is not blamed', t => {
  const {rig, id, a, x} = trying(3, 1);
  const all = [...a, ...x];
  for (const node of all) does(rig, node, work => differs(node, work));
  for (const node of all) does(rig, node, work => differs(node, work));
  t.deepEqual(rig.pull(a[2] as TestNode), []);
  live(rig, 65_000, ...all);
  t.is(rig.core.context.probes.resultOf(APP.appId), undefined, 'nothing is said of the app');
  for (let round = 0; round < 3; round++)
    for (const node of all) does(rig, node, work => differs(node, work));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 4});
  t.like(creditOf(rig, x[0] as TestNode), {disagreed: 0});
  t.is(stateOf(rig, x[0] as TestNode).standing.size, 0);
});

test('a second processor that is gone does not hold the batch', t => {
  const {rig, id, a} = trying(2, 1);
  t.is(does(rig, a[0], truth), 1);
  t.deepEqual(rig.pull(a[1] as TestNode), []);
  live(rig, 65_000, ...a);
  for (const node of [a[1], a[0], a[1]]) does(rig, node, truth);
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('numbers within the tolerance make an app alike', t => {
  const compare = {kind: 'numeric', format: 'json', rtol: 0.1, atol: 0} as const;
  const {rig, id, a, x} = trying(1, 1, {compare}, 1);
  does(rig, a[0], () => '1.00');
  does(rig, x[0], () => '1.01');
  t.is(rig.core.context.probes.resultOf(APP.appId)?.result, 'alike');
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a restart between the two begins with another workunit, and decides what is there', t => {
  const {rig, id, a, x} = trying(1, 1, {redundancy: 'none'});
  does(rig, a[0], truth);
  t.is(rig.scan('vote').length, 1, 'it would decide');
  rig.killAndRest();
  t.is(batchOf(rig, id).counters.done, 1);
  for (const [node, arch] of [
    [a[0], 'arm64'],
    [x[0], 'x64'],
  ] as const)
    rig.join(node as TestNode, {arch});
  t.is(does(rig, a[0], truth), 1);
  t.is(does(rig, x[0], truth), 1);
  t.is(rig.core.context.probes.resultOf(APP.appId)?.result, 'alike');
});
