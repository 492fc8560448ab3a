import test from 'ava';
import {asBatchId, asNodeId, type NodeId} from '../../src/base/types.ts';
import type {BatchRow, Decision} from '../../src/core/tables.ts';
import {Recount} from '../../src/master/recount.ts';
import type {ResultItem} from '../../src/wire/message.ts';

const ID = asBatchId(1);
const batch = {
  id: ID,
  count: 1,
  policy: {minQuorum: 2, targetReplicas: 2, maxErrorReplicas: 3, maxTotalReplicas: 6},
} as BatchRow;
const [a, b, c] = [asNodeId('a'.repeat(32)), asNodeId('b'.repeat(32)), asNodeId('c'.repeat(32))];
const item = (replicaNo: number, text = 7): ResultItem => ({
  batchId: ID,
  index: 0,
  replicaNo,
  proof: 0,
  cpuMs: 1,
  status: 'done',
  output: {kind: 'inline', bytes: Uint8Array.of(text)},
});

/** One workunit whose canonical result is in this report; the votes in the order of their reports. */
function recounted(reportNo: number, votes: readonly (readonly [NodeId, ResultItem])[]) {
  const decision: Decision = {kind: 'done', reportNo, item: 0};
  const recount = new Recount(() => ({batch, decision}));
  for (const [at, [nodeId, each]] of votes.entries()) recount.hear(at + 1, nodeId, [each]);
  const paid = (nodeId: NodeId): number => recount.credits.get(nodeId)?.credit ?? 0;
  return {isProven: recount.proves(ID, 0), paid: [paid(a), paid(b), paid(c)]};
}

test('two replicas of one node are one vote: they neither prove a result nor are paid twice', t => {
  const alone = [
    [a, item(0)],
    [a, item(3)],
  ] as const;
  t.deepEqual(recounted(1, alone), {isProven: false, paid: [0, 0, 0]});
  t.deepEqual(recounted(1, [...alone, [b, item(1)]]), {isProven: true, paid: [1, 1, 0]});
});

test('votes behind the verdict are not paid, those that differ are no agreement', t => {
  const votes = [
    [a, item(0)],
    [b, item(1, 9)],
    [c, item(2)],
  ] as const;
  t.deepEqual(recounted(1, votes), {isProven: true, paid: [1, 0, 1]});
  const late = [
    [a, item(0)],
    [b, item(1)],
    [c, item(2)],
  ] as const;
  t.deepEqual(recounted(2, late), {isProven: true, paid: [1, 1, 0]});
});

test('a verdict is paid for when the result that the decision names comes later, as is that result', t => {
  const votes = [
    [a, item(0)],
    [b, item(1)],
    [c, item(2)],
  ] as const;
  t.deepEqual(recounted(3, votes), {isProven: true, paid: [1, 1, 1]});
  t.deepEqual(recounted(4, votes), {isProven: false, paid: [0, 0, 0]});
});

test('votes of before a retry neither prove a result nor are paid', t => {
  const late = [
    [a, item(0)],
    [b, item(256)],
    [c, item(1)],
  ] as const;
  t.deepEqual(recounted(2, late), {isProven: false, paid: [0, 0, 0]});
  t.deepEqual(recounted(2, [...late, [c, item(257)]]), {isProven: true, paid: [0, 1, 1]});
});

test('a verdict that only votes of before a retry made is none', t => {
  const votes = [
    [a, item(0)],
    [b, item(1)], // came when its batch was cancelled, in a report with others
    [b, item(256)],
    [c, item(257)],
  ] as const;
  t.deepEqual(recounted(3, votes), {isProven: true, paid: [0, 1, 1]});
});

test('a vote that outlived a retry under way counts with those of after it', t => {
  const votes = [
    [a, item(0)],
    [b, item(256)],
    [b, item(1)],
  ] as const;
  t.deepEqual(recounted(1, votes), {isProven: true, paid: [1, 1, 0]});
});

test('a batch that nobody knows is not counted', t => {
  const recount = new Recount(() => undefined);
  recount.hear(1, a, [item(0)]);
  t.is(recount.credits.size, 0);
  t.false(recount.proves(ID, 0));
});

test('where one result decides, one that was taken out since is not paid', t => {
  const decision: Decision = {kind: 'done', reportNo: 2, item: 0};
  const single = {...batch, policy: {...batch.policy, minQuorum: 1, targetReplicas: 1}};
  const recount = new Recount(() => ({batch: single, decision}));
  for (const [at, nodeId] of [a, b, c].entries()) recount.hear(at + 1, nodeId, [item(at)]);
  t.true(recount.proves(ID, 0));
  t.deepEqual([...recount.credits.keys()], [b]);
});
