import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {measureSpeed, speedOf} from '../../src/io/benchmark.ts';

const DAY = 86_400_000;

test('the speed is measured once, kept, and measured anew after a month or when it is damaged', t => {
  const dir = mkdtempSync(join(tmpdir(), 'volley-speed-'));
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  let measured = 0;
  const at = (wall: number) => speedOf(dir, wall, () => 1_000 + ++measured);
  t.is(at(100 * DAY), 1_001);
  t.is(at(129 * DAY), 1_001);
  t.is(at(131 * DAY), 1_002);
  t.is(at(10 * DAY), 1_003, 'the clock was set back');
  writeFileSync(join(dir, 'benchmark.json'), '{"machine":', {mode: 0o600});
  t.is(at(10 * DAY), 1_004);
});

test('this machine has a speed, found in half a second at most of its own time', t => {
  let now = 0;
  const slow = measureSpeed(() => {
    now += 10;
    return now;
  });
  t.is(slow, 2_000, '20,000 rounds in 10 ms');
  const speed = measureSpeed(() => performance.now());
  t.true(Number.isInteger(speed) && speed > 0);
  t.log(`${speed} rounds a millisecond`);
});
