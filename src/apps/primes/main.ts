// stdin "start end\n" (decimal, start ≤ n < end ≤ 10^12) → stdout the count of primes in it, "\n".
//
// What it has found so far is saved now and then, so that a long range goes on where it was.
//
// Segmented sieve of Eratosthenes over odd numbers, one byte each: a segment stays in the first level
// cache, the primes up to the square root of the end are sieved first and kept as gaps of u32.

import {fail, putNumber, rangeEnd, rangeStart, readRange, readState, saveState, write} from "../lib/wasi";

const LIMIT: u64 = 1_000_000_000_000;
/** Odd numbers in a segment: 32 KiB, the first level data cache of the smallest boards. */
const SEGMENT: u32 = 32 * 1024;
/** Odd numbers that are sieved with one aim, so that distances fit a u32. */
const BLOCK: u64 = 1 << 30;
const segment: usize = memory.data(32 * 1024);

// The odd primes up to the root of the end, 10^6 at most: there are 78,497.
let primes: usize = 0;
let primeCount: u32 = 0;
/** For each prime the index in the coming segment of its next odd multiple. */
let next: usize = 0;

/** Segments from one save to the next: some ten milliseconds on a fast machine. */
const SAVE_SEGMENTS: u64 = 64;
/** progress u16, nothing u16, nothing u32, odd numbers done u64, primes found u64. */
const state: usize = memory.data(24);

function save(done: u64, odds: u64, total: u64): void {
  store<u16>(state, <u16>(done * 1000 / odds));
  store<u64>(state, done, 8);
  store<u64>(state, total, 16);
  saveState(state, 24);
}

function root(value: u64): u32 {
  let guess = <u64>Math.sqrt(<f64>value);
  while (guess * guess > value) guess--;
  while ((guess + 1) * (guess + 1) <= value) guess++;
  return <u32>guess;
}

/** Index i stands for 2i+1. */
function findBasePrimes(limit: u32): void {
  const count = (limit + 1) / 2;
  const flags = heap.alloc(count + 1);
  memory.fill(flags, 0, count + 1);
  primes = heap.alloc((count + 1) * 4);
  for (let i: u32 = 1; i < count; i++) {
    if (load<u8>(flags + i)) continue;
    const prime: u32 = 2 * i + 1;
    store<u32>(primes + primeCount * 4, prime);
    primeCount++;
    if (<u64>prime * prime > limit) continue;
    for (let j = (prime * prime) / 2; j < count; j += prime) store<u8>(flags + j, 1);
  }
}

/** Where in the segment that begins with the odd number `low` each prime strikes first. */
function aim(low: u64): void {
  for (let i: u32 = 0; i < primeCount; i++) {
    const prime = <u64>load<u32>(primes + i * 4);
    let multiple = prime * prime;
    if (multiple < low) {
      multiple = ((low + prime - 1) / prime) * prime;
      if (multiple % 2 == 0) multiple += prime;
    }
    // What lies behind the block is all the same: it is aimed anew for the next one.
    store<u32>(next + i * 4, <u32>min<u64>((multiple - low) / 2, 2 * BLOCK));
  }
}

/** Counts the odd primes among the `count` odd numbers from `low`. */
function countSegment(count: u32): u32 {
  memory.fill(segment, 0, SEGMENT);
  for (let i: u32 = 0; i < primeCount; i++) {
    const prime = load<u32>(primes + i * 4);
    let index = load<u32>(next + i * 4);
    while (index < SEGMENT) {
      store<u8>(segment + index, 1);
      index += prime;
    }
    store<u32>(next + i * 4, index - SEGMENT);
  }
  // A byte is 0 or 1: the bits of eight bytes are the composites among them.
  for (let i = count; i < SEGMENT; i++) store<u8>(segment + i, 1);
  let composites: u32 = 0;
  for (let i: u32 = 0; i < SEGMENT; i += 8) {
    composites += <u32>popcnt<u64>(load<u64>(segment + i));
  }
  return SEGMENT - composites;
}

function countPrimes(start: u64, end: u64): u64 {
  let total: u64 = start <= 2 && end > 2 ? 1 : 0;
  const low = (start < 3 ? 3 : start) | 1;
  if (low >= end) return total;
  findBasePrimes(root(end - 1));
  next = heap.alloc(primeCount * 4 + 4);
  const odds = (end - low + 1) / 2;
  let done: u64 = 0;
  if (readState(state, 24)) {
    done = load<u64>(state, 8);
    total = load<u64>(state, 16);
    if (done >= odds || done % SEGMENT != 0) fail("what was saved is of another range");
  }
  const begun = done;
  for (; done < odds; done += SEGMENT) {
    if ((done - begun) % BLOCK == 0) aim(low + 2 * done);
    else if (done % (SAVE_SEGMENTS * SEGMENT) == 0) save(done, odds, total);
    total += countSegment(<u32>min<u64>(odds - done, SEGMENT));
  }
  return total;
}

export function _start(): void {
  readRange();
  if (rangeEnd > LIMIT) fail("the range must end at 1000000000000 or below");
  const text = memory.data(24);
  const length = putNumber(text, countPrimes(rangeStart, rangeEnd));
  store<u8>(text + length, 10);
  write(text, length + 1);
}
