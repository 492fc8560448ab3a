// Homogeneous redundancy: only results of machines that are alike are held against each other.

import test from 'ava';
import type {BatchId, NodeId} from '../../src/base/types.ts';
import {decodeVote, encodeVote, type VoteRow} from '../../src/core/tables.ts';
import {TRUSTED_AFTER} from '../../src/master/adaptive.ts';
import {isHomogeneous, machineOf, nextPin, votesOf} from '../../src/master/homogeneous.ts';
import {Recount} from '../../src/master/recount.ts';
import {keepVotes} from '../../src/master/salvage-votes.ts';
import type {Vote} from '../../src/master/validator.ts';
import {ARM, BY_ARCH, by, live, rangeOf, room, stuck, X64} from './kinds.ts';
import {batchOf, creditOf, refOf, stateOf} from './look.ts';
import {inline, type TestNode} from './test-node.ts';

test('the kind of a machine is its processor, or its processor and its engine', t => {
  t.is(machineOf({}, ARM), undefined);
  t.is(machineOf({homogeneous: 'off'}, ARM), undefined);
  t.is(machineOf({homogeneous: 'arch'}, ARM), 'arm64');
  t.is(machineOf({homogeneous: 'engine'}, ARM), 'arm64 v8-11.3');
  t.is(
    machineOf({homogeneous: 'engine'}, {arch: 'arm', engine: 'node-22.1.0/v8-12.4'}),
    'arm v8-12.4',
  );
  t.is(machineOf({homogeneous: 'engine'}, {arch: 'x64', engine: 'other'}), 'x64 other');
  t.deepEqual([{}, {homogeneous: 'off'} as const, BY_ARCH].map(isHomogeneous), [
    false,
    false,
    true,
  ]);
});

test('a kind of machine is in the row of a vote, which reads as before without it', t => {
  const head = {replicaNo: 1, reportNo: 2, item: 3, cpuMs: 4};
  const rows: VoteRow[] = [
    {...head, status: 'done', output: inline('x')},
    {...head, status: 'done', output: inline('x'), machine: 'arm64'},
    {...head, status: 'done', output: inline('x'), suspicion: 'slept'},
    {...head, status: 'done', output: inline('x'), suspicion: 'slept', machine: 'arm64 v8-11.3'},
    {...head, status: 'trapped', reason: ''},
    {...head, status: 'timedOut', reason: 'late', machine: 'x64'},
  ];
  for (const row of rows) t.deepEqual(decodeVote(encodeVote(row)), row);
});

test('errors are of every kind, results of their own', t => {
  const vote = (status: Vote['status'], machine: string): Vote =>
    ({status, machine, reason: ''}) as never;
  const votes = [vote('done', 'arm64'), vote('timedOut', 'arm64'), vote('trapped', 'x64')];
  t.deepEqual(votesOf('x64', votes), [votes[1], votes[2]] as Vote[]);
  t.is(votesOf(undefined, votes), votes);
});

test('what is stuck goes where a quorum can be had, and to most', t => {
  const side = (machine: string, fresh: number, voted: number, free = fresh) => ({
    machine,
    free,
    fresh,
    voted,
  });
  t.is(nextPin(2, 'arm', []), undefined);
  t.is(nextPin(2, 'arm', [side('arm', 3, 3)]), undefined);
  t.is(nextPin(2, 'arm', [side('arm64', 1, 0), side('x64', 0, 5)]), undefined, 'nobody who could');
  t.is(nextPin(2, 'arm', [side('arm64', 1, 1), side('x64', 1, 0)]), 'arm64');
  t.is(nextPin(2, 'arm', [side('x64', 3, 0), side('arm64', 2, 0)]), 'x64');
  t.is(
    nextPin(2, 'arm', [side('x64', 3, 0), side('arm64', 2, 1)]),
    'arm64',
    'in any order the same',
  );
  const tried = side('x64', 0, 0, 2);
  t.is(nextPin(2, 'arm', [tried]), 'x64', 'nobody of its own is left');
  t.is(nextPin(2, 'arm', [side('arm', 0, 1, 1), tried]), undefined, 'its own try again');
  t.is(nextPin(2, 'arm', [side('arm', 0, 1, 1), tried, side('arm64', 1, 1)]), 'arm64');
});

