import test from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {only, receiptsOf, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {blobOf, type TestNode} from './test-node.ts';

const remove = (rig: MasterRig, captureId: CaptureId, force = false) =>
  rig.ask({kind: 'deleteCapture', captureId, force});
const cameras = (rig: MasterRig, count: number): TestNode[] =>
  rig.nodes(count, {actions: ['camera']});

test('a capture that is over goes with its statements; its number never comes again', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  const {id} = rig.capture();
  for (const node of [a, b]) rig.says(node, rig.shotOf(node, {captureId: id}));
  rig.pass(1_000);
  t.like(remove(rig, id), {ok: true});
  t.is(viewOneCapture(rig.core, id), undefined);
  rig.pass(100);
  t.is(rig.scan('shot').length, 0);
  t.is(rig.scan('capture').length, 0);
  rig.kill();
  rig.join(a, {actions: ['camera']});
  t.is(Number(rig.capture().id), id + 1);
});

test('a master that dies while a capture goes does the rest in its next life', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture({shots: 5, intervalMs: 1});
  for (let shot = 1; shot <= 5; shot++) rig.says(a, rig.shotOf(a, {captureId: id, shot}));
  const {id: other} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: other}));
  rig.pass(1_200);
  t.like(remove(rig, id), {ok: true});
  rig.kill();
  t.is(viewOneCapture(rig.core, id), undefined);
  rig.pass(10);
  for (let i = 0; i < 5; i++) rig.pass(30);
  t.deepEqual([rig.scan('capture').length, rig.scan('shot').length], [1, 1]);
  t.is(viewOneCapture(rig.core, other)?.rows.length, 1);
});

test('one that is running goes only by force; shots to come are not commanded, files not asked for', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture({shots: 2, intervalMs: 40_000});
  rig.says(a, rig.shotOf(a, {captureId: id, files: [{name: 'a', ...blobOf('a')}]}));
  t.like(remove(rig, id), {ok: false, code: 'VOLLEY_USAGE'});
  t.like(remove(rig, id, true), {ok: true});
  const effects = Array.from({length: 60}, () => [
    ...rig.pass(1_000),
    ...rig.says(a, rig.pullOf(a, 0)),
  ]).flat();
  const fired = only(effects, 'multicast').map(({command: {what}}) => what);
  t.false(fired.some(what => what.kind === 'fire' && what.shot === 2));
  t.deepEqual(sentTo(effects, a, 'collect'), []);
});

test('a late statement about a deleted capture is acknowledged and not kept', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  const said = rig.shotOf(a, {captureId: id});
  remove(rig, id, true);
  rig.pass(100);
  t.is(receiptsOf(rig.says(a, said), a).length, 1);
  t.is(rig.scan('shot').length, 0);
});

test('what there is not cannot be deleted', t => {
  t.like(remove(MasterRig.ready(), 9 as CaptureId), {ok: false, code: 'VOLLEY_UNKNOWN_CAPTURE'});
});

test('who has not fired is named within a second of the last instant', t => {
  const rig = MasterRig.ready();
  const [a, b, c] = cameras(rig, 3) as [TestNode, TestNode, TestNode];
  const {id, effects} = rig.capture({leadMs: 300, shots: 2, intervalMs: 500});
  const [sent] = only(effects, 'multicast');
  rig.says(b, rig.ackOf(b, {epoch: sent?.epoch ?? 0, seq: sent?.seq ?? 0}));
  for (const shot of [1, 2]) rig.says(a, rig.shotOf(a, {captureId: id, shot}));
  rig.pass(1_400);
  t.is(viewOneCapture(rig.core, id)?.missing, undefined, 'the last instant is 0.6 s ago');
  const told = rig.pass(200);
  t.true(only(told, 'announce').some(({about}) => about.kind === 'capture'));
  const missing = viewOneCapture(rig.core, id)?.missing ?? [];
  t.deepEqual(
    missing.map(({name, why, shots}) => [name, why, shots]),
    [
      [b.name, 'unsaid', [1]],
      [c.name, 'silent', [1, 2]],
      [b.name, 'silent', [2]],
    ],
  );
  for (const node of [b, c])
    for (const shot of [1, 2]) rig.says(node, rig.shotOf(node, {captureId: id, shot}));
  t.deepEqual(viewOneCapture(rig.core, id)?.missing, []);
});
