// What is shown of captures whose rows are old, or whose nodes are gone.

import test from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import {encodeJson, jsonRow} from '../../src/core/tables.ts';
import type {CaptureRow} from '../../src/master/capture-row.ts';
import {viewCaptures, viewOneCapture} from '../../src/master/status.ts';
import {MasterRig} from './rig.ts';

function captured(): {rig: MasterRig; id: CaptureId; key: string; row: CaptureRow} {
  const rig = MasterRig.ready();
  const a = rig.node('a', {actions: ['camera']});
  const {id} = rig.capture({leadMs: 0});
  rig.says(a, rig.shotOf(a, {captureId: id}));
  const [[key, row]] = rig.scan('capture') as [[string, Uint8Array]];
  return {rig, id, key, row: jsonRow<CaptureRow>(row)};
}

test('a shot on hearing is as late as it is behind the first', t => {
  const rig = MasterRig.ready();
  const [a, b] = ['a', 'b'].map(name => rig.node(name, {actions: ['camera']}));
  if (!a || !b) return t.fail();
  const {id} = rig.capture({leadMs: 0});
  const {wall} = rig.now;
  rig.says(a, rig.shotOf(a, {captureId: id, firedWallMs: wall}));
  rig.says(b, rig.shotOf(b, {captureId: id, firedWallMs: (wall + 7) as typeof wall}));
  const rows = viewOneCapture(rig.core, id)?.rows ?? [];
  const lateOf = (name: string) => rows.find(row => row.name === name)?.lateMs;
  t.deepEqual([lateOf('a'), lateOf('b')], [0, 7]);
  t.deepEqual(viewOneCapture(rig.core, id)?.spreadMs, [7]);
});

test('a capture of a version that knew no interval comes to its end', t => {
  const {rig, id, key, row} = captured();
  const {intervalMs: _, ...old} = row;
  rig.rows.set(`capture/${key}`, encodeJson({...old, at: row.at.map(() => 0)}));
  rig.kill();
  t.is(viewOneCapture(rig.core, id)?.rows[0]?.verdict, 'fired');
  rig.pass(120_000);
  t.is(viewOneCapture(rig.core, id)?.state, 'done');
});

test('shots of a node that is not known any more are shown without a name', t => {
  const {rig} = captured();
  for (const table of ['node', 'credit'] as const)
    for (const [key] of rig.scan(table)) rig.rows.delete(`${table}/${key}`);
  rig.kill();
  t.like(viewCaptures(rig.core)[0]?.rows[0], {name: '', label: '', verdict: 'fired'});
});

test('there is nothing to show of a capture that never was', t => {
  t.is(viewOneCapture(MasterRig.ready().core, 99 as CaptureId), undefined);
});
