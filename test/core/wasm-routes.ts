// Every way to a NaN, and every way in which its bits can be seen, as pieces of code to be put together.

import {type Code, F32, F64, I32, moduleOf, V128} from './wasm-builder.ts';

/** What `WORLD` holds: by address. */
export const OUT = 512;
export const WORLD = worldOf();

function worldOf(): Uint8Array {
  const bytes = new Uint8Array(OUT);
  const view = new DataView(bytes.buffer);
  const f64s = [0n, 0x7ff0000000000000n, 0xbff0000000000000n, 0x7ff8000000000001n];
  for (const [i, bits] of [...f64s, 0xfff4000000000002n].entries())
    view.setBigUint64(8 * i, bits, true);
  for (const [i, bits] of [0, 0x7f800000, 0xbf800000, 0x7fc00001, 0xffa00002].entries())
    view.setUint32(64 + 4 * i, bits, true);
  // f32x4: 0 inf -1 nan, then -nan 0 inf -1; f64x2: 0 inf, then 0 inf
  for (const [i, at] of [0, 1, 2, 3, 4, 0, 1, 2].entries())
    view.setUint32(128 + 4 * i, view.getUint32(64 + 4 * at, true), true);
  for (const [i, at] of [0, 1, 0, 1, 3, 4, 4, 3].entries())
    view.setBigUint64(160 + 8 * i, view.getBigUint64(8 * at, true), true);
  return bytes;
}

const i32 = (value: number): Code => {
  // Signed LEB128 of a small positive number.
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 63; rest >>= 7) bytes.push((rest & 127) | 128);
  return [0x41, ...bytes, rest];
};
const f64 = (no: number): Code => [...i32(8 * no), 0x2b, 3, 0];
const f32 = (no: number): Code => [...i32(64 + 4 * no), 0x2a, 2, 0];
const v128 = (at: number): Code => [...i32(at), 0xfd, 0, 4, 0];
const ZERO = 0;
const INFINITY = 1;
const MINUS_ONE = 2;
const QUIET = 3;
const SIGNALLING = 4;

export type Route = {readonly name: string; readonly type: number; readonly code: Code};

const binary = (type: number, load: (no: number) => Code, ops: Code): Route[] => {
  const [add = 0, sub = 0, mul = 0, div = 0, min = 0, max = 0] = ops;
  const width = type === F32 ? 'f32' : 'f64';
  const of = (name: string, op: number, a: number, b: number): Route => ({
    name: `${width} ${name}`,
    type,
    code: [...load(a), ...load(b), op],
  });
  return [
    of('0/0', div, ZERO, ZERO),
    of('inf-inf', sub, INFINITY, INFINITY),
    of('inf*0', mul, INFINITY, ZERO),
    of('inf/inf', div, INFINITY, INFINITY),
    of('nan+snan', add, QUIET, SIGNALLING),
    of('snan+nan', add, SIGNALLING, QUIET),
    of('nan*1', mul, QUIET, MINUS_ONE),
    of('min(nan, 0)', min, QUIET, ZERO),
    of('max(0, snan)', max, ZERO, SIGNALLING),
    of('min(nan, snan)', min, QUIET, SIGNALLING),
  ];
};
const unary = (type: number, load: (no: number) => Code, ops: Readonly<Record<string, number>>) =>
  Object.entries(ops).flatMap(([name, op]): Route[] => [
    {name: `${name} of a quiet one`, type, code: [...load(QUIET), op]},
    {name: `${name} of a signalling one`, type, code: [...load(SIGNALLING), op]},
  ]);
const simd = (name: string, a: number, b: number | undefined, op: Code): Route => ({
  name,
  type: V128,
  code: [...v128(a), ...(b === undefined ? [] : v128(b)), 0xfd, ...op],
});

