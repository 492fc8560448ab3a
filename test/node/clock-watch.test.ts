import test from 'ava';
import {asMonoMs, asWallMs} from '../../src/base/types.ts';
import {ClockSync} from '../../src/core/clock-sync.ts';
import {ClockWatch} from '../../src/node/clock-watch.ts';
import {NodeRig, only, sent, statementOf} from './rig.ts';

const at = (mono: number, wall: number) => ({mono: asMonoMs(mono), wall: asWallMs(wall)});

test('clocks that go on together are no jump; one that goes on alone is', t => {
  const watch = new ClockWatch();
  t.is(watch.jumpOf(at(10, 1_000)), 0);
  t.is(watch.jumpOf(at(500, 1_490.4)), 0);
  t.is(watch.jumpOf(at(501, 61_491.4)), 60_000);
  t.is(watch.jumpOf(at(502, 61_492.4)), 0);
});

test('the word of a master whose clock is behind what we think is a contradiction', t => {
  const clock = new ClockSync();
  const watch = new ClockWatch();
  t.false(watch.contradicts(clock, asWallMs(9e9), asMonoMs(0)), 'nothing is known yet');
  clock.sample(asMonoMs(0), asWallMs(1_000_001), asWallMs(1_000_001), asMonoMs(2));
  t.false(watch.contradicts(clock, asWallMs(1_000_000), asMonoMs(100)));
  t.true(watch.contradicts(clock, asWallMs(990_000), asMonoMs(100)));
});

test('a node that slept fires nothing until it has asked for the time again', t => {
  const rig = NodeRig.joined();
  rig.wallStepMs += 30_000; // asleep; the monotonic clock did not count it
  const old = rig.fire(0, {}, {atWallMs: 0 as never});
  const effects = rig.turn(old);
  t.is(only(effects, 'fire').length, 0);
  const [said] = sent([...effects, ...rig.pass(1_000)], 'shotReport').map(statementOf);
  t.like(said, {verdict: 'missed', reason: 'the clock of the master is not known yet'});
  t.true(sent(rig.pass(1_000), 'timeProbe').length > 0, 'it asks');
});

test('a Welcome that was on its way through the sleep is not a sample', t => {
  const rig = new NodeRig();
  t.is(sent(rig.link(), 'hello').length, 1);
  const welcome = rig.welcome();
  rig.wallStepMs += 30_000;
  const hellos = sent(rig.pass(1_000), 'hello');
  t.true(hellos.length > 0, 'it asks again');
  rig.hears(welcome); // the master wrote it before that
  t.true(rig.core.welcomed);
  t.false(rig.core.clock.known);
  t.true(sent(rig.pass(100), 'timeProbe').length > 0, 'it asks for the time');
});

test('an answer to a question from before the sleep is not a sample', t => {
  const rig = NodeRig.joined();
  const probe = sent(rig.pass(20_000), 'timeProbe').at(-1);
  t.truthy(probe);
  rig.wallStepMs += 30_000;
  const wall = rig.masterWall(0);
  const nonce = probe?.nonce ?? 0;
  rig.hears({type: 'timeReply', nonce, receivedWallMs: wall, sentWallMs: wall});
  t.false(rig.core.clock.known);
});

test('a node learns the clock again when an Assign contradicts it', t => {
  const rig = new NodeRig();
  const pull = sent(rig.join(), 'pull')[0];
  if (!pull) return t.fail('no pull');
  t.true(rig.core.clock.known);
  rig.hears(rig.assignOf(pull, 0, {wallMs: asWallMs(rig.masterWall(0) - 60_000)}));
  t.false(rig.core.clock.known);
});

test('a session that is not welcomed yet says nothing of the clock: it may be another life of the master', t => {
  const rig = NodeRig.joined();
  const [probe] = sent(rig.pass(20_000), 'timeProbe').slice(-1);
  const before = rig.core.clock.boundMs(rig.now.mono);
  t.is(sent([...rig.link(), ...rig.pass(20_000)], 'timeProbe').length, 0, 'it does not ask');
  const wall = rig.masterWall(-9_000_000);
  rig.hears({
    type: 'timeReply',
    nonce: probe?.nonce ?? 0,
    receivedWallMs: wall,
    sentWallMs: wall,
  });
  t.true(rig.core.clock.boundMs(rig.now.mono) >= before, 'nor does it listen');
  rig.hears(rig.welcome());
  t.true(sent(rig.pass(100), 'timeProbe').length > 0);
});

test('a new session with the same life of the master keeps its clock; another life begins anew', t => {
  const rig = NodeRig.joined();
  const known = rig.core.clock.boundMs(rig.now.mono);
  rig.link();
  rig.pass(3_000); // a crowded moment: the Welcome is late
  rig.hears(rig.welcome());
  t.true(rig.core.clock.boundMs(rig.now.mono) <= known + 1, 'as good as it was');
  rig.link();
  rig.pass(3_000);
  rig.hears(rig.welcome({instanceId: new Uint8Array(8).fill(9), epoch: 6}));
  t.true(rig.core.clock.boundMs(rig.now.mono) > 100, 'the way of its Hello is all that is known');
});
