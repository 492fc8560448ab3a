import test from 'ava';
import {asBatchId, asNodeId} from '../../src/base/types.ts';
import type {BatchRow} from '../../src/core/tables.ts';
import {type Evidence, recount} from '../../src/master/recount.ts';
import type {ResultItem} from '../../src/wire/message.ts';

const batch = {
  id: asBatchId(1),
  count: 1,
  policy: {minQuorum: 2, targetReplicas: 2, maxErrorReplicas: 3, maxTotalReplicas: 6},
} as BatchRow;
const item = (replicaNo: number): ResultItem => ({
  batchId: asBatchId(1),
  index: 0,
  replicaNo,
  proof: 0,
  cpuMs: 1,
  status: 'done',
  output: {kind: 'inline', bytes: Uint8Array.of(7)},
});
const [a, b] = [asNodeId('a'.repeat(32)), asNodeId('b'.repeat(32))];
const reports = (...list: Evidence[]): Map<number, Evidence> =>
  new Map(list.map((evidence, at) => [at + 1, evidence]));
const decided = [{batch, index: 0, decision: {kind: 'done', reportNo: 1, item: 0}}] as const;

test('two replicas of one node are one vote: they neither prove a result nor are paid twice', t => {
  const alone = reports({nodeId: a, items: [item(0)]}, {nodeId: a, items: [item(3)]});
  t.deepEqual([...recount(decided, alone).unproven], ['1/0']);
  const two = reports(
    {nodeId: a, items: [item(0)]},
    {nodeId: a, items: [item(3)]},
    {nodeId: b, items: [item(1)]},
  );
  const {credits, unproven} = recount(decided, two);
  t.is(unproven.size, 0);
  t.is(credits.get(a)?.credit, 1);
  t.is(credits.get(b)?.credit, 1);
});
