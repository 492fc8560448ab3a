import test from 'ava';
import fc from 'fast-check';
import type {MonoMs} from '../../src/base/types.ts';
import {MIB} from '../../src/base/units.ts';
import {COLLECTING_MAX, CollectPace} from '../../src/master/collect-pace.ts';

const at = (ms: number): MonoMs => ms as MonoMs;

/** Files of one size over a link; `rateOf` says how many bytes a ms come with so many nodes at once. */
function run(
  pace: CollectPace,
  files: number,
  rateOf: (nodes: number) => number,
  from = 0,
): number {
  let now = from;
  for (let i = 0; i < files; i++) {
    now += MIB / rateOf(pace.nodes);
    pace.arrived(MIB, true, at(now));
  }
  return now;
}

test('it begins with a few nodes, and with one however large its files are', t => {
  const pace = new CollectPace();
  t.is(pace.nodes, 4);
  t.true(pace.hasRoom(0, 0));
  t.true(pace.hasRoom(3, 3 * MIB));
  t.false(pace.hasRoom(4, 4 * MIB));
  t.false(pace.hasRoom(1, 900 * MIB), 'so many bytes are on their way already');
  t.true(pace.hasRoom(0, 900 * MIB));
});

test('more nodes are asked while more of them bring more', t => {
  const pace = new CollectPace();
  run(pace, 3_000, nodes => 1_000 * nodes);
  t.true(pace.nodes > 12, String(pace.nodes));
});

test('a link that is full is not filled with ever more nodes at once', t => {
  const pace = new CollectPace();
  run(pace, 5_000, () => 12.5 * 1_024);
  t.true(pace.nodes >= 4 && pace.nodes <= 6, String(pace.nodes));
});

test('fewer nodes are asked when throughput falls', t => {
  const pace = new CollectPace();
  const now = run(pace, 3_000, nodes => 1_000 * nodes);
  const before = pace.nodes;
  run(pace, 5, () => 500, now);
  t.true(pace.nodes < before, `${pace.nodes} of ${before}`);
});

test('uploads that break halve it, once for all that break together', t => {
  const pace = new CollectPace();
  for (const ms of [0, 1, 2, 900]) pace.broke(at(ms));
  t.is(pace.nodes, 2);
  for (const ms of [1_100, 2_200, 3_300, 4_400]) pace.broke(at(ms));
  t.is(pace.nodes, 1);
});

test('a rate with fewer nodes than may be asked says nothing of the link', t => {
  const pace = new CollectPace();
  for (let i = 1; i <= 100; i++) pace.arrived(MIB, false, at(i * 1_000));
  t.is(pace.nodes, 4);
});

test('whatever happens, at least one and at most so many nodes are asked', t => {
  const step = fc.tuple(fc.boolean(), fc.boolean(), fc.nat(1e9), fc.nat(5_000));
  fc.assert(
    fc.property(fc.array(step), steps => {
      const pace = new CollectPace();
      let now = 0;
      for (const [breaks, isFilled, bytes, ms] of steps) {
        now += ms;
        if (breaks) pace.broke(at(now));
        else pace.arrived(bytes, isFilled, at(now));
        if (pace.nodes < 1 || pace.nodes > COLLECTING_MAX || !pace.hasRoom(0, 0)) return false;
      }
      return true;
    }),
  );
  t.pass();
});
