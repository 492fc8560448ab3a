import test from 'ava';
import {asMonoMs} from '../../src/base/types.ts';
import {BulkRate, WIRE_OVERHEAD_BYTES} from '../../src/core/bulk-rate.ts';

const DATAGRAM = 1_428;
const BITS = (DATAGRAM + WIRE_OVERHEAD_BYTES) * 8;
const at = asMonoMs;

const rateOf = (first: number, most = first): BulkRate =>
  new BulkRate({first, most, datagramBytes: DATAGRAM});

/** Datagrams that leave when it is asked at these times. */
function sent(rate: BulkRate, times: Iterable<number>): number {
  let count = 0;
  for (const time of times) count += rate.take(1_000, at(time));
  return count;
}

function* everyMs(ms: number, until: number): Generator<number> {
  for (let time = 0; time <= until; time += ms) yield time;
}

test('100 Mbit/s of the wire are 8,367 datagrams of 1,428 bytes a second', t => {
  const count = sent(rateOf(100e6), everyMs(1, 1_000));
  t.true(Math.abs(count - 100e6 / BITS) <= 1, `${count}`);
});

test('a timer that comes late is not made up for in one burst', t => {
  const rate = rateOf(100e6);
  rate.take(1, at(0));
  t.is(rate.take(1_000, at(50)), 16);
  // At a gigabit a burst of 16 would be too few for a timer of a millisecond.
  const fast = rateOf(1e9);
  fast.take(1, at(0));
  t.true(fast.take(1_000, at(50)) > 100);
});

test('it says when the next datagram may leave', t => {
  const rate = rateOf(BITS * 100);
  rate.take(1, at(0));
  t.is(rate.take(1, at(5)), 0);
  t.is(rate.readyAt(at(5)), at(10));
  t.is(rate.take(1, at(10)), 1);
});

let clock = 0;

/** From one poll to the next as much is sent as may leave; then this loss is told. */
function poll(rate: BulkRate, loss: number): void {
  for (let ms = 0; ms < 100; ms++) rate.take(1_000, at(clock++));
  rate.delivered(loss, at(clock));
}

/** Two polls with this loss: what was sent before the change is told of, and what was sent after it. */
function polls(rate: BulkRate, ...losses: number[]): number {
  for (const loss of losses) poll(rate, loss);
  return rate.bitsPerSecond;
}

test('a loss that going slower does not heal leaves the rate where it was', t => {
  const rate = rateOf(100e6);
  const before = polls(rate, 0.05);
  t.true(before < 100e6, 'it is tried');
  t.is(polls(rate, 0.05, 0.05), 100e6);
  // From now on it is known for what it is.
  for (let i = 0; i < 20; i++) t.is(polls(rate, 0.05), 100e6);
});

test('a link that is slower than it was said is found, and kept to', t => {
  const link = 40e6;
  const rate = rateOf(100e6);
  let lost = 0;
  for (let i = 0; i < 60; i++) {
    const loss = Math.max(0, 1 - link / rate.bitsPerSecond);
    lost += loss;
    poll(rate, loss);
  }
  t.true(
    rate.bitsPerSecond > 0.9 * link && rate.bitsPerSecond < 1.1 * link,
    `${rate.bitsPerSecond}`,
  );
  t.true(lost < 4, `${lost}`);
});

test('the same where every twentieth datagram is lost anyway', t => {
  const link = 40e6;
  const rate = rateOf(100e6);
  for (let i = 0; i < 80; i++) poll(rate, 1 - 0.95 * Math.min(1, link / rate.bitsPerSecond));
  t.true(
    rate.bitsPerSecond > 0.8 * link && rate.bitsPerSecond < 1.2 * link,
    `${rate.bitsPerSecond}`,
  );
});

test('where nothing is lost it grows up to what is allowed', t => {
  const rate = rateOf(100e6, 400e6);
  for (let i = 0; i < 40; i++) poll(rate, 0);
  t.is(rate.bitsPerSecond, 400e6);
});

test('it never comes to a standstill', t => {
  const rate = rateOf(100e6);
  for (let i = 0; i < 200; i++) poll(rate, i % 2 === 0 ? 0.9 : 0.1);
  t.true(rate.bitsPerSecond >= 10e6);
});

test('a node without memory halves it for half a second', t => {
  const rate = rateOf(BITS * 1_000);
  rate.slow(at(0));
  t.is(rate.packetsPerSecond(at(100)), 500);
  t.is(rate.packetsPerSecond(at(500)), 1_000);
});

test('who cannot send as fast as it may learns nothing about a faster rate', t => {
  const rate = rateOf(100e6, 400e6);
  for (let i = 0; i < 40; i++) {
    // A processor that comes late to it: each burst is all that leaves.
    for (let ms = 0; ms < 100; ms += 5) {
      clock += 5;
      rate.take(1_000, at(clock));
    }
    rate.delivered(0, at(clock));
  }
  t.is(rate.bitsPerSecond, 100e6);
  for (let i = 0; i < 2; i++) poll(rate, 0);
  t.true(rate.bitsPerSecond > 100e6, 'now it can');
});
