// What the master's word does to a node: with the whole cluster it stops, keeps what it holds, and begins it anew;
// alone it stops, and what it held is others' at once.

import test from 'ava';
import type {NodeEffect} from '../../src/core/core.ts';
import type {Assign, Pull} from '../../src/wire/message.ts';
import {NodeRig, only, runs, sent} from './rig.ts';

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

/** Answers each pull with no work, until there is none; what the node did. */
function answered(rig: NodeRig, said: readonly NodeEffect[], changes: Partial<Assign>) {
  const effects: NodeEffect[] = [];
  let last = said;
  for (let no = 0; no < 50 && pullsIn(last).length > 0; no++) {
    last = pullsIn(last).flatMap(pull => rig.hears(rig.assignOf(pull, 0, changes)));
    effects.push(...last);
  }
  return effects;
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

const anew = {instanceId: new Uint8Array(8).fill(77)};

test('a master that came back from an old backup knows fewer generations, and counts', t => {
  const {rig, running} = busy();
  says(rig, 9, true);
  t.deepEqual(runsIn(rig.join({...anew, state: {generation: 2, paused: false}})), running);
});

test('it counts also if its Welcome is the second one of the session', t => {
  const {rig, running} = busy();
  says(rig, 9, true);
  const said = rig.welcome({...anew, state: {generation: 2, paused: false}});
  t.deepEqual(runsIn(rig.hears(said)), running);
});

test('an older Welcome of the same start of the master takes nothing back', t => {
  const {rig} = busy();
  says(rig, 9, true);
  t.deepEqual(runsIn(rig.join({state: {generation: 8, paused: false}})), []);
});

test('a packet of a later start counts, and nothing of an earlier one after it', t => {
  const {rig, running} = busy();
  const {epoch} = rig;
  says(rig, 9, true);
  rig.epoch = epoch + 1;
  t.deepEqual(runsIn(says(rig, 1, false)), running);
  rig.epoch = epoch;
  t.deepEqual(stopsIn(says(rig, 10, true)), []);
  const [pull] = pullsIn(rig.pass(2_000));
  if (!pull) throw new Error('no pull');
  t.deepEqual(
    stopsIn(rig.hears(rig.assignOf(pull, 0, {state: {generation: 9, paused: true}}))),
    [],
  );
});

test('an answer of an earlier start of the master that comes late says nothing of the state', t => {
  const {rig, running} = busy();
  const [pull] = pullsIn(rig.pass(2_000));
  if (!pull) throw new Error('no pull');
  const late = rig.assignOf(pull, 0, {state: {generation: 9, paused: true}});
  rig.join({...anew, epoch: rig.epoch + 1});
  t.deepEqual(stopsIn(rig.hears(late)), []);
  t.true(running.length > 0);
  const [next] = pullsIn(rig.pass(5_000));
  t.is(next?.stateGeneration, 0);
});

test('a node that is suspended by itself keeps nothing: others have its work by then', t => {
  const rig = NodeRig.working(60);
  const running = runs(rig.first);
  const effects = rig.hears(rig.welcome({suspended: true}));
  const stops = only(effects, 'stop').map(({replicaId, keepsState}) => [replicaId, keepsState]);
  t.deepEqual(
    stops,
    running.map(id => [id, true]),
    'what they saved is kept',
  );
  t.is(rig.core.slots.size, 0);
  t.is(only(effects, 'pace').length, 0);
});

test('resumed, it asks at once, runs nothing of what it had, and goes on with what it is given anew', t => {
  const rig = NodeRig.working(60);
  answered(rig, rig.hears(rig.welcome({suspended: true})), {suspended: true});
  const effects = rig.hears(rig.welcome({suspended: false}));
  t.deepEqual(runsIn(effects), []);
  const pull = pullsIn(effects).find(({wanted}) => wanted > 0);
  t.truthy(pull, 'it asks for work');
  t.deepEqual(pull?.running, [], 'and renews nothing');
  const again = pull ? rig.hears(rig.assignOf(pull, 2)) : [];
  t.deepEqual(runsIn(again), ['1/0/0', '1/1/0']);
});

test('the answer to a pull says it too, and what comes with it is not begun', t => {
  const {rig, running} = busy();
  const [pull] = pullsIn(rig.pass(2_000));
  if (!pull) throw new Error('no pull');
  const batches = [rig.batchOf(7, 1)];
  const effects = rig.hears(rig.assignOf(pull, 0, {suspended: true, batches}));
  t.deepEqual(stopsIn(effects), running);
  t.deepEqual(runsIn(effects), []);
  t.is(rig.core.slots.size, 0);
  t.deepEqual(pullsIn(rig.pass(200))[0]?.wanted, 0);
});

test('what it let go is named to the master, whose word may be older than what it gave', t => {
  const rig = NodeRig.working(40);
  const first = rig.hears(rig.welcome({suspended: true}));
  const effects = [...first, ...answered(rig, first, {suspended: true})];
  const told = sent(effects, 'pull').flatMap(({returned = []}) => returned.map(({index}) => index));
  t.deepEqual(
    [...new Set(told)].sort((a, b) => a - b),
    [...Array(40).keys()],
  );
});

test('through a pause of the whole cluster it keeps all, until it is suspended itself', t => {
  const {rig, running} = busy();
  says(rig, 1, true);
  t.is(rig.core.slots.size, running.length);
  t.deepEqual(stopsIn(rig.hears(rig.welcome({suspended: true}))), [], 'they stopped before');
  t.is(rig.core.slots.size, 0);
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