test('the first replica pins a workunit: others of its kind get it, and they decide', t => {
  const {rig, arm, x64} = room(2, 2);
  const id = rig.submit(BY_ARCH, rangeOf(2));
  const [a1, a2] = arm as [TestNode, TestNode];
  const [x1, x2] = x64 as [TestNode, TestNode];
  const first = rig.pull(a1, 1);
  const second = rig.pull(x1, 1);
  t.deepEqual(
    [first, second].map(([work]) => work?.index),
    [0, 1],
  );
  t.deepEqual(
    rig.pull(x2, 4).map(({index}) => index),
    [1],
  );
  const rest = rig.pull(a2, 4);
  t.deepEqual(
    rest.map(({index}) => index),
    [0],
  );
  rig.report(a1, first, by('arm'));
  rig.report(x1, second, by('x64'));
  rig.report(a2, rest, by('arm'));
  t.like(batchOf(rig, id).counters, {done: 1, disagreements: 0});
  t.deepEqual(
    [a1, a2, x1].map(node => creditOf(rig, node).credit),
    [1, 1, 0],
  );
});

test('where too few of a kind are up none of it begins; the batch goes on with another kind', t => {
  const {rig, arm, x64} = room(1, 2);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  const [a1] = arm as [TestNode];
  t.deepEqual(rig.pull(a1), []);
  for (const node of x64) rig.report(node, rig.pull(node), by('x64'));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1});
});

test('idle nodes are called when enough of their kind are there', t => {
  const {rig, arm} = room(1, 1);
  const [a1] = arm as [TestNode];
  rig.submit(BY_ARCH, rangeOf(1));
  t.deepEqual(rig.pull(a1), []);
  const a2 = rig.node('a2', ARM);
  rig.pass(1_000);
  t.is(stateOf(rig, a1).idleSince, rig.core.context.workNo, 'it was told of work');
  t.is(rig.pull(a1).length, 1);
  t.is(rig.pull(a2).length, 1);
});

test('when a lone replica is lost the workunit is free again', t => {
  const {rig, arm, x64} = room(2, 2);
  rig.submit({...BY_ARCH, leaseSeconds: 5}, rangeOf(1));
  t.is(rig.pull(arm[0] as TestNode).length, 1);
  t.is(rig.pull(x64[0] as TestNode).length, 0);
  live(rig, 6_000, ...x64);
  t.is(rig.pull(x64[0] as TestNode).length, 1);
});

test('a restart finds the kind in the rows', t => {
  const {rig, id, a1, x64} = stuck();
  rig.killAndRest();
  for (const node of x64) rig.join(node, X64);
  t.deepEqual(rig.pull(x64[0] as TestNode), []);
  rig.join(a1, ARM);
  const a2 = rig.node('a2', ARM);
  rig.report(a2, rig.pull(a2), by('arm'));
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 0});
});

test('a node that is another machine since does not make its result one of another kind', t => {
  const {rig, arm} = room(3, 0);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  const [a1, a2, a3] = arm as [TestNode, TestNode, TestNode];
  rig.report(a1, rig.pull(a1), by('arm'));
  rig.join(a1, X64); // its card is in another board now
  rig.killAndRest();
  for (const node of [a2, a3]) rig.join(node, ARM);
  t.is(batchOf(rig, id).open.get(0)?.machine, 'arm64');
  rig.report(a2, rig.pull(a2), by('arm'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a trap counts among its kind alone', t => {
  const {rig, arm, x64} = room(3, 3);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  const traps = (node: TestNode | undefined): void => {
    if (!node) return;
    const items = rig
      .pull(node)
      .map(each => ({...refOf(each), cpuMs: 5, status: 'trapped', reason: 'trap'}) as const);
    rig.says(node, rig.reportOf(node, items));
  };
  traps(arm[0]);
  live(rig, 70_000, ...x64);
  traps(x64[0]);
  t.is(batchOf(rig, id).counters.failed, 0, 'one of each kind');
  traps(x64[1]);
  t.like(batchOf(rig, id).counters, {failed: 1, reason: 'trapped: trap'});
});

test('a trusted node that computes alone is checked by its own kind', t => {
  const {rig, arm, x64} = room(2, 2);
  const [a1, a2] = arm as [TestNode, TestNode];
  const policy = {...BY_ARCH, redundancy: 'adaptive'} as const;
  rig.submit(policy, rangeOf(TRUSTED_AFTER));
  for (let i = 0; i < TRUSTED_AFTER; i++)
    for (const node of [a1, a2]) rig.report(node, rig.pull(node, 1), by('arm'));
  const id = rig.submit(policy, rangeOf(3));
  for (let i = 0; i < 3; i++) rig.report(a1, rig.pull(a1, 1), by('arm'));
  rig.pass(1_100);
  t.deepEqual(rig.pull(x64[0] as TestNode), [], 'the check is for arm64');
  rig.report(a2, rig.pull(a2, 1), by('arm'));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 3, singles: 2, disagreements: 0});
});