/** Each leaves one value with a NaN in it. */
export const ROUTES: readonly Route[] = [
  ...binary(F64, f64, [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5]),
  ...binary(F32, f32, [0x92, 0x93, 0x94, 0x95, 0x96, 0x97]),
  {name: 'f64 sqrt(-1)', type: F64, code: [...f64(MINUS_ONE), 0x9f]},
  {name: 'f32 sqrt(-1)', type: F32, code: [...f32(MINUS_ONE), 0x91]},
  ...unary(F64, f64, {'f64.ceil': 0x9b, 'f64.floor': 0x9c, 'f64.trunc': 0x9d}),
  ...unary(F64, f64, {'f64.nearest': 0x9e, 'f64.sqrt': 0x9f}),
  ...unary(F32, f32, {'f32.ceil': 0x8d, 'f32.floor': 0x8e, 'f32.trunc': 0x8f}),
  ...unary(F32, f32, {'f32.nearest': 0x90, 'f32.sqrt': 0x91}),
  ...unary(F32, f64, {demote: 0xb6}),
  ...unary(F64, f32, {promote: 0xbb}),
  {
    name: 'a sum of many, of which one is 0/0',
    type: F64,
    code: [...f64(ZERO), ...f64(ZERO), 0xa3, ...f64(MINUS_ONE), 0xa0, ...f64(QUIET), 0xa2],
  },
  ...[0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9].map(op =>
    simd(`f32x4 two operands ${op.toString(16)}`, 128, 144, [op, 1]),
  ),
  ...[0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5].flatMap(op => [
    simd(`f64x2 two operands ${op.toString(16)}`, 160, 176, [op, 1]),
    simd(`f64x2 two NaNs ${op.toString(16)}`, 192, 208, [op, 1]),
  ]),
  simd('f32x4.ceil', 144, undefined, [0x67]),
  simd('f32x4.nearest', 144, undefined, [0x6a]),
  simd('f32x4.sqrt', 144, undefined, [0xe3, 1]),
  simd('f64x2.ceil', 192, undefined, [0x74]),
  simd('f64x2.trunc', 208, undefined, [0x7a]),
  simd('f64x2.nearest', 192, undefined, [0x94, 1]),
  simd('f64x2.sqrt', 192, undefined, [0xef, 1]),
  simd('f32x4.demote_f64x2_zero', 192, undefined, [0x5e]),
  simd('f64x2.promote_low_f32x4', 144, undefined, [0x5f]),
];

const store = (type: number): Code => {
  if (type === F32) return [0x38, 2, 0];
  return type === F64 ? [0x39, 3, 0] : [0xfd, 0x0b, 4, 0];
};
const get = (no: number): Code => [0x20, no];
const set = (no: number): Code => [0x21, no];
const ONE: Code = i32(1);

/** Takes the value of a route and leaves one to be stored at OUT; local 0 is of its type. */
export type Sight = {
  readonly name: string;
  /** undefined = it does not go with this type. */
  readonly code: (route: Code, type: number) => Code | undefined;
};

export const SIGHTS: readonly Sight[] = [
  {name: 'stored', code: route => route},
  {name: 'by a local', code: route => [...route, ...set(0), ...get(0)]},
  {name: 'by a tee', code: route => [...route, 0x22, 0, 0x1a, ...get(0)]},
  {name: 'by a tee, at once', code: route => [...route, 0x22, 0]},
  {name: 'by a global', code: route => [...route, 0x24, 0, 0x23, 0]},
  {name: 'by a call', code: route => [...route, 0x10, 1]},
  {name: 'by a block', code: (route, type) => [0x02, type, ...route, 0x0b]},
  {name: 'by a branch', code: (route, type) => [0x02, type, ...route, 0x0c, 0, 0x0b]},
  {
    name: 'by a branch that may be taken',
    code: (route, type) => [0x02, type, ...route, ...ONE, 0x0d, 0, 0x0b],
  },
  {
    name: 'by an if',
    code: (route, type) => [...ONE, 0x04, type, ...route, 0x05, ...get(0), 0x0b],
  },
  {name: 'by a select', code: route => [...route, ...get(0), ...ONE, 0x1b]},
  {name: 'chosen with itself', code: route => [...route, ...route, ...i32(0), 0x1b]},
  {
    name: 'reinterpreted',
    code: (route, type) => {
      if (type === V128) return undefined;
      return type === F64 ? [...route, 0xbd, 0xbf] : [...route, 0xbc, 0xbe];
    },
  },
  {
    name: 'its sign turned',
    code: (route, type) => {
      if (type === V128) return [...route, 0xfd, 0xed, 1];
      return [...route, type === F64 ? 0x9a : 0x8c];
    },
  },
  {
    name: 'its sign copied',
    code: (route, type) => {
      if (type === V128) return [...route, 0xfd, 0x4d];
      const one: Code = type === F64 ? [...f64(MINUS_ONE)] : [...f32(MINUS_ONE)];
      return [...one, ...route, type === F64 ? 0xa6 : 0x98];
    },
  },
  {
    name: 'by a lane',
    code: (route, type) => {
      if (type === V128) return [...route, 0xfd, 0x1d, 1, 0xfd, 0x12];
      return [...route, 0xfd, type === F64 ? 0x14 : 0x13];
    },
  },
];

/** The module of a route and a sight; undefined when they do not go together. */
export function moduleOfRoute({code: route, type}: Route, sight: Sight): Uint8Array | undefined {
  const code = sight.code(route, type);
  if (code === undefined) return undefined;
  const isVector = sight.name === 'by a lane';
  const stored = store(isVector ? V128 : type);
  const zero: Readonly<Record<number, Code>> = {
    [F32]: [0x43, 0, 0, 0, 0],
    [F64]: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
    [V128]: [0xfd, 0x0c, ...Array<number>(16).fill(0)],
  };
  return moduleOf({
    functions: [
      {locals: [1, type, 1, I32], code: [...i32(OUT), ...code, ...stored]},
      {parameters: [type], results: [type], code: [0x20, 0]},
    ],
    globals: [[type, ...(zero[type] ?? [])]],
  });
}
