import test from 'ava';
import {Quota} from '../../src/base/quota.ts';

const OPTIONS = {periodMs: 1_000, perKind: 5, perSource: 2, sourcesMax: 8};
const taken = (quota: Quota, kind: string, source: string, now: number, times: number): number =>
  Array.from({length: times}, () => quota.take(kind, source, now)).filter(Boolean).length;

test('one source gets its part, and leaves the others theirs', t => {
  const quota = new Quota(OPTIONS);
  t.is(taken(quota, 'a', 'loud', 0, 100), 2);
  t.is(taken(quota, 'a', 'quiet', 0, 1), 1);
  t.is(quota.suppressed('a'), 98);
  t.is(quota.suppressed('a'), 0);
});

test('all sources together get what a kind may have, and another kind is not touched', t => {
  const quota = new Quota(OPTIONS);
  let lines = 0;
  for (let i = 0; i < 100; i++) lines += taken(quota, 'a', `source ${i}`, 0, 1);
  t.is(lines, 5);
  t.is(taken(quota, 'b', 'source 1', 0, 1), 1);
  t.is(quota.suppressed('unheard'), 0);
});

test('after the period everybody has room again, and what was left out is still known', t => {
  const quota = new Quota(OPTIONS);
  t.is(taken(quota, 'a', 's', 0, 10), 2);
  t.is(taken(quota, 'a', 's', 999, 1), 0);
  t.is(taken(quota, 'a', 's', 1_000, 1), 1);
  t.is(quota.suppressed('a'), 9);
});

test('a million sources take no more memory than the table has', t => {
  const quota = new Quota(OPTIONS);
  for (let i = 0; i < 1_000_000; i++) quota.take('a', String(i), i / 1_000);
  t.true(quota.sources <= OPTIONS.sourcesMax);
});
