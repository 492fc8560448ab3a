import test from 'ava';
import type {NodeEvent} from '../../src/core/core.ts';
import {blobOf, NodeRig, only, sent, statementOf} from './rig.ts';

const shotWith = (rig: NodeRig, name: string): NodeEvent =>
  rig.shotDone({firedAt: rig.now.mono, files: [{name: `${name}.jpg`, ...blobOf(name)}]});
const space = (freeBytes: number) => ({type: 'freeSpace', freeBytes, floorBytes: 100}) as const;

/** Fires a shot of a capture of its own for each name. */
function shoot(rig: NodeRig, names: readonly string[]): void {
  for (const [i, name] of names.entries()) {
    rig.turn(rig.fire(0, {}, {atWallMs: 0 as never, salt: i + 1}));
    rig.turn(shotWith(rig, name));
  }
}
const asks = (rig: NodeRig, name: string): number =>
  only(rig.hears({type: 'collect', blobIds: [blobOf(name).blobId]}), 'upload').length;

test('a file that was never collected is kept, however many came after it', t => {
  const rig = NodeRig.joined();
  const names = Array.from({length: 520}, (_, i) => `f${i}`);
  shoot(rig, names.slice(0, 2));
  rig.turn({type: 'uploaded', blobId: blobOf('f1').blobId});
  shoot(rig, names.slice(2));
  t.deepEqual([asks(rig, 'f0'), asks(rig, 'f1'), asks(rig, 'f519')], [1, 0, 1]);
  rig.kill();
  rig.join();
  t.deepEqual([asks(rig, 'f0'), asks(rig, 'f1')], [1, 0], 'and after a restart');
});

test('a full disk refuses a shot before its instant, and says what waits', t => {
  const rig = NodeRig.joined();
  shoot(rig, ['a']);
  rig.turn(space(50));
  const effects = rig.turn(rig.fire(300, {}, {salt: 9}));
  t.is(only(effects, 'fire').length, 0);
  const [said] = sent(effects, 'shotReport').map(statementOf).slice(-1);
  t.is(said?.verdict, 'failed');
  t.regex(said?.reason ?? '', /disk of this node is nearly full, 1 files wait to be collected/);
  rig.turn(space(500));
  t.is(only(rig.turn(rig.fire(300, {}, {salt: 10})), 'fire').length, 1);
});

test('what the master has goes, oldest first, above what the owner lets be kept', t => {
  const rig = NodeRig.joined({keepShotsMib: 0});
  shoot(rig, ['a', 'b']);
  rig.turn({type: 'uploaded', blobId: blobOf('a').blobId});
  t.deepEqual([asks(rig, 'a'), asks(rig, 'b')], [0, 1]);
  const usual = NodeRig.joined();
  shoot(usual, ['a']);
  usual.turn({type: 'uploaded', blobId: blobOf('a').blobId});
  t.is(asks(usual, 'a'), 1);
});

test('on a disk that is short of room only what waits stays, and that is saved at once', t => {
  const rig = NodeRig.joined();
  shoot(rig, ['a', 'b', 'c']);
  for (const name of ['a', 'b']) rig.turn({type: 'uploaded', blobId: blobOf(name).blobId});
  const effects = rig.turn(space(150));
  t.is(only(effects, 'save').filter(({op}) => op.type === 'del').length, 2);
  t.deepEqual([asks(rig, 'a'), asks(rig, 'b'), asks(rig, 'c')], [0, 0, 1]);
  rig.kill();
  rig.join();
  t.deepEqual([asks(rig, 'a'), asks(rig, 'c')], [0, 1]);
});
