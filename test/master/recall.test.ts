import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {RENEWALS_PER_PULL} from '../../src/wire/codec-sizes.ts';
import {
  batchOf,
  notesOf,
  only,
  receiptsOf,
  refOf,
  renewalsOf,
  resultsOf,
  sentTo,
  stateOf,
  workOf,
} from './look.ts';
import {MasterRig} from './rig.ts';
import {inline, type TestNode, type Work} from './test-node.ts';

/** When all are heard, their reports are waited for. */
const SETTLE_MS = 300;
const rangeOf = (end: number) => ({kind: 'range', start: 0, end, chunk: 1}) as const;

/** Two nodes; the first one holds `held` of ten workunits when the master dies and is there again. */
function restarted(policy: PolicyRequest = {minQuorum: 1}, held = 4) {
  const rig = MasterRig.ready();
  const id = rig.submit(policy, rangeOf(10));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const work = rig.pull(a, held);
  rig.kill();
  for (const node of [a, b]) rig.join(node);
  return {rig, id, a, b, work};
}

const names = (work: readonly Work[]): number[] => work.map(({index}) => index);
const outOf = (rig: MasterRig, id: BatchId): [number, string][] =>
  [...batchOf(rig, id).open.values()].flatMap(({index, replicas}) =>
    replicas.map(({nodeId}): [number, string] => [index, nodeId]),
  );

test('what a suspended node keeps is no lease after a restart: it computes nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(10));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [keeps, drains] = [rig.pull(a, 4), rig.pull(b, 4)];
  rig.ask({kind: 'holdNode', nodeId: a.id, hold: 'suspended', reason: ''});
  rig.ask({kind: 'holdNode', nodeId: b.id, hold: 'draining', reason: ''});
  rig.kill();
  for (const node of [a, b, c]) rig.join(node);
  rig.pull(a, 0, renewalsOf(keeps));
  rig.pull(b, 0, renewalsOf(drains));
  t.deepEqual([stateOf(rig, a).out.size, stateOf(rig, b).out.size], [0, drains.length]);
  rig.pull(c, 0);
  rig.pass(SETTLE_MS);
  t.deepEqual(names(rig.pull(c, 4)), names(keeps), 'others get it');
  rig.ask({kind: 'resumeNode', nodeId: a.id});
  rig.report(a, keeps);
  t.is(batchOf(rig, id).counters.done, 4, 'what it began anew counts where it is still wanted');
});

