// GF(2^8), the field of bytes, with x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and generator 2: the one of QR codes, RAID 6
// and of the erasure codes that this one can be compared with. Addition is XOR; products come from tables.

import {assert} from '../base/assert.ts';

const POLYNOMIAL = 0x11d;
const ORDER = 255;

/** `EXP[i]` = 2^i, twice round, so that sums of two logarithms need no remainder. */
const EXP = new Uint8Array(2 * ORDER);
const LOG = new Uint8Array(256);
for (let i = 0, power = 1; i < ORDER; i++) {
  EXP[i] = power;
  EXP[i + ORDER] = power;
  LOG[power] = i;
  power = power & 0x80 ? (power << 1) ^ POLYNOMIAL : power << 1;
}

export const multiply = (a: number, b: number): number =>
  a === 0 || b === 0 ? 0 : (EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0);

/** 1/a. There is none of 0. */
export function inverse(a: number): number {
  assert(a !== 0, 'the inverse of 0');
  return EXP[ORDER - (LOG[a] ?? 0)] ?? 0;
}

/** a to the n; 0 to the 0 is 1. */
export function power(a: number, n: number): number {
  if (n === 0) return 1;
  return a === 0 ? 0 : (EXP[((LOG[a] ?? 0) * n) % ORDER] ?? 0);
}

/** Products with one factor each: a row of 256 is made when it is first wanted. 64 KiB in all. */
const ROWS: (Uint8Array | undefined)[] = new Array(256);

function rowOf(factor: number): Uint8Array {
  const known = ROWS[factor];
  if (known !== undefined) return known;
  const row = new Uint8Array(256);
  for (let i = 0; i < 256; i++) row[i] = multiply(factor, i);
  ROWS[factor] = row;
  return row;
}

/**
 * `into[i] ^= factor * from[i]` for as many bytes as `into` has: the work of all coding, about a nanosecond a byte.
 * `from` is no shorter than `into`.
 */
export function addMultiple(into: Uint8Array, factor: number, from: Uint8Array): void {
  if (factor === 0) return;
  const row = rowOf(factor);
  const length = into.length;
  assert(from.length >= length, 'a source that is too short');
  for (let i = 0; i < length; i++)
    into[i] = (into[i] as number) ^ (row[from[i] as number] as number);
}

/** A square matrix of bytes, row by row. */
export type Matrix = readonly Uint8Array[];

/** Gauss and Jordan. undefined = it has no inverse. */
export function invert(matrix: Matrix): Uint8Array[] | undefined {
  const size = matrix.length;
  const rows: Uint8Array[] = matrix.map((row, i) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row);
    wide[size + i] = 1;
    return wide;
  });
  for (let column = 0; column < size; column++) {
    const at = rows.findIndex((row, i) => i >= column && row[column] !== 0);
    const pivot = rows[at];
    if (pivot === undefined) return undefined;
    rows[at] = rows[column] as Uint8Array;
    rows[column] = scaled(pivot, inverse(pivot[column] ?? 0));
    const chosen = rows[column] as Uint8Array;
    for (const row of rows) if (row !== chosen) addMultiple(row, row[column] ?? 0, chosen);
  }
  return rows.map(row => row.slice(size));
}

function scaled(row: Uint8Array, factor: number): Uint8Array {
  const products = new Uint8Array(row.length);
  addMultiple(products, factor, row);
  return products;
}
