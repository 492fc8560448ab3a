import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import {leaseProof} from '../../src/master/leases.ts';
import {batchOf, only, receiptsOf, renewalsOf, resultsOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const one = {kind: 'range', start: 0, end: 1, chunk: 1} as const;
const TEN = {kind: 'range', start: 0, end: 10, chunk: 1} as const;

/** Says nothing new, often enough not to be silent. */
const keepAlive = (rig: MasterRig, node: Parameters<MasterRig['says']>[0], ms: number): void => {
  for (let at = 0; at < ms; at += 1_000) {
    rig.pass(1_000);
    rig.says(node, rig.pullOf(node, 0));
  }
};

test('the proof of a lease differs by node, workunit and replica', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  const {context} = rig.core;
  const ref = {batchId, index: 0, replicaNo: 0};
  const proofs = [
    leaseProof(context, a.id, ref),
    leaseProof(context, b.id, ref),
    leaseProof(context, a.id, {...ref, index: 1}),
    leaseProof(context, a.id, {...ref, replicaNo: 1}),
    leaseProof(context, a.id, {...ref, batchId: (batchId + 1) as BatchId}),
  ];
  t.is(new Set(proofs).size, proofs.length);
  for (const proof of proofs) t.true(Number.isInteger(proof) && proof >= 0 && proof < 2 ** 32);
  t.is(leaseProof(context, a.id, ref), proofs[0] ?? -1);
});

test('the proof of a lease differs for another batch that has the number of a lost one', t => {
  const proofs = [1, 2].map(seed => {
    const rig = new MasterRig(new Map(), 1_000, seed);
    rig.begin();
    const batchId = rig.submit();
    const [node] = rig.nodes(1);
    const ref = {batchId, index: 0, replicaNo: 0};
    return {batchId, text: `${leaseProof(rig.core.context, node?.id as never, ref)}`};
  });
  t.is(proofs[0]?.batchId, proofs[1]?.batchId);
  t.not(proofs[0]?.text, proofs[1]?.text);
});

test('a replica of a try that the store knows nothing of counts as one, not as all before it', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit({minQuorum: 2, maxTotalReplicas: 3}, one);
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  // As after a retry of which the copy that was put back knows nothing.
  const ref = {batchId, index: 0, replicaNo: 256};
  const proof = leaseProof(rig.core.context, a.id, ref);
  rig.report(a, [{...ref, proof, input: {kind: 'inline', bytes: new Uint8Array()}}]);
  t.like(batchOf(rig, batchId).counters, {state: 'running', failed: 0});
  rig.report(b, rig.pull(b));
  t.like(batchOf(rig, batchId).counters, {state: 'done', done: 1});
});

test('a lease that runs out gives the work to others', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, leaseSeconds: 5}, one);
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  t.is(rig.pull(a).length, 1);
  t.is(rig.pull(b).length, 0);
  for (let s = 0; s < 7; s++) {
    rig.pass(1_000);
    rig.says(a, rig.pullOf(a, 0));
    rig.says(b, rig.pullOf(b, 0));
  }
  t.is(batchOf(rig, id).out, 0);
  t.is(rig.pull(b).length, 1);
});

test('a pull that names what runs renews it', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, leaseSeconds: 5}, one);
  const a = rig.node('a');
  const work = rig.pull(a);
  for (let s = 0; s < 20; s++) {
    rig.pass(1_000);
    rig.says(a, rig.pullOf(a, 0, renewalsOf(work)));
  }
  t.is(batchOf(rig, id).out, 1);
});

test('a renewal of another replica, or of what is not leased, renews nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, leaseSeconds: 5}, TEN);
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  const work = rig.pull(a, 1);
  const wrong = renewalsOf(work).map(each => ({...each, replicaNo: 9}));
  for (let s = 0; s < 7; s++) {
    rig.pass(1_000);
    rig.says(a, rig.pullOf(a, 0, wrong));
    rig.says(b, rig.pullOf(b, 0, renewalsOf(work)));
  }
  t.is(batchOf(rig, id).out, 0);
});

test('three silent heartbeats take all leases back', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, leaseSeconds: 3_000}, TEN);
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  t.is(rig.pull(a).length, 4);
  keepAlive(rig, b, 3_000);
  t.true(stateOf(rig, a).up);
  keepAlive(rig, b, 2_000);
  t.false(stateOf(rig, a).up);
  t.true(stateOf(rig, b).up);
  t.is(batchOf(rig, id).out, 0);
  t.is(rig.pull(b, 10).length, 4);
});

test('a node that speaks again is up again', t => {
  const rig = MasterRig.ready();
  rig.submit();
  const a = rig.node('a');
  rig.pass(10_000);
  t.false(stateOf(rig, a).up);
  const effects = rig.says(a, rig.pullOf(a, 0));
  t.true(stateOf(rig, a).up);
  t.true(only(effects, 'announce').some(({about}) => about.kind === 'node'));
});

test('a result after the node fell silent is still taken', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, one);
  const a = rig.node('a');
  const work = rig.pull(a);
  rig.pass(10_000);
  t.is(batchOf(rig, id).out, 0);
  t.is(receiptsOf(rig.report(a, work), a).length, 1);
  t.is(batchOf(rig, id).counters.done, 1);
});

test('a new start of the daemon releases its leases at once', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, TEN);
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  t.is(rig.pull(a).length, 4);
  a.bootId = new Uint8Array(8).fill(9);
  rig.join(a);
  t.is(batchOf(rig, id).out, 0);
  t.is(rig.pull(b, 10).length, 4);
});

test('a new session of the same start keeps its leases', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, TEN);
  const a = rig.node('a');
  rig.pull(a);
  rig.join(a);
  t.is(batchOf(rig, id).out, 4);
});

test('leases that end with their batch are over once, whatever the order', t => {
  // The eighth failure ends the batch while the sweep still has leases of it in hand.
  const rig = MasterRig.ready();
  const id = rig.submit(
    {minQuorum: 1, maxTotalReplicas: 1},
    {kind: 'range', start: 0, end: 20, chunk: 1},
  );
  const a = rig.node('a', {slots: 16});
  t.is(rig.pull(a, 16).length, 16);
  rig.pass(10_000);
  t.is(batchOf(rig, id).counters.state, 'failed');
  t.is(batchOf(rig, id).counters.failed, 8);
});

test('a lease that runs out late in a batch that just ended is over once', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(
    {minQuorum: 1, maxTotalReplicas: 1, leaseSeconds: 4},
    {kind: 'range', start: 0, end: 20, chunk: 1},
  );
  const a = rig.node('a', {slots: 16});
  rig.pull(a, 16);
  keepAlive(rig, a, 8_000);
  t.is(batchOf(rig, id).counters.state, 'failed');
  t.is(batchOf(rig, id).counters.reason, 'no quorum after 1 replicas (maxTotalReplicas)');
});

test('the results of a node whose workunits others decided change nothing', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, targetReplicas: 2}, one);
  const [a, b] = rig.nodes(2);
  if (!a || !b) return t.fail();
  const forA = rig.pull(a);
  const forB = rig.pull(b);
  rig.report(a, forA);
  t.is(batchOf(rig, id).out, 0);
  t.is(stateOf(rig, b).out.size, 0);
  const effects = rig.says(b, rig.reportOf(b, resultsOf(forB)));
  t.is(receiptsOf(effects, b).length, 1);
  t.is(batchOf(rig, id).counters.results, 1);
});
