// What a master finds in the rows of its former life, also of a former version.

import test from 'ava';
import {encodeJson, jsonRow, type NodeRow, PAGE_WORKUNITS} from '../../src/core/tables.ts';
import {viewNodes} from '../../src/master/status.ts';
import {batchOf, resultsOf, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import type {Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

test('nodes of a version that knew no revocation and no sandbox are members all the same', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const key = `node/${a.id}`;
  const {
    revokedAt: _,
    doubts: __,
    sandboxLevel: ___,
    ...old
  } = jsonRow<NodeRow>(rig.rows.get(key) ?? new Uint8Array());
  rig.rows.set(key, encodeJson(old));
  rig.kill();
  t.like(viewNodes(rig.core)[0], {nodeId: a.id, revokedAt: 0, doubts: 0, sandboxLevel: 0});
  t.is(sentTo(rig.join(a, {}, 0), a, 'welcome').length, 1);
});

test('failed workunits, and a page that nothing is decided of, are as before the kill', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(80));
  const a = rig.node('a', {slots: 64});
  const work: Work[] = [];
  for (let i = 0; i < 30 && work.length < 80; i++) work.push(...rig.pull(a, 64));
  const late = work.filter(({index}) => index >= PAGE_WORKUNITS);
  t.true(late.length > 1, 'a second page');
  const failed = {status: 'timedOut', reason: ''} as const;
  rig.says(
    a,
    rig.reportOf(
      a,
      resultsOf(late.slice(0, 1)).map(item => ({...item, ...failed})),
    ),
  );
  rig.report(a, late.slice(1, 2));
  t.like(batchOf(rig, id).counters, {done: 1, failed: 1, reason: 'timedOut'});
  rig.killAndRest();
  t.like(batchOf(rig, id).counters, {done: 1, failed: 1});
  rig.join(a);
  for (let i = 0; i < 10; i++) rig.report(a, rig.pull(a, 64));
  t.like(batchOf(rig, id).counters, {done: 79, failed: 1});
});
