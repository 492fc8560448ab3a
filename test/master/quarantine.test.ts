import test from 'ava';
import {DAY_MS, MINUTE_MS} from '../../src/base/units.ts';
import {
  type Conduct,
  DISAGREED_MAX,
  ERRED_MAX,
  FREE,
  judge,
  type Outcome,
  standingOf,
} from '../../src/master/quarantine.ts';

const after = (start: Conduct, outcomes: readonly Outcome[], now = 1_000): Conduct =>
  outcomes.reduce((conduct, outcome) => judge(conduct, outcome, now), start);
const times = (count: number, outcome: Outcome): Outcome[] =>
  Array.from({length: count}, () => outcome);

test('three wrong results in a row end in quarantine, two and an agreement do not', t => {
  const wrong = after(FREE, times(DISAGREED_MAX, 'disagreed'));
  t.is(standingOf(wrong, 1_000), 'benched');
  t.regex(wrong.reason, /3 results in a row that others contradict/);
  const two: Outcome[] = ['disagreed', 'disagreed', 'agreed'];
  t.is(standingOf(after(FREE, [...two, ...two, ...two]), 1_000), 'free');
});

test('eight errors in a row end in quarantine, seven and an agreement do not', t => {
  t.is(standingOf(after(FREE, times(ERRED_MAX, 'erred')), 1_000), 'benched');
  const seven: Outcome[] = [...times(ERRED_MAX - 1, 'erred'), 'agreed'];
  t.is(standingOf(after(FREE, [...seven, ...seven]), 1_000), 'free');
});

test('errors between wrong results do not forgive them', t => {
  const mixed: Outcome[] = ['disagreed', 'erred', 'disagreed', 'erred', 'disagreed'];
  t.is(standingOf(after(FREE, mixed), 1_000), 'benched');
});

test('after ten minutes it is on probation, and one agreement frees it', t => {
  const benched = after(FREE, times(3, 'disagreed'));
  t.is(benched.until, 1_000 + 10 * MINUTE_MS);
  t.is(standingOf(benched, benched.until - 1), 'benched');
  t.is(standingOf(benched, benched.until), 'probation');
  t.is(standingOf(after(benched, ['agreed'], benched.until), benched.until), 'free');
});

test('on probation the first wrong result or error is one too many, and each bench is longer', t => {
  let conduct = after(FREE, times(3, 'disagreed'));
  const lengths: number[] = [];
  for (let i = 0; i < 12; i++) {
    lengths.push(conduct.until - conduct.since);
    conduct = judge(conduct, i % 2 === 0 ? 'disagreed' : 'erred', conduct.until);
    t.regex(conduct.reason, /again on probation/);
  }
  t.deepEqual(
    lengths.slice(0, 4).map(ms => ms / MINUTE_MS),
    [10, 20, 40, 80],
  );
  t.is(Math.max(...lengths), DAY_MS);
});

test('results of work that it had before it was benched change nothing', t => {
  const benched = after(FREE, times(3, 'disagreed'));
  t.is(after(benched, ['agreed', 'disagreed', 'erred'], 2_000), benched);
});

test('who was freed and fails again is benched for longer, until 64 in a row agree', t => {
  const first = after(FREE, times(3, 'disagreed'));
  const freed = after(first, ['agreed'], first.until);
  const again = after(freed, times(3, 'disagreed'), first.until);
  t.is(again.until - again.since, 20 * MINUTE_MS);
  const trusted = after(freed, times(63, 'agreed'), first.until);
  t.is(trusted, FREE);
});
