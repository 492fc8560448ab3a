// Failed workunits that begin anew, in batches that run and in batches that have ended.

import test from 'ava';
import {decodePage, PAGE_WORKUNITS} from '../../src/core/tables.ts';
import type {ResultItem} from '../../src/wire/message.ts';
import {batchOf, creditOf, only, receiptsOf, refOf, renewalsOf, resultsOf, workOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {retry, shelve} from './shelving.ts';
import type {TestNode, Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const failed = (work: Work): ResultItem => ({
  ...refOf(work),
  cpuMs: 3,
  status: 'timedOut',
  reason: 'why',
});
const fails = (rig: MasterRig, node: TestNode, work: readonly Work[]) =>
  rig.says(node, rig.reportOf(node, work.map(failed)));

/** Computes what there is, and lists what is wanted meanwhile. */
function finish(rig: MasterRig, node: TestNode): void {
  for (;;) {
    const effects = rig.says(node, rig.pullOf(node, 64));
    shelve(rig, effects);
    const work = workOf(effects, node);
    if (work.length === 0) return;
    shelve(rig, rig.report(node, work));
  }
}

/** A batch of `count` with one error allowed, whose workunits with an even index failed. */
function half(count: number) {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(count));
  const a = rig.node('a', {slots: 64});
  let work = rig.pull(a, 64);
  for (; work.length > 0; work = rig.pull(a, 64)) {
    rig.report(
      a,
      work.filter(({index}) => index % 2 === 1),
    );
    fails(
      rig,
      a,
      work.filter(({index}) => index % 2 === 0),
    );
  }
  return {rig, id, a};
}

test('failed workunits of a batch that ended run again, done ones stay', t => {
  const {rig, id, a} = half(200);
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 100, failed: 100});
  t.true(retry(rig, id).ok);
  t.like(batchOf(rig, id).counters, {state: 'running', done: 100, failed: 0, endedAt: 0});
  t.false(batchOf(rig, id).retrying);
  const seen: number[] = [];
  for (let work = rig.pull(a, 64); work.length > 0; work = rig.pull(a, 64)) {
    seen.push(...work.map(({index}) => index));
    rig.report(a, work);
  }
  t.deepEqual(
    seen,
    Array.from({length: 100}, (_, i) => 2 * i),
  );
  t.like(batchOf(rig, id).counters, {state: 'done', done: 200, failed: 0});
  t.like(creditOf(rig, a), {validated: 200, errors: 100});
});

test('of a batch that ended early all that is not done comes up', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(300));
  const a = rig.node('a', {slots: 64});
  fails(rig, a, rig.pull(a, 10));
  t.like(batchOf(rig, id).counters, {state: 'failed', failed: 8});
  retry(rig, id);
  t.like(batchOf(rig, id).counters, {state: 'running', done: 0, failed: 0});
  for (let work = rig.pull(a, 64); work.length > 0; work = rig.pull(a, 64)) rig.report(a, work);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 300});
});

test('a batch that runs is retried under way, and what is decided meanwhile stays', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(2 * PAGE_WORKUNITS));
  const a = rig.node('a', {slots: 64});
  const work = rig.pull(a, PAGE_WORKUNITS);
  rig.report(a, work.slice(10, 40));
  fails(rig, a, work.slice(0, 10));
  const b = rig.node('b', {slots: 64});
  // While the shell reads, the rest of the first page is decided: it must not be taken from the old row.
  retry(rig, id, () => rig.report(a, work.slice(40)));
  t.like(batchOf(rig, id).counters, {state: 'running', done: PAGE_WORKUNITS - 10, failed: 0});
  rig.kill();
  for (const node of [a, b]) rig.join(node);
  rig.rest();
  for (const node of [a, b]) rig.join(node);
  for (let more = rig.pull(b, 64); more.length > 0; more = rig.pull(b, 64)) rig.report(b, more);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2 * PAGE_WORKUNITS});
});

test('a complete page whose decisions all stay leaves memory after the retry', t => {
  const {rig, id, a} = half(PAGE_WORKUNITS);
  retry(rig, id);
  rig.report(a, rig.pull(a, 64));
  t.like(batchOf(rig, id).counters, {state: 'done', done: PAGE_WORKUNITS});
  rig.kill();
  t.like(batchOf(rig, id).counters, {state: 'done', done: PAGE_WORKUNITS});
});

