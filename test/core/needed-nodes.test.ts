import test from 'ava';
import {neededOf} from '../../src/core/needed-nodes.ts';

test('all, a part of them, or a number', t => {
  t.is(neededOf('all', 120), 120);
  t.is(neededOf('95%', 120), 114);
  t.is(neededOf('95%', 7), 7, 'rounded up: 6 of 7 are fewer');
  t.is(neededOf('100%', 3), 3);
  t.is(neededOf('0%', 3), 0);
  t.is(neededOf('12', 120), 12);
  for (const text of ['', 'most', '101%', '-1', '0', '1.5', '95 %', ' 12', '1234567'])
    t.is(neededOf(text, 10), undefined, text);
});