test('an agreement by tolerance is among one kind too', t => {
  const {rig, arm, x64} = room(2, 2);
  const compare = {kind: 'numeric', format: 'json', rtol: 0.5, atol: 0} as const;
  const id = rig.submit({...BY_ARCH, compare}, rangeOf(1));
  const [a1, a2] = arm as [TestNode, TestNode];
  rig.report(a1, rig.pull(a1), () => inline('1.0'));
  t.deepEqual(rig.pull(x64[0] as TestNode), []);
  rig.report(a2, rig.pull(a2), () => inline('1.1'));
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 0});
});

test('benched nodes of the only kind that is enough get work again', t => {
  const {rig, arm, x64} = room(2, 1);
  const [a1, a2] = arm as [TestNode, TestNode];
  const [x1] = x64 as [TestNode];
  const first = rig.submit({minQuorum: 2, homogeneous: 'off'}, rangeOf(3));
  // a2 is wrong three times where a1 and x1 agree.
  for (const node of [a2, a1, x1])
    rig.report(node, rig.pull(node, 4), ({index}) => inline(node === a2 ? 'lie' : `${index}`));
  for (const node of [a1, x1]) rig.report(node, rig.pull(node, 4), ({index}) => inline(`${index}`));
  t.is(batchOf(rig, first).counters.state, 'done');
  t.is(stateOf(rig, a2).standing.size, 1, 'it is on the bench');
  const id = rig.submit(BY_ARCH, rangeOf(1));
  live(rig, 2_000, a1, a2, x1);
  t.true(batchOf(rig, id).takesAll, 'arm64 has no quorum without it');
  t.is(rig.pull(a2).length, 1);
});

/** A batch in the rows that a recovery finds. */
const ROW = {
  id: 1 as BatchId,
  count: 9,
  state: 'running',
  policy: {
    minQuorum: 2,
    targetReplicas: 2,
    maxErrorReplicas: 3,
    maxTotalReplicas: 20,
    ...BY_ARCH,
  },
} as never;

test('a recovery keeps votes of two kinds that would not decide', t => {
  const vote = (machine: string, reportNo: number): Uint8Array =>
    encodeVote({
      replicaNo: reportNo,
      reportNo,
      item: 0,
      cpuMs: 1,
      status: 'done',
      output: inline('x'),
      machine,
    });
  const key = (node: string, no: number) => `0000000100000000${node.repeat(32)}0000000${no}`;
  const basis = {
    isDecided: () => false,
    itemsOf: new Map([
      [1, 1],
      [2, 1],
    ]),
    revoked: new Set<string>(),
    quarantined: new Set<string>(),
  };
  const apart = new Map([
    [key('a', 1), vote('arm64', 1)],
    [key('b', 2), vote('x64', 2)],
  ]);
  t.deepEqual(keepVotes(ROW, apart, basis), []);
  t.is(apart.size, 2);
  const alike = new Map([
    [key('a', 1), vote('arm64', 1)],
    [key('b', 2), vote('arm64', 2)],
  ]);
  t.deepEqual(keepVotes(ROW, alike, basis), [0], 'these would decide: the last one is lost');
});

test('credit that is counted anew goes to those who returned the same bytes', t => {
  const recount = new Recount(() => ({batch: ROW, decision: {kind: 'done', reportNo: 2, item: 0}}));
  const item = (text: string) =>
    ({
      batchId: 1,
      index: 0,
      replicaNo: 0,
      proof: 0,
      cpuMs: 1,
      status: 'done',
      output: inline(text),
    }) as never;
  const [a, b, c] = ['a', 'b', 'c'].map(each => each.repeat(32) as NodeId);
  recount.hear(1, a as NodeId, [item('arm')]);
  recount.hear(2, b as NodeId, [item('x64')]);
  recount.hear(3, c as NodeId, [item('x64')]);
  t.true(recount.proves(1 as BatchId, 0));
  t.deepEqual(
    [a, b, c].map(id => recount.credits.get(id as NodeId)?.credit),
    [undefined, 1, 1],
  );
});
