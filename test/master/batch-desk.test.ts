// What operators do with a batch that is there, and that it is written down.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {BatchOrder} from '../../src/core/operator-request.ts';
import type {HistoryRow} from '../../src/core/operator-rows.ts';
import {jsonRow} from '../../src/core/tables.ts';
import {batchOf, notesOf, only, receiptsOf, resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';

const ANNA = {name: 'anna', role: 'operate'};
let requestId = 1_000;

/** As an operator whose name is known. */
function asks(rig: MasterRig, request: BatchOrder): MasterEffect[] {
  return rig.turn({type: 'operator', requestId: ++requestId, request, actor: ANNA});
}

const historyOf = (rig: MasterRig, id: BatchId): string[] =>
  rig
    .scan('history')
    .filter(([key]) => Number.parseInt(key.slice(0, 8), 16) === id)
    .map(([, row]) => jsonRow<HistoryRow>(row))
    .map(({actor, role, action, detail}) => `${actor}/${role} ${action} ${detail}`.trim());

test('a suspended batch gives nothing out, takes what is out, and goes on when it is resumed', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  const [a, b] = [rig.node('a'), rig.node('b')];
  const forA = rig.pull(a, 2);
  const forB = rig.pull(b, 2);
  asks(rig, {kind: 'suspendBatch', batchId, reason: 'the lab needs the rig'});
  t.deepEqual(rig.pull(a, 4), []);
  rig.report(a, forA);
  t.is(receiptsOf(rig.report(b, forB), b).length, 1);
  t.is(batchOf(rig, batchId).counters.done, 2);
  rig.pass(120_000);
  t.deepEqual(rig.pull(a, 4), []);
  const effects = asks(rig, {kind: 'resumeBatch', batchId});
  t.true(only(effects, 'multicast').length === 1 || rig.pull(a, 4).length > 0);
  t.is(rig.pull(b, 4).length, 4);
});

test('a suspension survives a restart of the master, with who did it and why', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  asks(rig, {kind: 'suspendBatch', batchId, reason: 'heat'});
  rig.kill();
  t.like(batchOf(rig, batchId).control.suspended, {by: 'anna', reason: 'heat'});
  const a = rig.node('a');
  t.deepEqual(rig.pull(a), []);
  asks(rig, {kind: 'resumeBatch', batchId});
  rig.kill();
  t.is(batchOf(rig, batchId).control.suspended, undefined);
});

test('idle nodes are woken when a batch is resumed', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  asks(rig, {kind: 'suspendBatch', batchId, reason: ''});
  const a = rig.node('a');
  t.deepEqual(rig.pull(a), []);
  const effects = asks(rig, {kind: 'resumeBatch', batchId});
  t.deepEqual(
    only(effects, 'multicast').map(({command}) => command.what.kind),
    ['workAvailable'],
  );
});

test('a new priority counts from the next pull, and after a restart', t => {
  const rig = MasterRig.ready();
  const [first, second] = [rig.submit(), rig.submit()];
  const a = rig.node('a');
  t.is(rig.pull(a, 1)[0]?.batchId, first);
  asks(rig, {kind: 'setPriority', batchId: second, priority: 5});
  t.is(rig.pull(a, 1)[0]?.batchId, second);
  t.is(rig.pull(a, 1)[0]?.batchId, second);
  rig.kill();
  t.is(batchOf(rig, second).row.policy.priority, 5);
});

test('a batch that has ended cannot be suspended, resumed, cancelled or given a priority', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  rig.ask({kind: 'cancelBatch', batchId});
  for (const order of [
    {kind: 'cancelBatch', batchId},
    {kind: 'resumeBatch', batchId},
    {kind: 'suspendBatch', batchId, reason: ''},
    {kind: 'setPriority', batchId, priority: 1},
  ] as const)
    t.like(rig.ask(order), {ok: false, code: 'VOLLEY_BATCH_ENDED'}, order.kind);
  const unknown = rig.ask({kind: 'resumeBatch', batchId: 99 as BatchId});
  t.like(unknown, {ok: false, code: 'VOLLEY_UNKNOWN_BATCH'});
});

test('results that arrive with a cancel are taken before it and stale after it', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  const [a, b] = [rig.node('a'), rig.node('b')];
  const [forA, forB] = [rig.pull(a), rig.pull(b)];
  rig.report(a, forA);
  // In one turn: half of b's results, the cancel, the other half.
  const [early, late] = [forB.slice(0, 2), forB.slice(2)].map(work =>
    rig.event(b, rig.reportOf(b, resultsOf(work))),
  );
  if (!early || !late) throw new Error('no events');
  const request = {kind: 'cancelBatch', batchId} as const;
  const effects = rig.turn(early, {type: 'operator', requestId: 1, request, actor: ANNA}, late);
  t.is(receiptsOf(effects, b).length, 2, 'what is of no use is acknowledged too');
  const batch = batchOf(rig, batchId);
  t.like(batch.counters, {state: 'cancelled', done: 2, results: 6});
  t.is(rig.scan('vote').length, 0);
  t.is(rig.scan('page').length, 1);
  rig.kill();
  t.like(batchOf(rig, batchId).counters, {state: 'cancelled', done: 2});
  t.is(rig.scan('report').length, 2);
});

test('votes of inputs that were not read again go with a batch that is cancelled', t => {
  const rig = MasterRig.ready();
  const lines = {kind: 'lines', blobId: '1'.repeat(64), indexBlobId: '2'.repeat(64), count: 8};
  const batchId = rig.submit({}, lines as never);
  rig.feed();
  const a = rig.node('a');
  rig.report(a, rig.pull(a));
  t.true(rig.scan('vote').length > 0);
  rig.kill();
  rig.ask({kind: 'cancelBatch', batchId});
  t.is(rig.scan('vote').length, 0);
});

test('the history says who did what, and nothing that changed nothing', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  asks(rig, {kind: 'resumeBatch', batchId});
  asks(rig, {kind: 'setPriority', batchId, priority: 0});
  asks(rig, {kind: 'setPriority', batchId, priority: -3});
  asks(rig, {kind: 'suspendBatch', batchId, reason: 'lunch'});
  rig.kill();
  asks(rig, {kind: 'resumeBatch', batchId});
  const last = asks(rig, {kind: 'cancelBatch', batchId});
  t.true(notesOf(last).includes('batch cancelled'));
  t.deepEqual(historyOf(rig, batchId), [
    'master/rule submitted 10 workunits of primes',
    'anna/operate priority from 0 to -3',
    'anna/operate suspended lunch',
    'anna/operate resumed',
    'anna/operate cancelled',
  ]);
});

test('a copy says in its history what it is a copy of', t => {
  const rig = MasterRig.ready();
  const source = rig.submit();
  const input = {kind: 'range', start: 0, end: 10, chunk: 1} as const;
  const batch = {name: 'again', app: 'primes', args: [], input, policy: {}, clonedFrom: source};
  const answer = rig.ask({kind: 'submitBatch', batch});
  const id = answer.ok ? answer.batchId : undefined;
  t.deepEqual(id && historyOf(rig, id), [
    `master/rule submitted 10 workunits of primes, cloned from batch ${source}`,
  ]);
});

test('the newest thousand rows of a history are kept', t => {
  const rig = MasterRig.ready();
  const batchId = rig.submit();
  for (let i = 1; i <= 1_005; i++) asks(rig, {kind: 'setPriority', batchId, priority: (i % 2) - 1});
  const history = historyOf(rig, batchId);
  t.is(history.length, 1_000);
  t.false(history.some(line => line.includes('submitted')));
});
