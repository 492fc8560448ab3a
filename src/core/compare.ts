// When two outputs of a workunit agree. Pure.
//
//   exact     the same bytes: what holds where a batch says nothing else
//   numeric   the same numbers within a tolerance (below)
//   custom    a comparison app says so; master/agreement.ts asks, io/comparer.ts runs it
//
// Two numbers agree when |x - y| <= max(rtol · max(|x|, |y|), atol): the rule of Python's math.isclose (PEP
// 485), which gives the same answer both ways. An infinity agrees with the same infinity alone, NaN with NaN,
// 0 with -0.
//
//   json      one JSON text (RFC 8259), UTF-8. Arrays of the same length, objects of the same keys in any
//             order, numbers within the tolerance; strings, true, false and null the same. Numbers are doubles,
//             as everywhere in JavaScript; of a key that is there twice the last value counts. There is no NaN.
//   f32, f64  little-endian floats, as many in both outputs
//
// An output that is not of its format is an error of its result. A tolerance is not transitive: which results
// form a group is master/agreement.ts's to say.

import {assertNever} from '../base/assert.ts';
import {fromUtf8, viewOf} from '../base/bytes.ts';
import type {BlobId} from '../base/types.ts';
import {MIB} from '../base/units.ts';

export const NUMBER_FORMATS = ['json', 'f32', 'f64'] as const;
export type NumberFormat = (typeof NUMBER_FORMATS)[number];

export type NumericCompare = {
  readonly kind: 'numeric';
  readonly format: NumberFormat;
  /** Relative and absolute tolerance: 0 ≤ rtol < 1, 0 ≤ atol. */
  readonly rtol: number;
  readonly atol: number;
};
/** `app`: its name when the batch was submitted; `appId` is what runs. */
export type CustomCompare = {
  readonly kind: 'custom';
  readonly app: string;
  readonly appId: BlobId;
};
export type Compare = NumericCompare | CustomCompare;

/** What an operator says of it; the rest has defaults. */
export type CompareRequest =
  | {readonly kind: 'exact'}
  | ({readonly kind: 'numeric'} & Partial<Omit<NumericCompare, 'kind'>>)
  | {readonly kind: 'custom'; readonly app: string};

export type Comparison =
  | {readonly kind: 'same'}
  | {readonly kind: 'different'}
  /** One of the two is at fault, or the comparison itself. */
  | {readonly kind: 'failed'; readonly reason: string}
  /** Nobody can compare: the comparison app cannot be had or is not allowed. */
  | {readonly kind: 'unavailable'; readonly reason: string};

/** Largest output that is compared by anything but its hash. */
export const COMPARED_BYTES_MAX = 8 * MIB;
/** A hostile text must not take a hundred times its size when it is parsed. */
const JSON_VALUES_MAX = 2 ** 20;
const JSON_DEPTH_MAX = 64;

const SAME: Comparison = {kind: 'same'};
const DIFFERENT: Comparison = {kind: 'different'};
const failed = (reason: string): Comparison => ({kind: 'failed', reason});

/** `b` undefined: is `a` an output that can be compared at all? */
export function compareNumbers(how: NumericCompare, a: Uint8Array, b?: Uint8Array): Comparison {
  for (const bytes of b ? [a, b] : [a])
    if (bytes.length > COMPARED_BYTES_MAX)
      return failed(`${bytes.length} bytes are more than the ${COMPARED_BYTES_MAX} compared`);
  switch (how.format) {
    case 'json':
      return compareJson(how, a, b);
    case 'f32':
    case 'f64':
      return compareFloats(how, a, b);
    default:
      return assertNever(how.format);
  }
}

export function areClose(x: number, y: number, {rtol, atol}: NumericCompare): boolean {
  if (x === y) return true; // equal infinities, 0 and -0
  if (Number.isNaN(x) && Number.isNaN(y)) return true;
  if (!Number.isFinite(x) || !Number.isFinite(y)) return false;
  return Math.abs(x - y) <= Math.max(rtol * Math.max(Math.abs(x), Math.abs(y)), atol);
}

function compareFloats(how: NumericCompare, a: Uint8Array, b?: Uint8Array): Comparison {
  const size = how.format === 'f32' ? 4 : 8;
  for (const bytes of b ? [a, b] : [a])
    if (bytes.length % size !== 0)
      return failed(`${bytes.length} bytes are no whole number of ${how.format} values`);
  if (!b) return SAME;
  if (a.length !== b.length) return DIFFERENT;
  const [left, right] = [viewOf(a), viewOf(b)];
  const read = size === 4 ? DataView.prototype.getFloat32 : DataView.prototype.getFloat64;
  for (let at = 0; at < a.length; at += size)
    if (!areClose(read.call(left, at, true), read.call(right, at, true), how)) return DIFFERENT;
  return SAME;
}

function compareJson(how: NumericCompare, a: Uint8Array, b?: Uint8Array): Comparison {
  const left = parse(a);
  if (typeof left === 'string') return failed(left);
  if (!b) return SAME;
  const right = parse(b);
  if (typeof right === 'string') return failed(right);
  return agree(left.value, right.value, how) ? SAME : DIFFERENT;
}

/** The value, or why there is none. */
function parse(bytes: Uint8Array): {readonly value: unknown} | string {
  const text = fromUtf8(bytes);
  if (text === undefined) return 'the output is not UTF-8';
  const fault = sizeFault(bytes);
  if (fault !== undefined) return fault;
  try {
    return {value: JSON.parse(text)};
  } catch {
    return 'the output is not JSON';
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** How much deeper each byte outside of strings leads. */
const DEEPER = new Map([
  [0x5b, 1], // [
  [0x7b, 1], // {
  [0x5d, -1],
  [0x7d, -1],
  [0x2c, 0], // a comma: one value more
]);

/** Bounds what parsing will make of it, before it is parsed: JSON or not. */
function sizeFault(bytes: Uint8Array): string | undefined {
  let values = 1;
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === QUOTE) i = endOfString(bytes, i);
    const deeper = DEEPER.get(byte);
    if (deeper === undefined) continue;
    depth += deeper;
    if (deeper >= 0) values += 1;
    if (depth > JSON_DEPTH_MAX) return `JSON nested deeper than ${JSON_DEPTH_MAX}`;
    if (values > JSON_VALUES_MAX) return `JSON of more than ${JSON_VALUES_MAX} values`;
  }
  return undefined;
}

/** Where the quote is that ends the string which begins at `start`. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let i = start + 1; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH) i += 1;
    else if (bytes[i] === QUOTE) return i;
  }
  return bytes.length;
}

/** Recursion is bounded by JSON_DEPTH_MAX. */
function agree(a: unknown, b: unknown, how: NumericCompare): boolean {
  if (typeof a === 'number' && typeof b === 'number') return areClose(a, b, how);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((value, i) => agree(value, b[i], how));
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every(key => Object.hasOwn(right, key) && agree(left[key], right[key], how));
}
