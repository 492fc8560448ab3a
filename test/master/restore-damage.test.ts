// Rows that a bad disk left: named, never passed over.

import test from 'ava';
import {decodeVote, encodeJson, encodeVote, voteKey} from '../../src/core/tables.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

const damage = (rig: MasterRig, key: string, value: Uint8Array | undefined) => {
  if (value) rig.rows.set(key, value);
  else rig.rows.delete(key);
  return () => rig.kill();
};

test('a page that is missing is named, not passed over', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(5));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 2));
  const [[key]] = rig.scan('page') as [[string, Uint8Array]];
  t.throws(damage(rig, `page/${key}`, undefined), {
    code: 'VOLLEY_STORE_DAMAGED',
    message: /decided workunits/,
  });
});

test('rows that make no sense are named', t => {
  for (const [table, value] of [
    ['page', new Uint8Array([4, 200])],
    ['vote', new Uint8Array([1])],
    ['credit', new Uint8Array([1])],
    ['batch', new Uint8Array([255])],
    ['node', encodeJson(7)],
  ] as const) {
    const rig = MasterRig.ready();
    rig.submit({}, rangeOf(5));
    const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
    const [forA, forB] = [rig.pull(a, 2), rig.pull(b, 1)];
    rig.report(a, forA);
    rig.report(b, forB);
    rig.pull(c);
    const [[key]] = rig.scan(table) as [[string, Uint8Array]];
    t.throws(
      damage(rig, `${table}/${key}`, value),
      {code: 'VOLLEY_STORE_DAMAGED', message: new RegExp(`row ${table}/`)},
      table,
    );
  }
});

test('votes that would decide a workunit that has no decision are damage', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(5));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rig.report(a, rig.pull(a, 1));
  const [[key, row]] = rig.scan('vote') as [[string, Uint8Array]];
  t.is(decodeVote(row).status, 'done');
  const copy = voteKey(id, 0, b.id, 1);
  t.not(copy, key);
  t.throws(damage(rig, `vote/${copy}`, encodeVote({...decodeVote(row), replicaNo: 1})), {
    code: 'VOLLEY_STORE_DAMAGED',
    message: /votes that decide it/,
  });
});
