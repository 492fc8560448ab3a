import test from 'ava';
import {asNodeId, type NodeId} from '../../src/base/types.ts';
import {skewsOf} from '../../src/master/pulses.ts';
import {viewNodes} from '../../src/master/status.ts';
import type {EarReport} from '../../src/wire/message.ts';
import {only} from './look.ts';
import {MasterRig} from './rig.ts';
import {EPOCH_WALL, type TestNode} from './test-node.ts';

type Effects = ReturnType<MasterRig['turn']>;

const pulsesIn = (effects: Effects): number[] =>
  only(effects, 'multicast').flatMap(({command: {what}}) => (what.kind === 'pulse' ? what.no : []));

const earOf = (rig: MasterRig, node: TestNode) =>
  viewNodes(rig.core).find(({nodeId}) => nodeId === node.id)?.ear;

/** Each node asks every second. */
function live(rig: MasterRig, nodes: readonly TestNode[], seconds: number): Effects {
  const effects: Effects = [];
  for (let i = 0; i < seconds; i++) {
    effects.push(...rig.pass(1_000));
    for (const node of nodes) rig.pull(node);
  }
  return effects;
}

function tell(rig: MasterRig, node: TestNode, ear: Partial<EarReport>): void {
  const told: EarReport = {
    ...{epoch: rig.core.context.epoch, heard: 1, missed: 0, clockBoundMs: 0.3, pulses: []},
    ...ear,
  };
  rig.says(node, {
    ...{type: 'pull', nonce: 900_000 + Math.round(rig.mono), wanted: 0, wantedMs: 0, running: []},
    ...{load: 0, groupKeyId: 1, stateGeneration: 0, ear: told},
  });
}

test('pulses go out while somebody fires actions, each once', t => {
  const rig = MasterRig.ready();
  const idle = rig.nodes(2);
  t.deepEqual(pulsesIn(live(rig, idle, 20)), [], 'nobody has to wake up for them');
  const camera = rig.node('camera', {actions: ['camera']});
  t.deepEqual(pulsesIn(live(rig, [...idle, camera], 17)), [1, 2, 3]);
});

test('the loss of a node is what it says, and its skew how much later than others it heard', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(4, {actions: ['camera']});
  live(rig, nodes, 11);
  const late = [0, 0.2, -0.2, 7];
  for (const no of [1, 2])
    nodes.forEach((node, i) => {
      const heardWallMs = EPOCH_WALL + 5_000 * no + (late[i] ?? 0);
      tell(rig, node, {heard: no, missed: i, pulses: [{no, heardWallMs}]});
    });
  live(rig, nodes, 5); // the next pulse
  const told = nodes.map(node => earOf(rig, node));
  t.deepEqual(
    told.map(ear => ear?.missed),
    [0, 1, 2, 3],
  );
  t.deepEqual(
    told.map(ear => Math.round((ear?.skewMs ?? Number.NaN) * 10) / 10),
    [-0.1, 0.1, -0.3, 6.9],
  );
});

test('what is told of another epoch, or of a pulse that never was, is not compared', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(4, {actions: ['camera']});
  live(rig, nodes, 6);
  for (const node of nodes) {
    tell(rig, node, {epoch: 99, pulses: [{no: 1, heardWallMs: EPOCH_WALL}]});
    t.is(earOf(rig, node), undefined);
    tell(rig, node, {pulses: [{no: 4_000, heardWallMs: EPOCH_WALL}]});
  }
  live(rig, nodes, 5);
  for (const node of nodes) t.is(earOf(rig, node)?.skewMs, undefined);
});

test('two nodes cannot say which of them is off', t => {
  const [a, b, c] = ['a', 'b', 'c'].map(letter => asNodeId(letter.repeat(32)));
  const of = (...pairs: [NodeId | undefined, number][]) =>
    new Map(pairs.map(([id, at]) => [id as NodeId, at]));
  t.is(skewsOf([of([a, 1], [b, 2])]).size, 0);
  const skews = skewsOf([of([a, 1], [b, 2], [c, 3]), of([a, 101], [b, 103], [c, 102])]);
  t.deepEqual([...skews.values()], [-1, 0.5, 0.5]);
});
