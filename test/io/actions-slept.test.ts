// A process that stands still over an instant: stopped by a debugger, starved by others, frozen with its container.

import {join} from 'node:path';
import test from 'ava';
import {addMono, asCaptureId} from '../../src/base/types.ts';
import {ActionRunner} from '../../src/io/actions.ts';
import {clock, HONEST, Rig, rigOf, type ShotDone, speaking} from './action-rig.ts';

const STILL = new Int32Array(new SharedArrayBuffer(4));

test('a word that waited while the process stood still takes its shot back', async t => {
  const rig = rigOf(t, speaking(HONEST));
  await rig.shoot('x', {shot: 9});
  const now = clock.now().mono;
  for (const shot of [1, 2, 3]) rig.fire('x', {shot, fireAt: addMono(now, 50 + shot)});
  // As a packet is: read behind the timers that are due.
  setImmediate(() => setImmediate(() => setImmediate(cancel)));
  const cancel = () => {
    const captureId = asCaptureId(42);
    for (const shot of [1, 2]) rig.runner.cancel({type: 'cancelShot', captureId, shot});
  };
  Atomics.wait(STILL, 0, 0, 1_200);
  await rig.until(4);
  const [, first, second, third] = rig.ends;
  t.deepEqual([first?.shot, first?.unfired], [1, 'cancelled']);
  t.deepEqual([second?.shot, second?.unfired], [2, 'cancelled']);
  t.is(third?.failure, undefined, 'late, and it says how late');
  t.true((third?.firedAt ?? 0) - now > 1_000);
});

test('what was slept through for longer than a command lives is not fired', async t => {
  const rig = new Rig(t, () => ({}));
  let sleptMs = 0;
  const sleepy = Object.assign(Object.create(clock) as typeof clock, {
    now: () => ({...clock.now(), mono: addMono(clock.now().mono, sleptMs)}),
  });
  const ended = await new Promise<ShotDone>(resolve => {
    const spec = {argv: ['true'], persistent: false, timeoutMs: 1_000, extension: 'x'};
    const runner = new ActionRunner({
      dir: join(rig.dir, 'slept'),
      actions: new Map([['x', spec]]),
      clock: sleepy,
      tell: event => event.type === 'shotDone' && resolve(event),
      putFile: () => Promise.reject(new Error('there is no file')),
    });
    t.teardown(() => runner.close());
    const {mono, wall} = clock.now();
    const order = {captureId: asCaptureId(42), shot: 1, action: 'x', args: []};
    runner.fire({type: 'fire', ...order, fireAt: addMono(mono, 50), fireAtWall: wall});
    sleptMs = 11_000;
  });
  t.is(ended.unfired, 'missed');
  t.is(ended.firedAt, undefined);
  t.is(ended.failure, 'the node stood still until more than 10 s after the instant');
});

test('a machine that was suspended fires nothing of before', async t => {
  const rig = new Rig(t, () => ({}));
  let slept = 5_000;
  const ends: ShotDone[] = [];
  const ended = new Promise<void>(resolve => {
    const spec = {argv: ['true'], persistent: false, timeoutMs: 5_000, extension: 'x'};
    const runner = new ActionRunner({
      dir: join(rig.dir, 'suspended'),
      actions: new Map([['x', spec]]),
      clock,
      sleptMs: () => slept,
      tell: event => {
        if (event.type === 'shotDone' && ends.push(event) === 3) resolve();
      },
      putFile: () => Promise.reject(new Error('there is no file')),
    });
    t.teardown(() => runner.close());
    const {mono, wall} = clock.now();
    const fire = (shot: number, ms: number): void =>
      runner.fire({
        ...{type: 'fire', captureId: asCaptureId(42), shot, action: 'x', args: []},
        ...{fireAt: addMono(mono, ms), fireAtWall: wall},
      });
    fire(1, 100);
    fire(2, 110);
    slept += 3_600_000;
    fire(3, 120);
  });
  await ended;
  t.deepEqual(
    ends.map(({shot, unfired, failure}) => [shot, unfired, failure]),
    [
      [1, 'missed', 'this machine was suspended between the command and the instant'],
      [2, 'missed', 'this machine was suspended between the command and the instant'],
      [3, undefined, undefined],
    ],
  );
});
