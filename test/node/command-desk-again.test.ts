import test from 'ava';
import {NodeRig, only} from './rig.ts';

test('a shot that was fired is not fired again by another command, also after a restart', t => {
  const rig = NodeRig.joined();
  rig.turn(rig.fire(300));
  rig.turn(rig.shotDone({firedAt: rig.now.mono}));
  const again = rig.turn(rig.fire(5_000));
  t.is(only(again, 'fire').length, 0, 'in the same life');
  rig.kill();
  rig.join();
  t.is(only(rig.turn(rig.fire(5_000)), 'fire').length, 0, 'its statement waits in the spool');
  t.is(only(rig.turn(rig.fire(5_000, {}, {salt: 77})), 'fire').length, 1, 'of another capture');
});
