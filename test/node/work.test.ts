// A node that is held back: what stands still, what is given back, what the master hears of it.

import test from 'ava';
import type {ReplicaId} from '../../src/base/types.ts';
import type {NodeEffect, NodeEvent} from '../../src/core/core.ts';
import {viewNodeStatus} from '../../src/node/status.ts';
import {NodeRig, notesOf, only, runs, savedKeys, sent} from './rig.ts';

const order = (suspended: boolean, by: 'owner' | 'operator' = 'owner'): NodeEvent => ({
  type: 'ordered',
  by,
  suspended,
});
const drain = (draining: boolean): NodeEvent => ({type: 'ordered', by: 'owner', draining});
const prefer = (preferences: object): NodeEvent => ({type: 'preferred', by: 'owner', preferences});
const paces = (effects: readonly NodeEffect[]) =>
  only(effects, 'pace').map(({held, cpuPercent}) => `${held.join()}|${cpuPercent}`);
const stops = (effects: readonly NodeEffect[]) =>
  only(effects, 'stop').map(({replicaId, keepsState}) => `${replicaId} ${keepsState}`);
const done = (rig: NodeRig, id: string): NodeEvent =>
  rig.computed(id as ReplicaId, {kind: 'inline', bytes: new Uint8Array(1)}, 60_000);

/** Indexes of what is given back; a pull that is said again says it again. */
const returned = (effects: readonly NodeEffect[]): number[] => [
  ...new Set(sent(effects, 'pull').flatMap(pull => (pull.returned ?? []).map(({index}) => index))),
];

/** Time passes; every pull is answered with nothing. */
function pass(rig: NodeRig, ms: number): NodeEffect[] {
  const effects: NodeEffect[] = [];
  for (let left = ms; left > 0; left -= 500) {
    const passed = rig.pass(Math.min(500, left));
    effects.push(...passed);
    for (const pull of sent(passed, 'pull')) effects.push(...rig.hears(rig.assignOf(pull, 0)));
  }
  return effects;
}

test('suspended, what runs stands still, nothing is asked for, and the master hears why', t => {
  const rig = NodeRig.working(2);
  t.is(runs(rig.first).length, 2);
  const effects = rig.turn(order(true));
  t.deepEqual(paces(effects), ['0,1|100']);
  t.deepEqual(savedKeys(effects), ['put meta/suspended']);
  const [pull] = sent([...effects, ...pass(rig, 1_000)], 'pull');
  t.is(pull?.wanted, 0);
  t.is(pull?.running.length, 2, 'leases are renewed');
  t.like(pull?.guest, {heldSlots: 2, reason: 'owner: suspended by its owner', draining: false});
  const resumed = rig.turn(order(false));
  t.deepEqual(paces(resumed), ['|100']);
  t.like(sent([...resumed, ...rig.pass(50)], 'pull')[0]?.guest, {heldSlots: 0, reason: ''});
});

test('what has not begun is given back after half a minute of rest, what runs after ten', t => {
  const rig = NodeRig.working(4);
  rig.turn(order(true));
  t.deepEqual(stops(pass(rig, 29_000)), []);
  const later = pass(rig, 3_000);
  t.deepEqual(returned(later), [2, 3]);
  t.deepEqual(stops(later), []);
  const last = pass(rig, 600_000);
  t.deepEqual(stops(last), ['1/0/0 true', '1/1/0 true'], 'its state is kept: it may come again');
  t.deepEqual(returned(last), [0, 1]);
  t.is(rig.core.slots.size, 0);
  t.deepEqual(sent(last, 'report'), []);
});

test('a short rest gives nothing back', t => {
  const rig = NodeRig.working(4);
  for (let i = 0; i < 10; i++) {
    rig.turn(order(true));
    const effects = [...pass(rig, 20_000), ...rig.turn(order(false)), ...pass(rig, 5_000)];
    t.deepEqual(returned(effects), []);
  }
  t.is(rig.core.slots.size, 4);
});

test('an order of the operator holds a node beside that of its owner, and is not stored here', t => {
  const rig = NodeRig.working(1);
  t.deepEqual(savedKeys(rig.turn(order(true, 'operator'))), []);
  rig.turn(order(true));
  t.deepEqual(paces(rig.turn(order(false))), [], 'the operator holds it still');
  t.deepEqual(paces(rig.turn(order(false, 'operator'))), ['|100']);
});

test('a suspend of the owner outlives the process', t => {
  const rig = NodeRig.joined();
  rig.turn(order(true));
  rig.kill();
  const [pull] = sent(rig.join(), 'pull');
  t.is(pull?.wanted, 0);
  t.like(pull?.guest, {heldSlots: 2});
  rig.turn(order(false));
  rig.kill();
  t.true((sent(rig.join(), 'pull')[0]?.wanted ?? 0) > 0);
});

