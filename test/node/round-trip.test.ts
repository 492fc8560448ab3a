import test from 'ava';
import {longerWait, RoundTrip} from '../../src/node/round-trip.ts';

test('nothing is known before the first answer: the longest wait', t => {
  t.is(new RoundTrip(250).waitMs, 250);
});

test('a master that is quick is asked again soon, but not at once', t => {
  const roundTrip = new RoundTrip(250);
  roundTrip.answered(2);
  t.is(roundTrip.waitMs, 40);
});

test('one answer out of many that was not lost on the way tells the way', t => {
  const roundTrip = new RoundTrip(250);
  for (const ms of [400, 15, 700, 380]) roundTrip.answered(ms);
  t.is(roundTrip.waitMs, 60);
});

test('a master that is slow every time is not asked twice for it', t => {
  const roundTrip = new RoundTrip(250);
  roundTrip.answered(5);
  for (let i = 0; i < 16; i++) roundTrip.answered(200 + i);
  t.is(roundTrip.waitMs, 250);
});

test('waits grow up to a bound, and are never cut by a lower one', t => {
  let waitMs = 40;
  for (let i = 0; i < 50; i++) {
    const longer = longerWait(waitMs, 1_000);
    t.true(longer > waitMs || longer === 1_000);
    waitMs = longer;
  }
  t.is(waitMs, 1_000);
  t.is(longerWait(2_000, 1_000), 2_000);
});
