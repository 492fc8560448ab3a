import test from 'ava';
import type {WallMs} from '../../src/base/types.ts';
import {only} from './look.ts';
import {MasterRig} from './rig.ts';

test('setting the wall clock moves neither the instant of a shot nor the age of a command', t => {
  const rig = MasterRig.ready();
  rig.nodes(2);
  const before = rig.core.context.instant(rig.now.mono);
  rig.wallStepMs = 3_600_000;
  rig.pass(10);
  t.is(rig.core.context.instant(rig.now.mono), (before + 10) as WallMs);
  const [sent] = only(rig.capture({leadMs: 300}).effects, 'multicast');
  t.is(sent?.command.issuedWallMs, (before + 10) as WallMs);
  t.like(sent?.command.what, {kind: 'fire', atWallMs: before + 310});
});

test('the next life of the master begins at its wall clock', t => {
  const rig = MasterRig.ready();
  rig.wallStepMs = 3_600_000;
  rig.kill();
  t.is(rig.core.context.instant(rig.now.mono), rig.now.wall);
});
