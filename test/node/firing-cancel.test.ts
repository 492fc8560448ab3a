import test from 'ava';
import {asCaptureId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import {ackOf, NodeRig, only, sent, statementOf} from './rig.ts';

const statements = (effects: readonly NodeEffect[]) => sent(effects, 'shotReport').map(statementOf);
const acks = (effects: readonly NodeEffect[]) => sent(effects, 'commandAck').map(ackOf);

const cancelled = (rig: NodeRig, salt = 9, captureId = 1) =>
  rig.command({kind: 'cancelCapture', captureId: asCaptureId(captureId), salt});

test('a capture that is cancelled ends its shots that are in hand, and no others', t => {
  const rig = NodeRig.joined();
  for (const shot of [1, 2, 3]) rig.turn(rig.fire(300 * shot, {}, {shot}));
  rig.turn(rig.fire(500, {}, {captureId: asCaptureId(2)}));
  rig.turn(rig.shotDone({shot: 1}));
  for (const other of [cancelled(rig, 8), cancelled(rig, 9, 3)])
    t.deepEqual(only(rig.turn(other), 'cancelShot'), [], 'another one of that number, or of none');
  const effects = [...rig.turn(cancelled(rig)), ...rig.pass(20)];
  t.deepEqual(
    only(effects, 'cancelShot').map(({captureId, shot}) => [captureId, shot]),
    [
      [asCaptureId(1), 2],
      [asCaptureId(1), 3],
    ],
  );
  t.is(acks(effects).at(-1)?.verdict, 'accepted');
  const why = {failure: 'cancelled by the operator', unfired: 'cancelled'} as const;
  const done = rig.shotDone({shot: 2, firedAt: undefined, ...why});
  const said = statements([...rig.turn(done), ...rig.pass(10)]).find(({shot}) => shot === 2);
  t.like(said, {verdict: 'cancelled', reason: 'cancelled by the operator', firedWallMs: 0});
  t.deepEqual(only(rig.turn(cancelled(rig)), 'cancelShot').length, 1, 'what is over is over');
});

test('a shot that fires all the same is told as fired', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(100));
  rig.turn(cancelled(rig));
  rig.mono += 110;
  const [said] = statements([...rig.turn(rig.shotDone()), ...rig.pass(10)]);
  t.is(said?.verdict, 'fired');
});

test('a command to fire that comes after the word that cancelled it fires nothing', t => {
  const rig = NodeRig.joined();
  rig.turn(cancelled(rig));
  const effects = [...rig.turn(rig.fire(300)), ...rig.pass(20)];
  t.deepEqual(only(effects, 'fire'), []);
  t.like(statements(effects)[0], {verdict: 'cancelled', firedWallMs: 0});
  t.is(only(rig.turn(rig.fire(300, {}, {salt: 10})), 'fire').length, 1, 'another capture');
});
