import test from 'ava';
import {burstOf, timesOf} from '../../src/cli/capture-times.ts';
import {Given} from '../../src/cli/command.ts';

const given = (flags: Record<string, string>) =>
  new Given([], new Map(Object.entries(flags).map(([flag, text]) => [flag, [text]])));

test('a capture is one shot; shots are a second apart', t => {
  t.deepEqual(timesOf(given({})), {shots: 1, intervalMs: 1_000});
  t.deepEqual(timesOf(given({shots: '3', every: '500ms'})), {shots: 3, intervalMs: 500});
});

test('a burst makes several shots of each', t => {
  t.deepEqual(timesOf(given({shots: '3', every: '10s', burst: '5@40ms'})), {
    ...{shots: 15, intervalMs: 10_000},
    ...{burst: 5, burstMs: 40},
  });
  t.deepEqual(burstOf('1@1s'), {burst: 1, burstMs: 1_000});
});

test('what is no burst is refused with an example', t => {
  for (const text of ['', '5', '5@', '@40ms', '0@40ms', '5@40', '-5@40ms', '1001@1ms', '5@-40ms'])
    t.throws(() => burstOf(text), {code: 'VOLLEY_USAGE', message: /such as 5@40ms/}, text);
});

test('bursts count for the most shots that a capture may have', t => {
  const error = t.throws(() => timesOf(given({shots: '101', burst: '10@40ms'})));
  t.is(error?.message, '101 bursts of 10 are 1010 shots; a capture has at most 1000');
});
