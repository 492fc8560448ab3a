// Retries of batches that ended in another way than by failing: won, cancelled, compared, resting on a revoked node.

import test from 'ava';
import {TRUSTED_AFTER} from '../../src/master/adaptive.ts';
import {computedBy, rangeOf} from './desk.ts';
import {batchOf, creditOf, only, refOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {retry, shelve} from './shelving.ts';
import {inline, type TestNode} from './test-node.ts';

const ONE = {firstWins: true, minQuorum: 1};

test('of a suspended batch a result that was out may win, and then it is suspended no more', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(ONE, rangeOf(100));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const work = rig.pull(a, 1);
  rig.ask({kind: 'suspendBatch', batchId: id, reason: 'lunch'});
  t.deepEqual(rig.pull(b), []);
  rig.report(a, work, () => inline('found'));
  t.like(batchOf(rig, id).counters, {state: 'done', winner: 0, done: 1});
  t.is(batchOf(rig, id).control.suspended, undefined);
  rig.kill();
  t.like(batchOf(rig, id).counters, {state: 'done', winner: 0});
});

test('a batch that has its first result is not retried', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(ONE, rangeOf(100));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 1), () => inline('found'));
  const answer = retry(rig, id);
  t.like(answer, {ok: false, code: 'VOLLEY_USAGE'});
  t.regex(JSON.stringify(answer), /has its first result, of workunit 0/);
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a cancelled batch of which the first result wins goes on until there is one', t => {
  const rig = MasterRig.ready();
  const id = rig.submit(ONE, rangeOf(100));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 2), () => inline(''));
  rig.ask({kind: 'suspendBatch', batchId: id, reason: ''});
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.true(retry(rig, id).ok);
  const work = rig.pull(a, 1);
  t.is(work[0]?.index, 2, 'it runs: what suspended it ended with it');
  rig.report(a, work, () => inline('found'));
  t.like(batchOf(rig, id).counters, {state: 'done', winner: 2, done: 3});
});

test('of a batch that is compared the tries are apart: errors, unfit outputs and votes of before are gone', t => {
  const rig = MasterRig.ready();
  const compare = {kind: 'numeric', rtol: 0, atol: 1} as const;
  const id = rig.submit({compare, maxErrorReplicas: 2}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.report(a, rig.pull(a), () => inline('1'));
  for (const node of [b, c]) rig.report(node, rig.pull(node), () => inline('no number'));
  t.like(batchOf(rig, id).counters, {state: 'failed', failed: 1, errors: 2});
  t.is(rig.scan('vote').length, 0);
  t.true(retry(rig, id).ok);
  rig.report(b, rig.pull(b), () => inline('4'));
  t.is(batchOf(rig, id).counters.state, 'running', "a's is of before");
  rig.kill();
  for (const node of [a, b, c]) rig.join(node);
  rig.rest();
  for (const node of [a, b, c]) rig.join(node);
  rig.report(c, rig.pull(c), () => inline('4.5'));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, failed: 0, disagreements: 0});
  t.deepEqual(
    [a, b, c].map(node => creditOf(rig, node).credit),
    [0, 1, 1],
  );
});

test('an answer to a comparison of before the retry says nothing about what is there now', t => {
  const rig = MasterRig.ready();
  const compare = {kind: 'custom', app: 'primes'} as const;
  const id = rig.submit({compare, minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  const [asked] = only(
    rig.report(a, rig.pull(a), () => inline('x')),
    'compare',
  );
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.true(retry(rig, id).ok);
  if (!asked) throw new Error('nothing was asked');
  rig.turn({type: 'compared', question: asked.question, comparison: {kind: 'same'}});
  t.like(batchOf(rig, id).counters, {state: 'running', done: 0});
});

test('a batch that is cancelled while its pages are listed, and retried again, lists them anew', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(10));
  const a = rig.node('a', {slots: 64});
  const work = rig.pull(a, 10);
  rig.report(a, work.slice(5));
  const failed = work
    .slice(0, 5)
    .map(each => ({...refOf(each), cpuMs: 1, status: 'timedOut', reason: ''}) as const);
  rig.says(a, rig.reportOf(a, failed));
  const first = rig.asked({kind: 'retryBatch', batchId: id});
  rig.ask({kind: 'cancelBatch', batchId: id});
  const second = rig.asked({kind: 'retryBatch', batchId: id});
  t.is(only(second.effects, 'listPages').length, 0, 'the shell still reads for the first one');
  const later: unknown[] = [];
  for (const {batchId, from, count} of only(first.effects, 'listPages'))
    later.push(
      ...only(rig.turn({type: 'pagesListed', batchId, from, count, pages: []}), 'listPages'),
    );
  t.like(batchOf(rig, id).counters, {state: 'running', done: 5, failed: 5}, 'that one was old');
  t.is(later.length, 1);
  shelve(rig, later as never);
  t.like(batchOf(rig, id).counters, {done: 5, failed: 0});
  for (let more = rig.pull(a, 64); more.length > 0; more = rig.pull(a, 64)) rig.report(a, more);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 10});
});