test('a lease that its node names after a restart is out again, and nobody else gets the work', t => {
  const {rig, id, a, b, work} = restarted();
  t.deepEqual(rig.pull(b, 10), [], 'what a holds is not known yet');
  t.deepEqual(rig.pull(a, 0, renewalsOf(work)), []);
  t.deepEqual(
    outOf(rig, id),
    names(work).map(index => [index, a.id]),
  );
  t.is(stateOf(rig, a).out.size, 4);
  rig.pass(SETTLE_MS);
  t.deepEqual(names(rig.pull(b, 10)), [4, 5, 6, 7]);
  t.is(receiptsOf(rig.report(a, work), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 4);
});

test('once all have told what they hold, idle nodes are called for the rest', t => {
  const {rig, a, b, work} = restarted();
  rig.pull(b, 4);
  rig.pull(a, 0, renewalsOf(work));
  const effects = rig.pass(SETTLE_MS);
  t.true(notesOf(effects).includes('leases of the life before are known again'));
  const calls = only(effects, 'multicast').map(({command}) => command.what.kind);
  t.deepEqual(calls, ['workAvailable']);
});

test('what was finished meanwhile and is reported now is not given again', t => {
  const {rig, id, a, b, work} = restarted();
  rig.pull(a, 4);
  rig.pull(b, 4);
  rig.report(a, work);
  const calls = only(rig.pass(SETTLE_MS), 'multicast');
  t.is(calls.length, 1);
  t.is(batchOf(rig, id).counters.done, 4);
  t.deepEqual(names(rig.pull(b, 4)), [4, 5, 6, 7]);
});

test('nodes that do not come back are waited for until no more come, or as long as a silent one', t => {
  const quiet = restarted();
  t.deepEqual(quiet.rig.pull(quiet.b, 4), []);
  quiet.rig.pass(499);
  t.deepEqual(quiet.rig.pull(quiet.b, 4), []);
  quiet.rig.pass(1);
  t.is(quiet.rig.pull(quiet.b, 4).length, 4);
  const none = restarted();
  none.rig.pass(2_999);
  const late = none.rig.node('late');
  t.deepEqual(none.rig.pull(late, 4), [], 'one that is new does not end it');
  none.rig.pass(1);
  t.is(none.rig.pull(late, 4).length, 4);
});

test('a batch that is submitted after the restart does not wait', t => {
  const {rig, b} = restarted();
  const id = rig.submit({minQuorum: 1}, rangeOf(2));
  const [first] = workOf(rig.says(b, rig.pullOf(b, 4)), b);
  t.is(first?.batchId, id);
});

test('without nodes, or without work, nothing waits after a restart', t => {
  const empty = MasterRig.ready();
  empty.submit({minQuorum: 1});
  empty.kill();
  t.is(empty.pull(empty.node('first'), 4).length, 4);
  const idle = MasterRig.ready();
  const a = idle.node('a');
  idle.kill();
  idle.join(a);
  idle.submit({minQuorum: 1});
  t.is(idle.pull(a, 4).length, 4);
});

test('a node that holds more than a pull can name tells all before it counts as heard', t => {
  const {rig, id, a, b, work} = restarted({minQuorum: 1}, 4);
  const known = renewalsOf(work);
  const padding = Array.from({length: RENEWALS_PER_PULL - 3}, (_, i) => ({
    batchId: id,
    index: 100 + i,
    replicaNo: 0,
    permille: 0,
    proof: 0,
  }));
  rig.pull(b, 4);
  rig.pull(a, 0, [...padding, ...known.slice(0, 3)]);
  t.deepEqual(rig.pull(b, 4), [], 'more is to come');
  rig.pass(499 - SETTLE_MS);
  rig.pull(a, 4, known.slice(3));
  rig.pass(SETTLE_MS);
  rig.pull(a, 4);
  t.is(outOf(rig, id).filter(([, nodeId]) => nodeId === a.id).length, 4 + 4);
});

test('a lease is taken up by its proof alone, and once', t => {
  const {rig, id, a, b, work} = restarted();
  const [first] = renewalsOf(work);
  if (!first) return t.fail();
  const claims = [
    {...first, proof: (first.proof ^ 1) >>> 0},
    {...first, replicaNo: 1},
    {...first, index: 9},
    {...first, batchId: 77 as BatchId},
    {...first, proof: 0},
  ];
  rig.pull(a, 0, claims);
  rig.pull(b, 0, renewalsOf(work));
  t.deepEqual(outOf(rig, id), [], 'a claim without its proof, or of another node');
  rig.pull(a, 0, [first, first]);
  rig.pull(a, 0, [first]);
  t.deepEqual(outOf(rig, id), [[0, a.id]]);
});

test('no more leases are taken up than a workunit wants, and a later replica gets a later number', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [forA, forB] = [rig.pull(a, 1), rig.pull(b, 1)];
  rig.kill();
  rig.pass(3_000); // a and b are late: others are given it meanwhile
  for (const node of [a, b, c]) rig.join(node);
  const forC = rig.pull(c, 1);
  rig.pull(a, 0, renewalsOf(forA));
  rig.pull(b, 0, renewalsOf(forB));
  t.deepEqual(outOf(rig, id), [[0, c.id]], 'so late, nothing is taken up');
  rig.kill();
  for (const node of [a, b, c]) rig.join(node);
  rig.pull(b, 0, renewalsOf(forB));
  rig.pull(a, 0, renewalsOf(forA));
  rig.pull(c, 0, renewalsOf(forC));
  t.deepEqual(outOf(rig, id), [
    [0, b.id],
    [0, a.id],
  ]);
  t.is(batchOf(rig, id).open.get(0)?.issued, 2);
  t.is(batchOf(rig, id).wanting.size, 0);
});

test('a node that has voted does not hold the workunit again, with an error for another replica it may', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2}, rangeOf(2));
  const [a] = rig.nodes(2) as [TestNode, TestNode];
  const work = rig.pull(a, 2);
  const [done, failed] = work as [Work, Work];
  const error = {...refOf(failed), cpuMs: 1, status: 'timedOut', reason: 'x'} as const;
  rig.says(a, rig.reportOf(a, [...resultsOf([done], () => inline('x')), error]));
  rig.kill();
  rig.join(a);
  rig.pull(a, 0, renewalsOf(work));
  t.deepEqual(outOf(rig, id), []);
});

test('a lease that was taken up runs out as any other, and is given to others', t => {
  const {rig, id, a, b, work} = restarted({minQuorum: 1, leaseSeconds: 10});
  rig.pull(a, 0, renewalsOf(work));
  rig.pass(3_000);
  rig.pull(b, 0);
  rig.pass(1_000);
  t.deepEqual(outOf(rig, id), [], 'a was silent for three heartbeats');
  t.deepEqual(names(rig.pull(b, 4)), names(work));
  rig.join(a);
  rig.pull(a, 0, renewalsOf(work));
  t.false(
    outOf(rig, id).some(([, nodeId]) => nodeId === a.id),
    'in one life once',
  );
});

test('inputs that have to be read are there before their leases are named, or at the next heartbeat', t => {
  const rig = MasterRig.ready();
  const blobId = 'ab'.repeat(32) as never;
  const id = rig.submit({minQuorum: 1}, {kind: 'lines', blobId, indexBlobId: blobId, count: 3});
  rig.feed();
  const a = rig.node('a');
  const work = rig.pull(a, 3);
  rig.kill();
  rig.join(a);
  rig.pull(a, 0, renewalsOf(work));
  t.deepEqual(outOf(rig, id), []);
  rig.feed();
  rig.pull(a, 0, renewalsOf(work));
  t.is(outOf(rig, id).length, 3);
});

test('the answer to a pull that is repeated is the same, and nothing is taken up twice', t => {
  const {rig, id, a, work} = restarted();
  const pull = rig.pullOf(a, 0, renewalsOf(work));
  const first = sentTo(rig.says(a, pull), a, 'assign');
  t.deepEqual(sentTo(rig.says(a, pull), a, 'assign'), first);
  t.is(outOf(rig, id).length, 4);
});
