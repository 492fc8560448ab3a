import test from 'ava';
import type {MasterEffect} from '../../src/core/core.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {only} from './look.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

const cameras = (rig: MasterRig, count: number): TestNode[] =>
  rig.nodes(count, {actions: ['camera']});

/** First commands to fire, by shot: when each was said, and its instant. */
function firesOf(effects: readonly MasterEffect[]): Map<number, number> {
  const fires = new Map<number, number>();
  for (const {command} of only(effects, 'multicast'))
    if (command.what.kind === 'fire' && !fires.has(command.what.shot))
      fires.set(command.what.shot, command.what.atWallMs);
  return fires;
}

/** The present nodes come again after a kill of the master, and stay. */
function comeBack(rig: MasterRig, nodes: readonly TestNode[], ms: number): MasterEffect[] {
  const effects = nodes.flatMap(node => rig.join(node, {actions: ['camera']}));
  for (let at = 0; at < ms; at += 500) {
    effects.push(...rig.pass(500));
    for (const node of nodes) effects.push(...rig.says(node, rig.pullOf(node, 0)));
  }
  return effects;
}

test('shots that a killed master had not commanded are commanded by the next, at their instants', t => {
  const rig = MasterRig.ready();
  const nodes = cameras(rig, 2);
  const {id} = rig.capture({leadMs: 40_000, shots: 3, intervalMs: 5_000});
  const asked = viewOneCapture(rig.core, id)?.atWallMs ?? [];
  rig.pass(2_000);
  rig.kill();
  const fires = firesOf(comeBack(rig, nodes, 60_000));
  t.deepEqual(
    [...fires.entries()],
    [1, 2, 3].map(shot => [shot, asked[shot - 1]]),
  );
});

test('a shot whose instant passed without a master is not fired late', t => {
  const rig = MasterRig.ready();
  const nodes = cameras(rig, 1);
  rig.capture({leadMs: 25_000, shots: 2, intervalMs: 10_000});
  rig.pass(1_000);
  rig.mono += 30_000; // nobody is there
  rig.kill();
  const fires = firesOf(comeBack(rig, nodes, 20_000));
  t.deepEqual([...fires.keys()], [2]);
});

test('a shot waits for the nodes that are not back yet', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  rig.capture({leadMs: 6_000});
  rig.kill();
  t.is(firesOf(comeBack(rig, [a], 2_000)).size, 0);
  t.is(firesOf(comeBack(rig, [b], 500)).size, 1);
});

test('a shot waits for nobody from a second before its instant on', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 2) as [TestNode, TestNode];
  rig.capture({leadMs: 6_000});
  rig.kill();
  t.is(firesOf(comeBack(rig, [a], 4_000)).size, 0);
  t.is(firesOf(comeBack(rig, [a], 2_000)).size, 1, 'those who are there fire');
});

test('shots on hearing that were still to come are commanded after a restart', t => {
  const rig = MasterRig.ready();
  const nodes = cameras(rig, 1);
  const {effects} = rig.capture({leadMs: 0, shots: 3, intervalMs: 8_000});
  t.is(firesOf(effects).size, 1);
  rig.kill();
  const fires = firesOf(comeBack(rig, nodes, 20_000));
  t.deepEqual([...fires.keys()], [2, 3]);
});

test('a shot that a node has spoken of is not commanded again', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture({leadMs: 5_000});
  rig.says(a, rig.shotOf(a, {captureId: id}));
  rig.kill();
  t.is(firesOf(comeBack(rig, [a], 10_000)).size, 0);
});

test('a capture far ahead is not over a minute after a restart', t => {
  const rig = MasterRig.ready();
  const nodes = cameras(rig, 1);
  const {id} = rig.capture({leadMs: 300_000});
  rig.kill();
  comeBack(rig, nodes, 120_000);
  t.is(viewOneCapture(rig.core, id)?.state, 'running');
  comeBack(rig, nodes, 300_000);
  t.is(viewOneCapture(rig.core, id)?.state, 'done');
});
