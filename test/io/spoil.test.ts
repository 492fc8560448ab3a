// Outputs that are wrong on purpose.

import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {spoiler} from '../../src/io/spoil.ts';

test('what is spoiled has the same length and other bytes; of nothing comes something', t => {
  const spoil = spoiler(1, new Prng(1));
  const output = Uint8Array.of(1, 2, 3);
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const wrong = spoil(output);
    t.is(wrong.length, 3);
    t.notDeepEqual(wrong, Uint8Array.of(1, 2, 3));
    seen.add(wrong.join());
  }
  t.true(seen.size > 10, 'each lie is another one');
  t.deepEqual(output, Uint8Array.of(1, 2, 3), 'what it was given stays');
  t.is(spoil(new Uint8Array()).length, 1);
});

test('as many are spoiled as was said, and none at 0', t => {
  const output = Uint8Array.of(7);
  const of = (share: number): number => {
    const spoil = spoiler(share, new Prng(5));
    return Array.from({length: 10_000}, () => spoil(output)).filter(each => each !== output).length;
  };
  t.is(of(0), 0);
  t.is(of(1), 10_000);
  t.true(Math.abs(of(0.1) - 1_000) < 100);
});
