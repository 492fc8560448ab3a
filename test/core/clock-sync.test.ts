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
  t.true(Math.abs(clock.boundMs(asMonoMs(1_004)) - 2) < 0.003);
});

test("the master's own time between hearing and answering is no part of the way", t => {
  const clock = new ClockSync();
  sample(clock, 1_000, 1, 1, 50);
  t.true(Math.abs(clock.boundMs(asMonoMs(1_052)) - 1) < 0.02);
  t.true(errorOf(clock, 1_052) < 0.001);
});

test('the shortest round trip is the one in use', t => {
  const clock = new ClockSync();
  sample(clock, 1_000, 1, 9);
  sample(clock, 1_100, 0.5, 0.5);
  sample(clock, 1_200, 20, 1);
  t.true(errorOf(clock, 1_300) < 0.001);
  t.true(Math.abs(clock.boundMs(asMonoMs(1_300)) - 0.54) < 0.01);
});

test('the bound grows with time by what two crystals may differ, until a newer sample is better', t => {
  const clock = new ClockSync();
  sample(clock, 0, 0.5, 0.5);
  const bounds = [1_000, 10_000, 60_000].map(at => clock.boundMs(asMonoMs(at)));
  t.true(bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? 0)));
  t.true(Math.abs((bounds[2] ?? 0) - 12.86) < 0.01, '200 ppm of a minute, and a rate that changes');
  sample(clock, 60_000, 2, 2);
  t.true(Math.abs(clock.boundMs(asMonoMs(60_004)) - 2) < 0.01);
});

test('samples far apart in time bound the rate, and so what the clock loses until the next', t => {
  const clock = new ClockSync();
  const [rate, way] = [8e-5, 0.1];
  const wallAt = (mono: number) => asWallMs(OFFSET + mono * (1 + rate));
  for (let at = 0; at <= 60_000; at += 5_000) {
    const there = wallAt(at + way);
    clock.sample(asMonoMs(at), there, there, asMonoMs(at + 2 * way));
  }
  const found = clock.rate();
  if (!found) return t.fail();
  t.true(Math.abs(found.mid - rate) <= found.bound);
  t.true(found.bound < 1e-5, `${found.bound} is a twentieth of what is possible at first`);
  t.true(clock.boundMs(asMonoMs(70_000)) < 0.25, 'ten seconds later; 2.1 ms without the rate');
  t.true(Math.abs((clock.toWall(asMonoMs(70_000)) ?? 0) - wallAt(70_000)) < 0.1);
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

test('old samples make room for new ones, and long ways for short ones', t => {
  const clock = new ClockSync();
  for (let i = 0; i < 10; i++) sample(clock, i * 1_000, 0.1, 0.1);
  for (let i = 10; i < 100; i++) sample(clock, i * 100, 50, 50);
  t.is(clock.sampleCount, 32);
  t.true(clock.boundMs(asMonoMs(10_000)) < 0.2, 'a busy second does not push out the quiet ones');
  for (let i = 1; i < 100; i++) sample(clock, 10_000 + i * 15_000, 1, 1);
  t.is(clock.sampleCount, 32);
});

test('a clock that jumped is learnt anew from the first sample after it', t => {
  for (const jumpMs of [-60_000, -1.5, 1.5, 3_600_000]) {
    const clock = new ClockSync();
    for (let i = 0; i < 20; i++) sample(clock, i * 1_000, 0.2, 0.3);
    const received = OFFSET + 20_000 + 0.2 + jumpMs;
    clock.sample(asMonoMs(20_000), asWallMs(received), asWallMs(received), asMonoMs(20_000.5));
    t.is(clock.sampleCount, 1);
    const error = Math.abs((clock.toWall(asMonoMs(20_001)) ?? 0) - (OFFSET + 20_001 + jumpMs));
    t.true(error <= clock.boundMs(asMonoMs(20_001)));
  }
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

/** Milliseconds that the master's clock has gained on ours: a rate that swings as fast as it may. */
type Crystal = {readonly rate: number; readonly swing: number; readonly periodMs: number};

function gainedMs({rate, swing, periodMs}: Crystal, mono: number): number {
  const turn = (2 * Math.PI) / periodMs;
  return mono * rate + (swing * (1 - Math.cos(mono * turn))) / turn;
}

const crystals: fc.Arbitrary<Crystal> = fc
  .record({
    ppm: fc.double({min: -180, max: 180, noNaN: true}),
    part: fc.double({min: 0, max: 1, noNaN: true}),
    periodMs: fc.double({min: 5_000, max: 3_600_000, noNaN: true}),
  })
  .map(({ppm, part, periodMs}) => {
    // The fastest change of a swing is 2π/period of it: 0.2 ppm a second at most, and 20 ppm in all.
    const swing = Math.min(2e-5, (part * 2e-10 * periodMs) / (2 * Math.PI));
    return {rate: ppm / 1e6, swing, periodMs};
  });

/** Mostly quick, as on a LAN; some stand in a queue for long, one way or both. */
const way = fc.oneof(
  {weight: 4, arbitrary: fc.double({min: 0.02, max: 0.3, noNaN: true})},
  {weight: 1, arbitrary: fc.double({min: 0.3, max: 200, noNaN: true})},
);
const exchange = fc.record({
  there: way,
  back: way,
  inside: fc.double({min: 0, max: 5, noNaN: true}),
  restMs: fc.oneof(fc.constant(25), fc.double({min: 0, max: 30_000, noNaN: true})),
});

test('the true time is inside the bound: any ways, loads, drifts up to 100 ppm a side', t => {
  fc.assert(
    fc.property(
      crystals,
      fc.array(exchange, {minLength: 1, maxLength: 60}),
      fc.double({min: 0, max: 1e7, noNaN: true}),
      (crystal, exchanges, start) => {
        const clock = new ClockSync();
        const wallAt = (mono: number) => asWallMs(OFFSET + mono + gainedMs(crystal, mono));
        let at = start;
        for (const {there, back, inside, restMs} of exchanges) {
          const [received, heardAt] = [at + there, at + there + inside + back];
          const sent = received + inside;
          clock.sample(asMonoMs(at), wallAt(received), wallAt(sent), asMonoMs(heardAt));
          const next = heardAt + restMs;
          for (const then of [at, heardAt, heardAt + restMs / 2, next]) {
            const error = Math.abs((clock.toWall(asMonoMs(then)) ?? 0) - wallAt(then));
            if (error > clock.boundMs(asMonoMs(then))) return false;
          }
          at = next;
        }
        const back = clock.toMono(wallAt(at + 500), asMonoMs(at));
        return Math.abs((back ?? 0) - (at + 500)) <= clock.boundMs(asMonoMs(at + 500)) * 1.001;
      },
    ),
  );
  t.pass();
});
