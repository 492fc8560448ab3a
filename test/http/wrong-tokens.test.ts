import test from 'ava';
import {WrongTokens} from '../../src/http/wrong-tokens.ts';

test('the wait ends with the minute that the first wrong token began', t => {
  const wrong = new WrongTokens();
  for (let i = 0; i < 5; i++) t.is(wrong.note('a', i * 1_000), 0);
  t.is(wrong.note('a', 5_000), 55);
  t.is(wrong.note('a', 59_999), 1);
  t.is(wrong.note('a', 60_000), 0);
});

test('a clock that is set back begins a new count', t => {
  const wrong = new WrongTokens();
  for (let i = 0; i < 9; i++) wrong.note('a', 1e12);
  t.is(wrong.note('a', 1e12 - 86_400_000), 0);
});

test('of many addresses the oldest is forgotten, so that memory has a bound', t => {
  const wrong = new WrongTokens();
  for (let i = 0; i < 6; i++) wrong.note('first', 0);
  t.true(wrong.note('first', 0) > 0);
  for (let i = 0; i < 1_024; i++) wrong.note(`other${i}`, 1);
  t.is(wrong.note('first', 2), 0);
});