test('a master that dies while pages are listed goes on with the retry', t => {
  const {rig, id, a} = half(64 * PAGE_WORKUNITS + 10);
  const {effects} = rig.asked({kind: 'retryBatch', batchId: id});
  t.is(only(effects, 'listPages').length, 1);
  shelve(rig, effects);
  t.true(batchOf(rig, id).retrying, 'the second slice waits');
  rig.kill((rows): void => shelve(rig, rows));
  shelve(rig, rig.pass(4_000));
  rig.join(a, {slots: 64});
  finish(rig, a);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 64 * PAGE_WORKUNITS + 10, failed: 0});
});

test('the next slice is asked for when the last one is nearly taken up', t => {
  const {rig, id, a} = half(64 * PAGE_WORKUNITS + 10);
  const {effects} = rig.asked({kind: 'retryBatch', batchId: id});
  const [first] = only(effects, 'listPages');
  t.like(first, {from: 0, count: 64});
  const pages = rig
    .scan('page', '', '~')
    .slice(0, 64)
    .map(([, value], pageNo) => ({pageNo, decisions: decodePage(value)}));
  const listed = {type: 'pagesListed', batchId: id, from: 0, count: 64, pages} as const;
  t.is(only(rig.turn(listed), 'listPages').length, 0, '2,048 runs wait');
  let asked = 0;
  for (let i = 0; i < 20; i++) {
    const effects = rig.says(a, rig.pullOf(a, 64));
    asked += only(effects, 'listPages').length;
    asked += only(rig.report(a, workOf(effects, a)), 'listPages').length;
  }
  t.is(asked, 1);
});

test('results of before the retry are acknowledged and do not count', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, maxErrorReplicas: 1}, rangeOf(1));
  const [a, b] = [rig.node('a'), rig.node('b')];
  const [forA, forB] = [rig.pull(a), rig.pull(b)];
  fails(rig, a, forA);
  t.is(batchOf(rig, id).counters.state, 'failed');
  retry(rig, id);
  // b's was out when the workunit failed, a's error comes once more: its receipt was lost.
  t.is(receiptsOf(rig.report(b, forB), b).length, 1);
  t.is(receiptsOf(fails(rig, a, forA), a).length, 1);
  t.like(batchOf(rig, id).counters, {state: 'running', done: 0, failed: 0});
  const again = rig.pull(a);
  t.true((again[0]?.replicaNo ?? 0) >= 256);
  rig.report(a, again);
  rig.report(b, rig.pull(b));
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1});
});

test('the error count begins at 0 again, and the limit of replicas too', t => {
  const rig = MasterRig.ready();
  const policy = {minQuorum: 1, targetReplicas: 1, maxErrorReplicas: 5, maxTotalReplicas: 2};
  const id = rig.submit(policy, rangeOf(1));
  const a = rig.node('a');
  const failAll = (): void => {
    for (let work = rig.pull(a); work.length > 0; work = rig.pull(a)) fails(rig, a, work);
  };
  failAll();
  t.regex(batchOf(rig, id).counters.reason, /after 2 replicas/);
  retry(rig, id);
  failAll();
  t.like(batchOf(rig, id).counters, {state: 'failed', errors: 4});
  retry(rig, id);
  rig.report(a, rig.pull(a));
  t.like(batchOf(rig, id).counters, {state: 'done'});
});

test('lines that failed are read again', t => {
  const rig = MasterRig.ready();
  const lines = {kind: 'lines', blobId: '1'.repeat(64), indexBlobId: '2'.repeat(64), count: 4};
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, lines as never);
  rig.feed();
  const a = rig.node('a');
  const work = rig.pull(a);
  rig.report(a, work.slice(1));
  fails(rig, a, work.slice(0, 1));
  t.is(batchOf(rig, id).counters.state, 'failed');
  retry(rig, id);
  rig.feed();
  const again = rig.pull(a);
  t.deepEqual(
    again.map(({index}) => index),
    [work[0]?.index],
  );
  rig.says(a, rig.reportOf(a, resultsOf(again)));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a batch that ends done does not show why a workunit failed before its retry', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(2));
  const a = rig.node('a');
  fails(rig, a, rig.pull(a, 1));
  t.regex(batchOf(rig, id).counters.reason, /why/);
  t.true(retry(rig, id).ok);
  finish(rig, a);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, failed: 0, reason: ''});
});

