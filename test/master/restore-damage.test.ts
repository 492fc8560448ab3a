// Rows that a bad disk left: named, never passed over.

import test from 'ava';
import {hex32} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {
  decodeVote,
  encodeJson,
  encodePage,
  encodeVote,
  jsonRow,
  type NodeRow,
  voteKey,
} from '../../src/core/tables.ts';
import {MasterRestore} from '../../src/master/restore.ts';
import {MasterRig} from './rig.ts';
import {crypto, type TestNode} from './test-node.ts';

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

test('rows that belong to nothing, and a node without a key, are named', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a', {actions: ['camera']});
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id}));
  const page = encodePage(new Map([[0, {kind: 'failed', reason: 'x'}]]));
  const [[shot, statement]] = rig.scan('shot') as [[string, Uint8Array]];
  const node = jsonRow<NodeRow>(rig.rows.get(`node/${a.id}`) ?? page);
  const restore = new MasterRestore(rig.config, crypto, new Prng(1), rig.now);
  for (const [table, key, value] of [
    ['page', `${hex32(9)}${hex32(0)}`, page],
    ['shot', shot, statement],
    ['node', a.id, encodeJson({...node, identityKey: 'no key'})],
  ] as const)
    t.throws(() => restore.row(table, key, value), {
      code: 'VOLLEY_STORE_DAMAGED',
      message: new RegExp(`row ${table}/`),
    });
  t.notThrows(() => restore.row('report', hex32(1), page), 'of no use to a start');
});

test('a shot whose statement is no statement is named', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a', {actions: ['camera']});
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id}));
  const [[key, row]] = rig.scan('shot') as [[string, Uint8Array]];
  for (const wrong of [{body: 'zz'}, {body: '00ff'}, {signature: 'zz'}])
    t.throws(damage(rig, `shot/${key}`, encodeJson({...jsonRow<object>(row), ...wrong})), {
      message: /row shot\//,
    });
});

test('a batch that counts more than its pages hold is named with both counts', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1}, rangeOf(5));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 2));
  const [[key, row]] = rig.scan('batch') as [[string, Uint8Array]];
  t.throws(damage(rig, `batch/${key}`, encodeJson({...jsonRow<object>(row), failed: 3})), {
    message: /counts 2\+3 .*hold 2\+0/,
  });
});
