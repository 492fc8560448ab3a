import test from 'ava';
import type {ResultItem} from '../../src/wire/message.ts';
import {batchOf, only, receiptsOf, refOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, type TestNode, type Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

/** A batch of one workunit for two nodes that both hold it. */
function pair(policy = {}): {
  rig: MasterRig;
  a: TestNode;
  b: TestNode;
  forA: Work[];
  forB: Work[];
  id: Work['batchId'];
} {
  const rig = MasterRig.ready();
  const id = rig.submit(policy, rangeOf(1));
  const a = rig.node('a');
  const b = rig.node('b');
  return {rig, a, b, id, forA: rig.pull(a), forB: rig.pull(b)};
}

const failed = (work: Work, status: 'timedOut' | 'trapped'): ResultItem => ({
  ...refOf(work),
  cpuMs: 3,
  status,
  reason: 'why',
});

test('a batch ends failed with the reason of its first failure', t => {
  const {rig, a, b, id, forA, forB} = pair();
  rig.says(
    a,
    rig.reportOf(
      a,
      forA.map(work => failed(work, 'trapped')),
    ),
  );
  rig.says(
    b,
    rig.reportOf(
      b,
      forB.map(work => failed(work, 'trapped')),
    ),
  );
  t.like(batchOf(rig, id).counters, {state: 'failed', failed: 1, done: 0, reason: 'trapped: why'});
});

test('a batch that has both is failed in the end, with all its workunits decided', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(2));
  const a = rig.node('a');
  const [first, second] = rig.pull(a) as [Work, Work];
  rig.report(a, [first]);
  t.is(batchOf(rig, id).counters.state, 'running');
  rig.says(a, rig.reportOf(a, [failed(second, 'trapped')]));
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 1, failed: 1});
});

test('eight failures and nothing else end a batch early', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1_000));
  const a = rig.node('a', {slots: 16});
  const work = rig.pull(a, 12);
  const effects = rig.says(
    a,
    rig.reportOf(
      a,
      work.map(each => failed(each, 'trapped')),
    ),
  );
  t.like(batchOf(rig, id).counters, {state: 'failed', failed: 8, done: 0});
  t.is(batchOf(rig, id).open.size, 0);
  t.is(batchOf(rig, id).out, 0);
  t.is(receiptsOf(effects, a).length, 1);
  t.true(only(effects, 'multicast').some(({command}) => command.what.kind === 'cancelBatch'));
  t.is(rig.pull(a).length, 0);
});

test('one good result keeps a batch with eight failures alive', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1_000));
  const a = rig.node('a', {slots: 16});
  const [good, ...work] = rig.pull(a, 12) as [Work, ...Work[]];
  rig.report(a, [good]);
  rig.says(
    a,
    rig.reportOf(
      a,
      work.map(each => failed(each, 'trapped')),
    ),
  );
  t.like(batchOf(rig, id).counters, {state: 'running', failed: 11, done: 1});
});

test('cancel takes every lease back, forgets votes and tells the nodes', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(100));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const work = rig.pull(a);
  rig.pull(b);
  rig.report(a, work.slice(0, 2));
  t.is(rig.scan('vote').length, 2);
  const {answer, effects} = rig.asked({kind: 'cancelBatch', batchId: id});
  t.true(answer.ok);
  t.like(batchOf(rig, id).counters, {state: 'cancelled', reason: 'cancelled by the operator'});
  t.is(rig.scan('vote').length, 0);
  t.is(stateOf(rig, a).out.size + stateOf(rig, b).out.size, 0);
  t.true(only(effects, 'multicast').some(({command}) => command.what.kind === 'cancelBatch'));
});

test('a batch is cancelled once, and an unknown one never', t => {
  const rig = MasterRig.ready();
  const id = rig.submit();
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.like(rig.ask({kind: 'cancelBatch', batchId: id}), {ok: false, code: 'VOLLEY_BATCH_ENDED'});
  t.like(rig.ask({kind: 'cancelBatch', batchId: 99 as typeof id}), {
    ok: false,
    code: 'VOLLEY_UNKNOWN_BATCH',
  });
});

const REFUSED: readonly (readonly [string, object, string])[] = [
  ['an unknown app', {app: 'nothing'}, 'VOLLEY_UNKNOWN_APP'],
  ['an empty range', {input: {kind: 'range', start: 5, end: 5, chunk: 1}}, 'VOLLEY_BAD_INPUT'],
  ['a range backwards', {input: {kind: 'range', start: 5, end: 1, chunk: 1}}, 'VOLLEY_BAD_INPUT'],
  [
    'no lines',
    {input: {kind: 'lines', blobId: APP.appId, indexBlobId: APP.appId, count: 0}},
    'VOLLEY_BAD_INPUT',
  ],
  [
    'too many workunits',
    {input: {kind: 'range', start: 0, end: 2 ** 40, chunk: 1}},
    'VOLLEY_BAD_INPUT',
  ],
  ['too many arguments', {args: Array<string>(17).fill('x')}, 'VOLLEY_BAD_INPUT'],
  ['a quorum of none', {policy: {minQuorum: 0}}, 'VOLLEY_BAD_POLICY'],
  ['a target below the quorum', {policy: {minQuorum: 3, targetReplicas: 2}}, 'VOLLEY_BAD_POLICY'],
  ['more time than the app allows', {policy: {timeLimitSeconds: 61}}, 'VOLLEY_BAD_POLICY'],
  ['half a quorum', {policy: {minQuorum: 1.5}}, 'VOLLEY_BAD_POLICY'],
  ['a long name', {name: 'x'.repeat(65)}, 'VOLLEY_USAGE'],
];

for (const [title, changes, code] of REFUSED)
  test(`a batch with ${title} is refused, and nothing is saved`, t => {
    const rig = MasterRig.ready();
    const batch = {name: 'b', app: APP.name, args: [], input: rangeOf(3), policy: {}, ...changes};
    const {answer, effects} = rig.asked({kind: 'submitBatch', batch});
    t.like(answer, {ok: false, code});
    t.is(only(effects, 'save').length, 0);
    t.is(rig.core.context.batches.size, 0);
  });

test('an app whose time limit is a fraction of a second can be run', t => {
  const rig = MasterRig.ready();
  rig.ask({kind: 'addApp', app: {...APP, name: 'quick', timeLimitSeconds: 0.5}});
  const id = rig.submit({}, rangeOf(1), {app: 'quick'});
  t.is(batchOf(rig, id).row.policy.timeLimitSeconds, 0.5);
  const a = rig.node('a');
  const effects = rig.says(a, rig.pullOf(a));
  const [sent] = only(effects, 'send').map(({message}) => message);
  t.is(sent?.type === 'assign' && sent.batches[0]?.timeLimitMs, 500);
});