test('a batch without failed workunits is not retried', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  t.like(retry(rig, id), {ok: false, code: 'VOLLEY_USAGE'});
  const a = rig.node('a');
  rig.report(a, rig.pull(a));
  t.like(retry(rig, id), {ok: false, code: 'VOLLEY_USAGE'});
});

test('a cancelled batch goes on with what it had not done', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(10));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 4));
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.true(retry(rig, id).ok);
  for (let work = rig.pull(a); work.length > 0; work = rig.pull(a)) rig.report(a, work);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 10});
});

test('after a restart a page that was decided in part keeps what it had', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(10));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 4));
  rig.ask({kind: 'cancelBatch', batchId: id});
  rig.kill();
  t.true(retry(rig, id).ok);
  rig.join(a);
  for (let work = rig.pull(a); work.length > 0; work = rig.pull(a)) rig.report(a, work);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 10});
  rig.kill();
  t.is(rig.scan('page').map(([, row]) => decodePage(row).size)[0], 10);
});

test('inputs that were asked for before it was cancelled and retried come too late, or just in time', t => {
  const rig = MasterRig.ready();
  const lines = {kind: 'lines', blobId: '1'.repeat(64), indexBlobId: '2'.repeat(64), count: 4};
  const id = rig.submit({minQuorum: 1}, lines as never);
  const [asked] = rig.reads.splice(0);
  rig.ask({kind: 'cancelBatch', batchId: id});
  retry(rig, id);
  t.true(asked !== undefined);
  if (asked) rig.reads.push(asked);
  rig.feed(); // both answers
  const a = rig.node('a');
  const work = rig.pull(a);
  t.is(work.length, 4);
  rig.report(a, work);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 4});
  if (asked) rig.turn({type: 'inputsRead', batchId: id, from: asked.from, inputs: []});
});

test('after a restart a retry concerns what had failed alone: what else is in hand counts', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(70));
  const [a, b] = [rig.node('a', {slots: 64}), rig.node('b', {slots: 64})];
  const [first, ...rest] = rig.pull(a, 64);
  if (!first) throw new Error('no work');
  const late = rig.pull(b, 64);
  fails(rig, a, [first]);
  t.true(retry(rig, id).ok);
  t.like(batchOf(rig, id).counters, {state: 'running', done: 0, failed: 0});
  rig.kill();
  for (const node of [a, b]) rig.join(node);
  rig.says(a, rig.pullOf(a, 0, renewalsOf(rest)));
  t.is(batchOf(rig, id).out, rest.length, 'its leases are known again');
  const done = rig.report(b, late);
  t.is(receiptsOf(done, b).length, 1);
  t.is(batchOf(rig, id).counters.done, late.length, 'what it had finished counts');
  rig.report(a, rest);
  t.is(batchOf(rig, id).counters.done, 69);
  rig.report(a, [first]);
  t.is(batchOf(rig, id).counters.done, 69, 'of its earlier try nothing counts');
  rig.kill();
  rig.rest();
  rig.join(a);
  const again = rig.pull(a, 64);
  t.deepEqual(
    again.map(({index, replicaNo}) => [index, replicaNo]),
    [[first.index, 256]],
  );
  rig.report(a, again);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 70, replicas: 71});
});

test('a batch that had ended begins anew as a whole, after a restart too', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(4));
  const a = rig.node('a', {slots: 8});
  const [first, second, ...rest] = rig.pull(a, 8);
  if (!first || !second) throw new Error('no work');
  fails(rig, a, [first]);
  rig.report(a, [second]);
  rig.ask({kind: 'cancelBatch', batchId: id});
  t.true(retry(rig, id).ok);
  rig.kill();
  rig.rest();
  rig.join(a);
  rig.report(a, rest);
  t.is(batchOf(rig, id).counters.done, 1);
  t.deepEqual(
    rig.pull(a, 8).map(({replicaNo}) => replicaNo),
    [256, 256, 256],
  );
});
