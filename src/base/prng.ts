// xoshiro128** (Blackman and Vigna, 2018, public domain reference), seeded by splitmix32: integers
// only, so that a seed gives the same dice on every CPU and every version of Node. For jitter, picks
// and simulation; never for keys.

export class Prng {
  readonly #s = new Uint32Array(4);

  /** @param seed any number; its 32-bit halves count */
  constructor(seed: number) {
    let state = (Math.floor(seed) ^ Math.floor(seed / 2 ** 32)) >>> 0;
    for (let i = 0; i < 4; i++) {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#s[i] = z ^ (z >>> 15);
    }
  }

  /** Integer 0 … 2^32-1. */
  uint32(): number {
    const s = this.#s as unknown as [number, number, number, number];
    const times5 = Math.imul(s[1], 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Fraction 0 ≤ x < 1, in steps of 2^-32. */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** Integer 0 … limit-1; `limit` ≥ 1. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** true with the given probability 0 … 1. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** A fraction of `ms` from `low` to `high` times: `jitter(1000)` is 800 … 1,200. */
  jitter(ms: number, low = 0.8, high = 1.2): number {
    return ms * (low + (high - low) * this.fraction());
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('pick from an empty list');
    return item;
  }

  /** A new generator whose stream does not depend on how much this one is used afterwards. */
  fork(): Prng {
    return new Prng(this.uint32());
  }
}
