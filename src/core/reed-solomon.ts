// Systematic Reed-Solomon erasure code over GF(2^8): k source symbols, and parity symbols of which any k together with
// the sources make all. Symbol 0 … k-1 are the sources as they are, k … 255 parity; each is made for itself, when it
// is wanted.
//
// The matrix is a Vandermonde one (row r: r^0, r^1, …) times the inverse of its upper square, as in Backblaze's
// JavaReedSolomon and klauspost/reedsolomon, whose published vectors are in the tests. Any k rows of it are
// independent: I. S. Reed, G. Solomon, Polynomial Codes over Certain Finite Fields (1960); J. S. Plank, Note:
// Correction to the 1997 Tutorial on Reed-Solomon Coding (2005).

import {assert} from '../base/assert.ts';
import {SYMBOLS_PER_BLOCK_MAX} from '../wire/limits.ts';
import {addMultiple, invert, power} from './galois.ts';

/** Symbols of a block, with parity: one for each element of the field. */
export const SYMBOLS_MAX = 256;

/** Parity rows of one k. They depend on nothing else. */
class Code {
  readonly k: number;
  readonly #top: readonly Uint8Array[];
  readonly #rows: (Uint8Array | undefined)[] = [];

  constructor(k: number) {
    this.k = k;
    const square = Array.from({length: k}, (_, r) => vandermonde(r, k));
    const top = invert(square);
    assert(top !== undefined, `a Vandermonde matrix of ${k} has an inverse`);
    this.#top = top;
  }

  /** What symbol `no` ≥ k is made of: a factor for each source. */
  row(no: number): Uint8Array {
    const known = this.#rows[no];
    if (known !== undefined) return known;
    const row = new Uint8Array(this.k);
    for (const [i, factor] of vandermonde(no, this.k).entries())
      addMultiple(row, factor, this.#top[i] ?? row);
    this.#rows[no] = row;
    return row;
  }
}

const vandermonde = (r: number, k: number): Uint8Array =>
  Uint8Array.from({length: k}, (_, column) => power(r, column));

const codes = new Map<number, Code>();

function codeOf(k: number): Code {
  assert(k >= 1 && k <= SYMBOLS_PER_BLOCK_MAX, `a block of ${k} symbols`);
  const code = codes.get(k) ?? new Code(k);
  codes.set(k, code);
  return code;
}

/**
 * Symbol `no` (k … 255) of a block.
 *
 * @param sources the k source symbols, of equal length
 */
export function paritySymbol(sources: readonly Uint8Array[], no: number): Uint8Array {
  assert(no >= sources.length && no < SYMBOLS_MAX, `symbol ${no} of ${sources.length}`);
  const parity = new Uint8Array(sources[0]?.length ?? 0);
  const row = codeOf(sources.length).row(no);
  for (const [i, source] of sources.entries()) addMultiple(parity, row[i] ?? 0, source);
  return parity;
}

/** A symbol that came, and its number. */
export type CameSymbol = {readonly no: number; readonly bytes: Uint8Array};

/**
 * The sources that are missing, from the others and from as many parity symbols.
 *
 * @param sources k places; undefined = missing
 * @param parity other symbols that came, of different numbers k … 255; those beyond what is missing are not used
 * @returns the k sources, or undefined when too few came
 */
export function recoverSources(
  sources: readonly (Uint8Array | undefined)[],
  parity: readonly CameSymbol[],
): Uint8Array[] | undefined {
  const lost = sources.flatMap((source, i) => (source === undefined ? [i] : []));
  if (lost.length > parity.length) return undefined;
  const used = parity.slice(0, lost.length);
  const solved = solve(sources, lost, used);
  return sources.map((source, i) => source ?? (solved[lost.indexOf(i)] as Uint8Array));
}

/**
 * What each parity symbol says beyond the sources that are there is a sum over the lost ones alone: as many equations
 * as unknowns, so that the matrix to invert has the size of what is lost and not of k.
 */
function solve(
  sources: readonly (Uint8Array | undefined)[],
  lost: readonly number[],
  used: readonly CameSymbol[],
): Uint8Array[] {
  if (lost.length === 0) return [];
  const code = codeOf(sources.length);
  const sums = used.map(({no, bytes}) => {
    const sum = bytes.slice();
    const row = code.row(no);
    for (const [i, source] of sources.entries())
      if (source !== undefined) addMultiple(sum, row[i] ?? 0, source);
    return sum;
  });
  const factors = used.map(({no}) => Uint8Array.from(lost, i => code.row(no)[i] ?? 0));
  const inverted = invert(factors);
  assert(inverted !== undefined, 'any k symbols of different numbers are independent');
  return inverted.map(row => {
    const source = new Uint8Array(sums[0]?.length ?? 0);
    for (const [i, sum] of sums.entries()) addMultiple(source, row[i] ?? 0, sum);
    return source;
  });
}
