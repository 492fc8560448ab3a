// The judge of plans must find what it is there to find.

import test from 'ava';
import {asBatchId, asNodeId, type BatchId} from '../../src/base/types.ts';
import {
  type Decision,
  encodePage,
  encodeReportRow,
  type Op,
  pageKey,
  put,
  reportKey,
} from '../../src/core/tables.ts';
import {PlanStore} from '../../src/sim/plan-store.ts';
import {outputOf} from '../../src/sim/plan-truth.ts';
import {encodeResults} from '../../src/wire/codec.ts';
import type {OutputRef} from '../../src/wire/message.ts';

const BATCH: BatchId = asBatchId(1);

function report(no: number, index: number, output: OutputRef = outputOf(index)): Op {
  const item = {batchId: BATCH, index, replicaNo: 0, proof: 0, cpuMs: 1, status: 'done', output};
  const body = encodeResults([item as never]);
  const row = {nodeId: asNodeId('00'.repeat(16)), signature: new Uint8Array(64), body};
  return put('report', reportKey(no), encodeReportRow(row));
}

const page = (decisions: readonly (readonly [number, Decision])[], pageNo = 0): Op =>
  put('page', pageKey(BATCH, pageNo), encodePage(new Map(decisions)));

const done = (reportNo: number, single?: true): Decision => ({
  kind: 'done',
  reportNo,
  item: 0,
  ...(single ? {single} : {}),
});

function storeOf(...ops: readonly Op[]): PlanStore {
  const store = new PlanStore(BATCH, 100, 2);
  for (const op of ops) store.apply(op);
  return store;
}

test('each decision is looked at once, and what it rested on is forgotten', t => {
  const store = storeOf(report(1, 3), report(2, 3), report(3, 4));
  t.is(store.waiting, 2);
  store.apply(page([[3, done(1)]]));
  store.apply(
    page([
      [3, done(1)],
      [4, done(3, true)],
    ]),
  );
  const {waiting, singles, wrong, failed} = store;
  t.deepEqual([waiting, store.done, singles, wrong, failed], [0, 2, 1, 0, 0]);
  store.apply(report(4, 3));
  t.is(store.waiting, 0, 'a late result of a decided workunit is not kept');
});

test('a wrong canonical result is counted', t => {
  const lie = outputOf(70, 5);
  const store = storeOf(report(1, 70, lie), page([[6, done(1, true)]], 1));
  t.deepEqual([store.done, store.wrong], [1, 1]);
});

test('failed workunits are counted', t => {
  const store = storeOf(page([[0, {kind: 'failed', reason: 'why'}]]));
  t.deepEqual([store.done, store.failed], [0, 1]);
});

const BROKEN: readonly (readonly [string, readonly Op[], RegExp])[] = [
  ['a decision without its result', [page([[3, done(1)]])], /that nobody reported/],
  ['one result in place of a quorum', [report(1, 3), page([[3, done(1)]])], /by 1 equal results/],
  [
    'two liars, who never agree',
    [report(1, 3, outputOf(3, 1)), report(2, 3, outputOf(3, 2)), page([[3, done(1)]])],
    /by 1 equal results/,
  ],
  ['an output of another workunit', [report(1, 3, outputOf(4))], /has no output of 3/],
];

for (const [title, ops, message] of BROKEN)
  test(`it is no plan any more: ${title}`, t => {
    t.throws(() => storeOf(...ops), {message});
  });
