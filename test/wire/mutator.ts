// Changes bytes the way that finds bugs in decoders: flips, boundary values, lengths that lie, pieces of one
// message in another. Everything comes from one seed, which a failing test prints.

import {Prng} from '../../src/base/prng.ts';
import {freshBase} from '../sim/seeds.ts';

const BOUNDARIES = [0, 1, 0x0f, 0x10, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff];
/** Varints that are as large as they can be, and larger. */
const VARINTS = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
];
const BYTES_MAX = 1_500;

/** VOLLEY_FUZZ_SEED, or another one for each commit. */
export function fuzzSeed(): number {
  const given = Number(process.env['VOLLEY_FUZZ_SEED'] ?? Number.NaN);
  return Number.isInteger(given) ? given : freshBase();
}

export class Mutator {
  readonly prng: Prng;
  readonly #corpus: readonly Uint8Array[];

  constructor(seed: number, corpus: readonly Uint8Array[]) {
    this.prng = new Prng(seed);
    this.#corpus = corpus;
  }

  /** One of the corpus, as it is. */
  pick(): Uint8Array {
    return this.prng.pick(this.#corpus);
  }

  /** One of the corpus with one to four changes; one in sixteen is dice alone. */
  next(): Uint8Array {
    if (this.prng.chance(1 / 16)) return this.#dice(this.prng.below(200));
    let bytes = this.pick();
    for (let changes = 1 + this.prng.below(4); changes > 0; changes--) bytes = this.#changed(bytes);
    return bytes.length > BYTES_MAX ? bytes.subarray(0, BYTES_MAX) : bytes;
  }

  #dice(length: number): Uint8Array {
    return Uint8Array.from({length}, () => this.prng.below(256));
  }

  #changed(bytes: Uint8Array): Uint8Array {
    const {prng} = this;
    const at = bytes.length === 0 ? 0 : prng.below(bytes.length);
    const rest = bytes.length - at;
    switch (prng.below(8)) {
      case 0:
        return replaced(bytes, at, [(bytes[at] ?? 0) ^ (1 << prng.below(8))]);
      case 1:
        return replaced(bytes, at, [prng.pick(BOUNDARIES)]);
      case 2:
        return bytes.slice(0, at);
      case 3:
        return joined(bytes, this.#dice(1 + prng.below(32)));
      case 4:
        return joined(
          bytes.subarray(0, at),
          bytes.subarray(at, at + prng.below(rest + 1)),
          bytes.subarray(at),
        );
      case 5:
        return joined(bytes.subarray(0, at), this.#piece());
      case 6:
        return joined(
          bytes.subarray(0, at),
          Uint8Array.from(prng.pick(VARINTS)),
          bytes.subarray(at),
        );
      default:
        return joined(bytes.subarray(0, at), bytes.subarray(at + prng.below(rest + 1)));
    }
  }

  #piece(): Uint8Array {
    const other = this.pick();
    return other.subarray(other.length === 0 ? 0 : this.prng.below(other.length));
  }
}

function replaced(bytes: Uint8Array, at: number, by: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  if (at < copy.length) copy.set(by, at);
  return copy;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
