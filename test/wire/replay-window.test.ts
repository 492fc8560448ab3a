import test from 'ava';
import fc from 'fast-check';
import {ReplayWindow} from '../../src/wire/replay-window.ts';

test('asking does not use a number up, marking does', t => {
  const window = new ReplayWindow();
  t.true(window.check(0));
  t.true(window.check(0));
  window.mark(0);
  t.false(window.check(0));
  t.true(window.marked(0));
});

test('numbers may come in any order within 1,024 of the highest', t => {
  const window = new ReplayWindow();
  window.mark(5_000);
  t.true(window.check(5_000 - 1_023));
  t.false(window.check(5_000 - 1_024));
  window.mark(5_000 - 1_023);
  t.false(window.check(5_000 - 1_023));
});

test('what is at or below the floor is history', t => {
  const window = new ReplayWindow(99);
  t.false(window.check(99));
  t.false(window.marked(99));
  t.true(window.check(100));
});

test('a window behaves as a list of all numbers seen', t => {
  const jump = fc.oneof(
    fc.integer({min: 0, max: 70}),
    fc.integer({min: 0, max: 3_000}),
    fc.integer({min: 0, max: 2 ** 40}),
  );
  const step = fc.record({jump, back: fc.boolean()});
  fc.assert(
    fc.property(fc.array(step, {maxLength: 200}), steps => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = 0;
      return steps.every(({jump: by, back}) => {
        const number = back ? Math.max(0, highest - by) : highest + by;
        const expected = !seen.has(number) && number > highest - 1_024;
        if (window.check(number) !== expected) return false;
        if (expected) window.mark(number);
        if (expected) seen.add(number);
        highest = Math.max(highest, number);
        return true;
      });
    }),
    {numRuns: 500},
  );
  t.pass();
});