test('drained, what runs ends and is reported, and what waits goes back at once', t => {
  const rig = NodeRig.working(3);
  const effects = [...rig.turn(drain(true)), ...pass(rig, 2_000)];
  t.deepEqual(paces(effects), []);
  const pulls = sent(effects, 'pull');
  t.deepEqual(returned(effects), [2]);
  t.true(pulls.every(({wanted}) => wanted === 0));
  t.true(pulls.at(-1)?.guest?.draining);
  const ended = [rig.turn(done(rig, '1/0/0')), rig.turn(done(rig, '1/1/0')), pass(rig, 1_000)];
  t.is(sent(ended.flat(), 'report').length > 0, true);
  t.is(viewNodeStatus(rig.core).state, 'draining');
  rig.turn(drain(false));
  t.true(
    sent(rig.pass(100), 'pull').some(({wanted}) => wanted > 0),
    'it asks again',
  );
});

test('with fewer cores the runs that began first go on, the others wait for their end', t => {
  const rig = NodeRig.working(4);
  t.deepEqual(paces(rig.turn(prefer({cores: 1}))), ['1|100']);
  t.like(viewNodeStatus(rig.core), {allowed: 1, slots: 2, waiting: 2});
  const effects = rig.turn(done(rig, '1/0/0'));
  t.deepEqual(paces(effects), ['|100'], 'the one that stood still goes on');
  t.deepEqual(runs(effects), [], 'before anything new begins');
  t.deepEqual(runs(rig.turn(done(rig, '1/1/0'))), ['1/2/0' as ReplicaId]);
});

test('a duty cycle is told to the runner', t => {
  const rig = NodeRig.working(1);
  t.deepEqual(paces(rig.turn(prefer({cpuPercent: 30}))), ['|30']);
  t.deepEqual(paces(rig.turn(prefer({cpuPercent: 30}))), []);
  t.deepEqual(paces(rig.turn(prefer({}))), ['|100']);
});

test('the sensors decide, and the log says it once', t => {
  const rig = NodeRig.working(1);
  rig.turn(prefer({suspendAboveCelsius: 80}));
  const sample = (celsius: number): NodeEvent => ({
    type: 'sampled',
    sample: {minuteOfWeek: 0, thermometers: [{name: 'cpu', celsius}]},
  });
  const hot = rig.turn(sample(85));
  t.deepEqual(paces(hot), ['0|100']);
  t.deepEqual(notesOf(hot), ['work is suspended']);
  t.deepEqual(notesOf(rig.turn(sample(84))), []);
  t.deepEqual(viewNodeStatus(rig.core).reasons, [{by: 'temperature', text: '84 °C, above 80'}]);
  t.deepEqual(paces(rig.turn(sample(70))), ['|100']);
});

test('progress travels with the renewals', t => {
  const rig = NodeRig.working(1);
  rig.turn({type: 'progress', replicaId: '1/0/0' as ReplicaId, permille: 420});
  rig.turn({type: 'progress', replicaId: '9/9/9' as ReplicaId, permille: 1});
  const pull = sent(pass(rig, 2_000), 'pull').find(({running}) => running.length > 0);
  t.is(pull?.running[0]?.permille, 420);
  t.is(viewNodeStatus(rig.core).running[0]?.permille, 420);
});

test('wishes of the operator are kept, named in each pull, and taken once', t => {
  const rig = NodeRig.working(2);
  const wishes = {type: 'preferences', id: 77, json: '{"cores":1,"colour":"red"}'} as const;
  const effects = rig.hears(wishes);
  t.deepEqual(savedKeys(effects), ['put meta/wishes']);
  t.deepEqual(paces(effects), ['1|100']);
  t.deepEqual(savedKeys(rig.hears(wishes)), []);
  rig.kill();
  t.like(sent(rig.join(), 'pull')[0]?.guest, {preferencesId: 77, heldSlots: 1});
});

test('wishes that make no sense change nothing, and are noted', t => {
  const rig = NodeRig.working(2);
  rig.hears({type: 'preferences', id: 1, json: '{"cores":1}'});
  for (const [id, json] of ['{"cores":-1}', 'no json', '[]', '3'].entries())
    t.deepEqual(notesOf(rig.hears({type: 'preferences', id: 10 + id, json})), [
      'preferences refused',
    ]);
  t.is(viewNodeStatus(rig.core).allowed, 1);
});

test('a node held back for good comes to rest: no ticks but heartbeats', t => {
  const rig = NodeRig.working(2);
  rig.turn(order(true));
  pass(rig, 700_000);
  let turns = 0;
  for (let at = 0; at < 20_000; turns++) {
    const wake = rig.core.wakeAt();
    at += Math.max(0, wake - rig.mono);
    for (const pull of sent(rig.pass(Math.max(0, wake - rig.mono)), 'pull'))
      rig.hears(rig.assignOf(pull, 0));
  }
  t.true(turns < 100, `${turns} turns in 20 s`);
});
