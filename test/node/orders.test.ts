// What the master's word does to a node: it stops, keeps what it holds, and begins it anew.

import test from 'ava';
import type {NodeEffect} from '../../src/core/core.ts';
import type {Pull} from '../../src/wire/message.ts';
import {NodeRig} from './rig.ts';

const runsIn = (effects: readonly NodeEffect[]) =>
  effects.flatMap(effect => (effect.type === 'run' ? [effect.order.replicaId] : []));
const stopsIn = (effects: readonly NodeEffect[]) =>
  effects.flatMap(effect => (effect.type === 'stop' ? [effect.replicaId] : []));
const pullsIn = (effects: readonly NodeEffect[]): Pull[] =>
  effects.flatMap(effect =>
    effect.type === 'send' && effect.message.type === 'pull' ? [effect.message] : [],
  );

/** A node with work in all its slots. */
function busy(): {rig: NodeRig; running: string[]} {
  const rig = new NodeRig();
  const [pull] = pullsIn(rig.join());
  if (!pull) throw new Error('no pull');
  const effects = rig.hears(rig.assignOf(pull, 2));
  return {rig, running: runsIn(effects)};
}

const says = (rig: NodeRig, generation: number, paused: boolean): NodeEffect[] =>
  rig.turn(rig.command({kind: 'state'}, {state: {generation, paused}}));

test('a state that is news stops what runs, and is told in the next pull', t => {
  const {rig, running} = busy();
  t.true(running.length > 0);
  const effects = says(rig, 1, true);
  t.deepEqual(stopsIn(effects), running);
  const [pull] = pullsIn([...effects, ...rig.pass(2_000)]);
  t.like(pull, {wanted: 0, stateGeneration: 1});
  t.is(pull?.running.length, 2, 'it is kept and renewed');
});

test('what was stopped begins anew when the cluster is resumed', t => {
  const {rig, running} = busy();
  says(rig, 1, true);
  t.deepEqual(runsIn(rig.pass(5_000)), []);
  t.deepEqual(runsIn(says(rig, 2, false)), running);
});

test('an older state that comes late changes nothing', t => {
  const {rig} = busy();
  says(rig, 3, true);
  t.deepEqual(runsIn(says(rig, 2, false)), []);
});

test('the answer to a pull heals what the packet did not bring', t => {
  const {rig, running} = busy();
  const [pull] = pullsIn(rig.pass(2_000));
  if (!pull) throw new Error('no pull');
  const effects = rig.hears(rig.assignOf(pull, 0, {state: {generation: 1, paused: true}}));
  t.deepEqual(stopsIn(effects), running);
});

test('the first Welcome of a session counts, also of a master that knows fewer generations', t => {
  const {rig, running} = busy();
  says(rig, 9, true);
  t.deepEqual(runsIn(rig.join({state: {generation: 2, paused: false}})), running);
});

test('a node that is suspended by itself stops until it is resumed', t => {
  const {rig, running} = busy();
  t.deepEqual(stopsIn(rig.hears(rig.welcome({suspended: true}))), running);
  const [pull] = pullsIn(rig.pass(2_000));
  if (!pull) throw new Error('no pull');
  t.is(pull.wanted, 0);
  t.deepEqual(runsIn(rig.hears(rig.assignOf(pull, 0, {suspended: false}))), running);
});

test('a result that was on its way when it was stopped is reported all the same', t => {
  const {rig, running} = busy();
  says(rig, 1, true);
  const replicaId = running[0] as never;
  const output = {kind: 'inline', bytes: new Uint8Array(1)} as const;
  rig.turn({type: 'computed', replicaId, output, cpuMs: 5});
  t.false(rig.core.slots.has(replicaId));
});

test('labels that the operator gave make it a target', t => {
  const {rig, running} = busy();
  const target = {labels: ['ring9'], nodes: []};
  const stopped = () =>
    stopsIn(rig.turn(rig.command({kind: 'cancelBatch', batchId: 1 as never}, {target})));
  t.deepEqual(stopped(), []);
  rig.hears(rig.welcome({labels: ['ring9']}));
  t.deepEqual(stopped(), running);
});

test('a call for work is not for a node that has enough', t => {
  const {rig} = busy();
  const call = rig.command({kind: 'workAvailable', batchId: 1 as never, spreadMs: 0});
  t.deepEqual(pullsIn(rig.turn(call)), []);
});
