import test from 'ava';
import fc from 'fast-check';
import {asMonoMs, asWallMs} from '../../src/base/types.ts';
import {ClockSync} from '../../src/core/clock-sync.ts';

const OFFSET = 1_700_000_000_000;

/** One exchange at `at`, with the ways there and back in ms, and the master's time in between. */
function sample(clock: ClockSync, at: number, there: number, back: number, inside = 0): void {
  const received = OFFSET + at + there;
  const heardAt = at + there + inside + back;
  clock.sample(asMonoMs(at), asWallMs(received), asWallMs(received + inside), asMonoMs(heardAt));
}

const errorOf = (clock: ClockSync, at: number): number =>
  Math.abs((clock.toWall(asMonoMs(at)) ?? Number.NaN) - (OFFSET + at));

test('nothing is known before the first sample', t => {
  const clock = new ClockSync();
  t.false(clock.known);
  t.is(clock.toWall(asMonoMs(5)), undefined);
  t.is(clock.toMono(asWallMs(5), asMonoMs(5)), undefined);
  t.is(clock.boundMs(asMonoMs(5)), -1);
});

test('one even exchange gives the clock, bounded by half its round trip', t => {
  const clock = new ClockSync();
  sample(clock, 1_000, 2, 2);
  t.true(clock.known);
  t.true(errorOf(clock, 1_004) < 0.001);
  t.true(Math.abs(clock.boundMs(asMonoMs(1_004)) - 2) < 0.001);
});

test("the master's own time between hearing and answering is no part of the way", t => {
  const clock = new ClockSync();
  sample(clock, 1_000, 1, 1, 50);
  t.true(Math.abs(clock.boundMs(asMonoMs(1_052)) - 1) < 0.001);
  t.true(errorOf(clock, 1_052) < 0.001);
});

test('the shortest round trip is the one in use', t => {
  const clock = new ClockSync();
  sample(clock, 1_000, 1, 9);
  sample(clock, 1_100, 0.5, 0.5);
  sample(clock, 1_200, 20, 1);
  t.true(errorOf(clock, 1_300) < 0.001);
  t.true(Math.abs(clock.boundMs(asMonoMs(1_300)) - 0.52) < 0.01);
});

test('the bound grows with time, until a newer sample is better', t => {
  const clock = new ClockSync();
  sample(clock, 0, 0.5, 0.5);
  const bounds = [1_000, 10_000, 60_000].map(at => clock.boundMs(asMonoMs(at)));
  t.true(bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? 0)));
  t.true(Math.abs((bounds[2] ?? 0) - 6.5) < 0.01);
  sample(clock, 60_000, 2, 2);
  t.true(Math.abs(clock.boundMs(asMonoMs(60_004)) - 2) < 0.01);
});

test('samples that contradict time are ignored', t => {
  const clock = new ClockSync();
  const {NaN: nan, POSITIVE_INFINITY: infinite} = Number;
  for (const [sent, received, answered, heard] of [
    [100, OFFSET, OFFSET, 99],
    [100, OFFSET + 5, OFFSET + 4, 110],
    [100, OFFSET, OFFSET + 50, 110],
    [100, nan, OFFSET, 110],
    [100, OFFSET, nan, 110],
    [100, nan, nan, 110],
    [100, infinite, infinite, 110],
    [nan, OFFSET, OFFSET, 110],
  ] as const)
    clock.sample(asMonoMs(sent), asWallMs(received), asWallMs(answered), asMonoMs(heard));
  t.false(clock.known);
});

test('old samples make room for new ones', t => {
  const clock = new ClockSync();
  for (let i = 0; i < 100; i++) sample(clock, i * 1_000, 1, 1);
  t.is(clock.sampleCount, 16);
});

test('after a reset nothing is known', t => {
  const clock = new ClockSync();
  sample(clock, 0, 1, 1);
  clock.reset();
  t.false(clock.known);
  t.is(clock.boundMs(asMonoMs(5)), -1);
});

test('there and back is the same instant', t => {
  const clock = new ClockSync();
  sample(clock, 1_000, 1, 1);
  const wall = clock.toWall(asMonoMs(5_000));
  if (wall === undefined) return t.fail();
  t.true(Math.abs((clock.toMono(wall, asMonoMs(5_000)) ?? 0) - 5_000) < 0.001);
});

test('the error never exceeds the bound, whatever the ways are like', t => {
  const way = fc.double({min: 0.01, max: 100, noNaN: true});
  fc.assert(
    fc.property(fc.array(fc.tuple(way, way, way), {minLength: 1, maxLength: 40}), ways => {
      const clock = new ClockSync();
      let at = 1_000;
      for (const [there, back, inside] of ways) {
        sample(clock, at, there, back, inside);
        at += 500;
        // 0.002: a double at today's epoch has steps of 0.00024
        t.true(errorOf(clock, at) <= clock.boundMs(asMonoMs(at)) + 0.002);
      }
    }),
  );
  t.pass();
});

test('a clock that drifts by 50 ppm stays inside the bound', t => {
  const clock = new ClockSync();
  const drift = 5e-5;
  const wallAt = (mono: number): number => OFFSET + mono * (1 + drift);
  for (let i = 0; i < 4; i++) {
    const at = i * 15_000;
    clock.sample(
      asMonoMs(at),
      asWallMs(wallAt(at + 1)),
      asWallMs(wallAt(at + 1)),
      asMonoMs(at + 2),
    );
    for (const later of [at + 3, at + 7_000, at + 14_999]) {
      const error = Math.abs((clock.toWall(asMonoMs(later)) ?? 0) - wallAt(later));
      t.true(error <= clock.boundMs(asMonoMs(later)) + 0.001);
    }
  }
});
