import test from 'ava';
import {asMonoMs} from '../../src/base/types.ts';
import {TokenBucket} from '../../src/wire/token-bucket.ts';

test('a burst of twice the rate passes, then as many as time brings', t => {
  const bucket = new TokenBucket(10);
  const taken = (at: number): number => {
    let count = 0;
    while (bucket.take(asMonoMs(at))) count += 1;
    return count;
  };
  t.is(taken(1_000), 20);
  t.is(taken(1_100), 1);
  t.is(taken(2_100), 10);
  t.is(taken(3_600_000), 20);
});
