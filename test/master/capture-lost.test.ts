// A node that is killed after it was told to fire: the capture does not wait a minute for it.

import test from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import {viewOneCapture} from '../../src/master/status.ts';
import {MasterRig} from './rig.ts';
import type {TestNode} from './test-node.ts';

/** Two nodes were told to fire, and one of them has. The pulls of whoever is alive are heard meanwhile. */
function fired() {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(2, {actions: ['camera']});
  const [alive, killed] = nodes as [TestNode, TestNode];
  const {id} = rig.capture({leadMs: 300});
  rig.says(alive, rig.shotOf(alive, saltOf(rig, id)));
  return {rig, id, alive, killed};
}

const saltOf = (rig: MasterRig, captureId: CaptureId) => {
  const salt = [...rig.core.captures.all()].find(({row}) => row.id === captureId)?.row.salt ?? 0;
  return {captureId, salt};
};

function pass(rig: MasterRig, ms: number, alive: readonly TestNode[]): void {
  for (let passed = 0; passed < ms; passed += 500) {
    rig.pass(500);
    for (const node of alive) rig.pull(node);
  }
}

const rowOf = (rig: MasterRig, id: CaptureId, node: TestNode) =>
  viewOneCapture(rig.core, id)?.rows.find(({nodeId}) => nodeId === node.id);
const stateOf = (rig: MasterRig, id: CaptureId) => viewOneCapture(rig.core, id)?.state;

test('a node that is down is not waited for, and what it says later is kept', t => {
  const {rig, id, alive, killed} = fired();
  pass(rig, 9_000, [alive]);
  t.is(stateOf(rig, id), 'running');
  pass(rig, 2_000, [alive]);
  t.is(stateOf(rig, id), 'done');
  t.is(rowOf(rig, id, killed)?.verdict, 'silent');
  rig.join(killed, {actions: ['camera']});
  rig.says(killed, rig.shotOf(killed, saltOf(rig, id)));
  t.is(rowOf(rig, id, killed)?.verdict, 'fired');
});

test('a node that is up is waited for', t => {
  const {rig, id, alive, killed} = fired();
  pass(rig, 40_000, [alive, killed]);
  t.is(stateOf(rig, id), 'running');
  pass(rig, 25_000, [alive, killed]);
  t.is(stateOf(rig, id), 'done');
});

test('one that goes down while it is waited for is not any more', t => {
  const {rig, id, alive, killed} = fired();
  pass(rig, 30_000, [alive, killed]);
  t.is(stateOf(rig, id), 'running');
  pass(rig, 6_000, [alive]);
  t.is(stateOf(rig, id), 'done');
});
