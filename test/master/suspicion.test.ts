import test from 'ava';
import type {Policy} from '../../src/core/policy.ts';
import {sizeOf, suspicionOf} from '../../src/master/suspicion.ts';
import type {OutputRef, ResultItem} from '../../src/wire/message.ts';
import {batchOf, creditOf, only, resultsOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, blobOf, inline, type TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

type Done = Extract<ResultItem, {status: 'done'}>;
const POLICY = {outputLimitBytes: 5} as Policy;
const item = (output: OutputRef, more: Partial<Done> = {}): Done =>
  ({status: 'done', output, ...more}) as Done;

test('an output as large as is allowed is suspicious, a smaller one is not', t => {
  t.is(suspicionOf(POLICY, {owes: 0}, item(inline('1234'))), undefined);
  t.regex(String(suspicionOf(POLICY, {owes: 0}, item(inline('12345')))), /as large as/);
  const blob: OutputRef = {kind: 'blob', blobId: blobOf('x').blobId, size: 5};
  t.regex(String(suspicionOf(POLICY, {owes: 0}, item(blob))), /as large as/);
  t.is(sizeOf(blob), 5);
});

test('what a node says of its own result counts, bits that nobody knows do not', t => {
  t.regex(String(suspicionOf(POLICY, {owes: 0}, item(inline(''), {suspicion: 1}))), /slept/);
  t.is(suspicionOf(POLICY, {owes: 0}, item(inline(''), {suspicion: 2})), undefined);
  t.regex(String(suspicionOf(POLICY, {owes: 0}, item(inline(''), {suspicion: 3}))), /slept/);
});

test('a node that disagreed lately is suspicious', t => {
  t.regex(String(suspicionOf(POLICY, {owes: 1}, item(inline('')))), /disagreed/);
});

/** Reports that its machine slept. */
function reportsOddly(rig: MasterRig, node: TestNode, output = 'out', work = rig.pull(node)) {
  const results = resultsOf(work, () => inline(output));
  return rig.says(
    node,
    rig.reportOf(
      node,
      results.map(each => ({...each, suspicion: 1})),
    ),
  );
}

test('a suspicious result asks for one replica more, which settles it', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  reportsOddly(rig, a);
  t.like(batchOf(rig, id).counters, {state: 'running', results: 1});
  const work = rig.pull(b);
  t.is(work.length, 1);
  t.is(rig.pull(c).length, 0, 'one, not more');
  rig.report(b, work, () => inline('out'));
  t.like(batchOf(rig, id).counters, {state: 'done', results: 2, disagreements: 0});
  for (const node of [a, b]) t.is(creditOf(rig, node).credit, 1);
});

test('of a quorum of two the suspicious one asks for a third', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  reportsOddly(rig, a);
  rig.report(b, rig.pull(b), () => inline('out'));
  t.is(batchOf(rig, id).counters.state, 'running');
  rig.report(c, rig.pull(c), () => inline('out'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a suspicious result that is outvoted costs nothing more', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  reportsOddly(rig, a, 'other');
  for (const node of [b, c]) rig.report(node, rig.pull(node), () => inline('out'));
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 1, replicas: 3});
});

test('when replicas are used up a suspicious result has to do', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxTotalReplicas: 1}, rangeOf(1));
  reportsOddly(rig, rig.node('a'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('when no other node is there a suspicious result has to do, once nodes had time to come', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  reportsOddly(rig, a);
  for (let s = 0; s < 28; s++) {
    rig.says(a, rig.pullOf(a, 0));
    rig.pass(1_000);
  }
  t.is(batchOf(rig, id).counters.state, 'running');
  rig.says(a, rig.pullOf(a, 0));
  rig.pass(4_000);
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('the suspicion outlives a restart', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  reportsOddly(rig, a);
  rig.kill();
  t.is(batchOf(rig, id).counters.state, 'running');
  rig.join(b);
  rig.rest();
  rig.report(b, rig.pull(b), () => inline('out'));
  t.like(batchOf(rig, id).counters, {state: 'done', results: 2});
});

test('after a restart too a suspicious result does not wait for ever', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const [a] = rig.nodes(2) as [TestNode, TestNode];
  reportsOddly(rig, a);
  rig.kill();
  rig.join(a);
  rig.pass(40_000);
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('who disagreed is looked at more closely until ten results were validated', t => {
  const rig = MasterRig.ready();
  rig.submit({}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.report(a, rig.pull(a), () => inline('lie'));
  for (const node of [b, c]) rig.report(node, rig.pull(node));
  t.is(stateOf(rig, a).owes, 10);
  for (let n = 10; n > 0; n--) {
    const id = rig.submit({minQuorum: 1}, rangeOf(1));
    rig.report(a, rig.pull(a));
    t.is(batchOf(rig, id).counters.state, 'running', `${n} are owed`);
    rig.report(b, rig.pull(b));
    t.is(batchOf(rig, id).counters.state, 'done');
  }
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  rig.report(a, rig.pull(a));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('nobody waits for a node that an operator holds, nor for one on the bench', t => {
  const rig = MasterRig.ready();
  const [a, held, benched] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  stateOf(rig, benched).standing.set(APP.appId, 'benched');
  rig.ask({kind: 'holdNode', nodeId: held.id, hold: 'draining', reason: ''});
  rig.core.context.isYoung = false;
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  reportsOddly(rig, a);
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('of a suspended batch a suspicious result waits until others are asked again', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rig.core.context.isYoung = false;
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const work = rig.pull(a);
  rig.ask({kind: 'suspendBatch', batchId: id, reason: ''});
  reportsOddly(rig, a, 'out', work);
  rig.pass(2_000);
  t.is(batchOf(rig, id).counters.state, 'running');
  t.deepEqual(rig.pull(b), []);
  rig.ask({kind: 'resumeBatch', batchId: id});
  rig.report(b, rig.pull(b), () => inline('out'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a batch that ends takes its suspicions with it', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit({minQuorum: 1}, rangeOf(1));
  rig.node('b');
  reportsOddly(rig, rig.node('a'));
  t.is(rig.core.context.suspected.size, 1);
  t.true(only(rig.asked({kind: 'cancelBatch', batchId}).effects, 'multicast').length > 0);
  rig.pass(2_000);
  t.is(rig.core.context.suspected.size, 0);
});