test('a batch that was cancelled while its results were checked again is not retried', t => {
  const {desk, rig, id, bad} = computedBy('lie', rangeOf(4));
  desk.revoke(bad);
  desk.answer();
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.regex(JSON.stringify(retry(rig, id)), /may rest on a revoked node alone: clone it/);
  t.is(desk.row(id).state, 'cancelled');
});

test('nor one that was cancelled before the node was revoked, others are', t => {
  const {desk, rig, bad, good} = computedBy('lie', rangeOf(2));
  const ids = [1, 2].map(minQuorum => rig.submit({minQuorum}, rangeOf(20)));
  for (const node of [bad, good]) rig.report(node, rig.pull(node, 4));
  for (const id of ids) rig.ask({kind: 'cancelBatch', batchId: id as never});
  desk.revoke(bad);
  desk.answerAll();
  const [one, two] = ids.map(id => retry(rig, id as never));
  t.regex(JSON.stringify(one), /may rest on a revoked node alone/);
  t.true(two?.ok, 'of a quorum of two others agreed');
  rig.pass(1);
  const fresh = rig.submit({minQuorum: 1}, rangeOf(20));
  rig.report(good, rig.pull(good, 8));
  rig.ask({kind: 'cancelBatch', batchId: fresh});
  t.true(retry(rig, fresh).ok, 'of this one it never had any');
});

test('nor when the wall clock was set back before the node was revoked', t => {
  const {desk, rig, bad} = computedBy('lie', rangeOf(2));
  const id = rig.submit({minQuorum: 1}, rangeOf(20));
  rig.report(bad, rig.pull(bad, 4));
  rig.ask({kind: 'cancelBatch', batchId: id});
  rig.wallStepMs -= 3_600_000;
  desk.revoke(bad);
  desk.answerAll();
  t.regex(JSON.stringify(retry(rig, id)), /may rest on a revoked node alone: clone it/);
});

test('a recheck waits for pages that a retry has still to list', t => {
  const {desk, rig, id, bad, good} = computedBy('true', rangeOf(70));
  const late = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(70));
  rig.report(bad, rig.pull(bad, 8), ({index}) => inline(`true${index}`));
  rig.ask({kind: 'cancelBatch', batchId: late});
  desk.kill();
  for (const node of [bad, good]) rig.join(node);
  const {effects} = rig.asked({kind: 'retryBatch', batchId: late});
  desk.revoke(bad);
  desk.answerAll();
  t.like(desk.row(late), {state: 'running', rechecking: 4});
  shelve(rig, effects);
  desk.answerAll();
  t.true(desk.compute(good, 'true') > 70);
  for (const each of [id, late]) t.like(desk.row(each), {state: 'done', done: 70, rechecking: 0});
  t.is(desk.row(late).confirmed, 4);
});

test('nor one whose trusted nodes had results alone, when one of them was revoked since', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const submit = (count: number) => rig.submit({redundancy: 'adaptive'}, rangeOf(count));
  const step = (node: TestNode): void => {
    rig.report(node, rig.pull(node, 1));
  };
  submit(TRUSTED_AFTER);
  for (let i = 0; i < TRUSTED_AFTER; i++) for (const node of [a, b]) step(node);
  const id = submit(1_000);
  for (let i = 0; i < TRUSTED_AFTER; i++) step(a);
  step(b); // the check
  t.true(batchOf(rig, id).counters.singles > 0);
  rig.ask({kind: 'cancelBatch', batchId: id});
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  t.regex(JSON.stringify(retry(rig, id)), /may rest on a revoked node alone: clone it/);
});
