import test from 'ava';
import type {MasterEffect} from '../../src/core/core.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {notesOf, only, sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {blobOf, type TestNode} from './test-node.ts';

const fileOf = (name: string) => ({name, ...blobOf(name)});

/** A node that is heard all the time and uploads nothing. */
function lazy(rig: MasterRig, node: TestNode, seconds: number): MasterEffect[] {
  const effects: MasterEffect[] = [];
  for (let s = 0; s < seconds; s++) {
    effects.push(...rig.pass(1_000));
    rig.says(node, rig.pullOf(node, 0));
  }
  return effects;
}

test('a node that does not bring its files is asked again for hours, ever more rarely', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1, {actions: ['camera']}) as [TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id, files: [fileOf('a')]}));
  const early = lazy(rig, a, 60);
  t.true(notesOf(early).includes('files not collected'), 'it is said');
  t.true(sentTo(early, a, 'collect').length >= 10);
  lazy(rig, a, 3_600);
  const late = sentTo(lazy(rig, a, 1_300), a, 'collect').length;
  t.true(late > 0 && late <= 50, `${late} times in 20 minutes`);
});

test('a node that comes back after an hour away is asked within seconds', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1, {actions: ['camera']}) as [TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id, files: [fileOf('a')]}));
  const away = only(rig.pass(3_600_000), 'send').length;
  t.true(away <= 3, `${away} datagrams into nothing`);
  rig.join(a, {actions: ['camera']});
  t.true(sentTo(rig.pass(3_000), a, 'collect').length > 0);
});

test('nodes that bring nothing do not keep others from bringing theirs', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(5, {actions: ['camera']});
  const {id} = rig.capture();
  const [, , , , last] = nodes;
  if (!last) return t.fail();
  for (const node of nodes)
    rig.says(node, rig.shotOf(node, {captureId: id, files: [fileOf(node.name)]}));
  const effects: MasterEffect[] = [];
  for (let s = 0; s < 60; s++) {
    effects.push(...rig.pass(1_000));
    for (const node of nodes) rig.says(node, rig.pullOf(node, 0));
  }
  t.true(sentTo(effects, last, 'collect').length > 0);
});

test('a file that comes while nobody waits for it is collected all the same', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1, {actions: ['camera']}) as [TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id, files: [fileOf('a')]}));
  lazy(rig, a, 40); // its turn is over
  rig.turn({type: 'blobStored', ...blobOf('a')});
  t.true(viewOneCapture(rig.core, id)?.rows[0]?.files[0]?.collected);
  t.is(sentTo(lazy(rig, a, 1_200), a, 'collect').length, 0);
});

test('a full disk asks for no files, and for all of them when there is room', t => {
  const rig = MasterRig.ready();
  const [a] = rig.nodes(1, {actions: ['camera']}) as [TestNode];
  const {id} = rig.capture();
  const space = (freeBytes: number) => ({type: 'freeSpace', freeBytes, floorBytes: 100}) as const;
  rig.turn(space(50));
  rig.says(a, rig.shotOf(a, {captureId: id, files: [fileOf('a')]}));
  t.deepEqual(sentTo(lazy(rig, a, 60), a, 'collect'), []);
  const effects = [...rig.turn(space(500)), ...lazy(rig, a, 3)];
  t.true(sentTo(effects, a, 'collect').length > 0);
});
