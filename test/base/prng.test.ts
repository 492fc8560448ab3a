import test from 'ava';
import {Prng} from '../../src/base/prng.ts';

// xoshiro128** and splitmix32 once more, written from the papers with BigInt: slow and plain.
function reference(seed: number, count: number): number[] {
  const M = 0xffffffffn;
  const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & M;
  let state = BigInt(seed);
  const s: bigint[] = [];
  for (let i = 0; i < 4; i++) {
    state = (state + 0x9e3779b9n) & M;
    let z = state;
    z = ((z ^ (z >> 16n)) * 0x21f0aaadn) & M;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & M;
    s.push(z ^ (z >> 15n));
  }
  const out: number[] = [];
  let [a = 0n, b = 0n, c = 0n, d = 0n] = s;
  for (let i = 0; i < count; i++) {
    out.push(Number((rotl((b * 5n) & M, 7n) * 9n) & M));
    const shifted = (b << 9n) & M;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotl(d, 11n);
  }
  return out;
}

test('the dice are xoshiro128** seeded by splitmix32', t => {
  for (const seed of [0, 1, 42, 2 ** 32 - 1]) {
    const prng = new Prng(seed);
    t.deepEqual(
      Array.from({length: 200}, () => prng.uint32()),
      reference(seed, 200),
    );
  }
});

test('dice of a seed are known for ever: failures are quoted by seed', t => {
  const prng = new Prng(1);
  t.deepEqual([prng.uint32(), prng.uint32(), prng.uint32()], reference(1, 3));
  const big = new Prng(2 ** 40 + 7);
  t.deepEqual([big.uint32()], reference((2 ** 8) ^ 7, 1), 'both halves of a large seed count');
});

test('fractions are spread evenly', t => {
  const prng = new Prng(7);
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const x = prng.fraction();
    t.true(x >= 0 && x < 1);
    const bin = Math.floor(x * 10);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const chi = bins.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
  t.true(chi < 30, `chi squared ${chi}`); // 9 degrees of freedom: above 30 in 1 of 2,000
});

test('below, jitter, chance and pick stay in their ranges and reach the ends', t => {
  const prng = new Prng(3);
  const seen = new Set<number>();
  for (let i = 0; i < 1_000; i++) seen.add(prng.below(6));
  t.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
  for (let i = 0; i < 1_000; i++) {
    const jittered = prng.jitter(1_000);
    t.true(jittered >= 800 && jittered < 1_200);
  }
  t.is(prng.below(1), 0);
  t.false(prng.chance(0));
  t.true(prng.chance(1));
  const hits = Array.from({length: 10_000}, () => prng.chance(0.3)).filter(Boolean).length;
  t.true(hits > 2_800 && hits < 3_200);
  t.true(['a', 'b'].includes(prng.pick(['a', 'b'])));
  t.throws(() => prng.pick([]), {instanceOf: RangeError});
});

test('a fork does not depend on what its parent does afterwards', t => {
  const [a, b] = [new Prng(5), new Prng(5)];
  const [forkA, forkB] = [a.fork(), b.fork()];
  for (let i = 0; i < 10; i++) a.uint32();
  t.deepEqual(
    Array.from({length: 5}, () => forkA.uint32()),
    Array.from({length: 5}, () => forkB.uint32()),
  );
  t.not(forkA.uint32(), a.uint32());
});
