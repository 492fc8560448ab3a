// Modules at the edges of arithmetic: the largest, the smallest, what does not fit, what is rounded.

import {type Code, moduleOf} from '../core/wasm-builder.ts';
import {OUT} from '../core/wasm-routes.ts';

const leb = (value: bigint): Code => {
  const bytes: number[] = [];
  for (let rest = BigInt.asIntN(64, value); ; ) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    if ((rest === 0n && low < 64) || (rest === -1n && low >= 64)) return [...bytes, low];
    bytes.push(low | 128);
  }
};
const i64 = (value: bigint): Code => [0x42, ...leb(value)];
const INTEGERS = [1n, -1n, 3n, -7n, 63n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n + 1n, -(2n ** 63n)];
/** As bits: zeros, ones, the least, the largest, infinities, what is just not an integer, NaNs. */
const FLOATS = [
  ...[0n, 1n << 63n, 0x3ff0000000000000n, 0xbff8000000000000n, 1n, 0x000fffffffffffffn],
  ...[0x7fefffffffffffffn, 0x7ff0000000000000n, 0xfff0000000000000n, 0x43e0000000000000n],
  ...[0xc3e0000000000000n, 0x41dfffffffe00000n, 0x4330000000000001n, 0x3fdfffffffffffffn],
  ...[0x36a0000000000000n, 0x47efffffe0000000n, 0x7ff8000000000001n, 0xfff4000000000002n],
];
const f64 = (bits: bigint): Code => [...i64(bits), 0xbf];

/** Each expression leaves an i64; all are stored one behind the other. */
function storing(expressions: readonly Code[]): Uint8Array {
  const code = expressions.flatMap((expression, i) => [
    ...[0x41, ...leb(BigInt(OUT + 8 * i))],
    ...expression,
    ...[0x37, 3, 0],
  ]);
  return moduleOf({functions: [{code}]});
}

const pairs = <T>(values: readonly T[]): [T, T][] =>
  values.flatMap(a => values.map(b => [a, b] as [T, T]));
const range = (from: number, to: number): number[] =>
  Array.from({length: to - from + 1}, (_, i) => from + i);
const DIVISIONS = range(0x7f, 0x82);

const integers = range(0x7c, 0x8a).map(op =>
  storing(
    pairs(INTEGERS)
      // Overflows: a trap everywhere.
      .filter(([a, b]) => !(DIVISIONS.includes(op) && a === -(2n ** 63n) && b === -1n))
      .map(([a, b]) => [...i64(a), ...i64(b), op]),
  ),
);
const arithmetic = range(0xa0, 0xa6).map(op =>
  storing(pairs(FLOATS).map(([a, b]) => [...f64(a), ...f64(b), op, 0xbd])),
);
const singles = range(0x92, 0x98).map(op =>
  storing(pairs(FLOATS).map(([a, b]) => [...f64(a), 0xb6, ...f64(b), 0xb6, op, 0xbc, 0xad])),
);
const rounding = range(0x99, 0x9f).map(op => storing(FLOATS.map(a => [...f64(a), op, 0xbd])));
const saturating = range(4, 7).map(op =>
  // 4 and 5 take an f32, 6 and 7 an f64.
  storing(FLOATS.map(a => [...f64(a), ...(op < 6 ? [0xb6] : []), 0xfc, op])),
);
const converted = [0xb9, 0xba].map(op => storing(INTEGERS.map(a => [...i64(a), op, 0xbd])));
const narrow = [0xb4, 0xb5].map(op => storing(INTEGERS.map(a => [...i64(a), op, 0xbc, 0xad])));

export const EDGES: readonly Uint8Array[] = [
  ...[...integers, ...arithmetic, ...singles, ...rounding, ...saturating, ...converted, ...narrow],
];
