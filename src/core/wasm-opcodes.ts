// The instructions that a module may hold, and what each does to the operand stack, as far as the walk in
// wasm-code.ts has to know. What is not in these tables is refused: threads, relaxed SIMD, exceptions,
// tail calls, garbage collection and whatever comes next.
//
// A value on the stack is of one of these kinds. Only floating-point arithmetic makes a NaN whose bits the
// standard leaves open (WebAssembly core 2.0, 4.3.3 "NaN propagation"); all else copies bits or makes none.

export const KIND = {
  /** No value. */
  none: 0,
  /** Its bits are the same on every machine, whatever they are: a NaN in it must stay as it is. */
  exact: 1,
  /** As exact, and never a NaN: an integer, a converted integer, a plain constant. */
  number: 2,
  /** Results of arithmetic: a NaN in one of these has open bits. By the lanes it consists of. */
  f32: 3,
  f64: 4,
  f32x4: 5,
  f64x2: 6,
} as const;

/** A kind whose NaNs have open bits. */
export const isOpen = (kind: number): boolean => kind >= KIND.f32;

/** What follows the opcode. */
export const IMMEDIATE = {
  none: 0,
  memory: 1,
  lane: 2,
  memoryLane: 3,
  bytes16: 4,
  i32: 5,
  i64: 6,
} as const;

/**
 * pops + 4·pushes + 32·tolerates + 256·immediate; `pushes` is a kind, `tolerates` the open kind that the
 * operands may be of, because all that the result depends on is whether they are NaN. 0 = not in the table.
 */
export type Effect = number;
export const effectOf = (
  pops: number,
  pushes: number,
  tolerates: number = KIND.none,
  immediate: number = IMMEDIATE.none,
): Effect => 0x8000 + pops + 4 * pushes + 32 * tolerates + 256 * immediate;

/** `'a-b c …'`: opcodes and ranges of them. */
function fill(table: Uint16Array, codes: string, effect: Effect): void {
  for (const part of codes.split(' ')) {
    const [from = '', to = from] = part.split('-');
    table.fill(effect, Number.parseInt(from, 16), Number.parseInt(to, 16) + 1);
  }
}

const {none, exact, number, f32, f64, f32x4, f64x2} = KIND;

function plainTable(): Uint16Array {
  const table = new Uint16Array(256);
  const set = (codes: string, ...effect: Parameters<typeof effectOf>) =>
    fill(table, codes, effectOf(...effect));
  set('01', 0, none); // nop
  set('28-35', 1, exact, none, IMMEDIATE.memory); // loads
  set('36-3e', 2, none, none, IMMEDIATE.memory); // stores
  set('41', 0, number, none, IMMEDIATE.i32);
  set('42', 0, number, none, IMMEDIATE.i64);
  set('45 50 67-69 79-7b a7 ac-ad c0-c4', 1, number); // integers, one operand
  set('46-4f 51-5a 6a-78 7c-8a', 2, number); // integers, two
  set('5b-60', 2, number, f32); // comparisons
  set('61-66', 2, number, f64);
  set('8b-8c', 1, exact); // f32.abs f32.neg: change a bit of a NaN
  set('98', 2, exact); // f32.copysign
  set('8d-91', 1, f32, f32); // ceil floor trunc nearest sqrt
  set('92-97', 2, f32, f32); // add sub mul div min max
  set('99-9a', 1, exact);
  set('a6', 2, exact);
  set('9b-9f', 1, f64, f64);
  set('a0-a5', 2, f64, f64);
  set('a8-a9 ae-af', 1, number, f32); // to integers; a NaN traps
  set('aa-ab b0-b1', 1, number, f64);
  set('b2-b5 b7-ba', 1, number); // from integers
  set('b6', 1, f32, f64); // f32.demote_f64
  set('bb', 1, f64, f32); // f64.promote_f32
  set('bc-bf', 1, exact); // reinterpret
  return table;
}

/** Of the instructions behind the prefix 0xfd: fixed SIMD. From 0x100 on it is relaxed. */
function simdTable(): Uint16Array {
  const table = new Uint16Array(256);
  const set = (codes: string, ...effect: Parameters<typeof effectOf>) =>
    fill(table, codes, effectOf(...effect));
  set('00-0a 5c-5d', 1, exact, none, IMMEDIATE.memory); // loads
  set('0b', 2, none, none, IMMEDIATE.memory); // store
  set('0c', 0, exact, none, IMMEDIATE.bytes16); // const
  set('0d', 2, exact, none, IMMEDIATE.bytes16); // shuffle
  set('0e', 2, exact); // swizzle
  set('0f-14', 1, exact); // splats
  set('15-16 18-19 1b 1d 1f 21', 1, exact, none, IMMEDIATE.lane); // extract
  set('17 1a 1c 1e 20 22', 2, exact, none, IMMEDIATE.lane); // replace
  set('23-40 d6-db', 2, exact); // comparisons of integers
  set('41-46', 2, exact, f32x4);
  set('47-4c', 2, exact, f64x2);
  set('4d', 1, exact); // not
  set('4e-51', 2, exact); // and andnot or xor
  set('52', 3, exact); // bitselect
  set('53 63-64 83-84 a3-a4 c3-c4', 1, number); // any_true all_true bitmask
  set('54-57', 2, exact, none, IMMEDIATE.memoryLane);
  set('58-5b', 2, none, none, IMMEDIATE.memoryLane);
  set('60-62 7c-81 87-8a a0-a1 a7-aa c0-c1 c7-ca', 1, exact); // integers, one operand
  set('65-66 6b-73 76-79 7b 82 85-86 8b-93 95-99 9b-9f', 2, exact); // integers, two
  set('ab-ae b1 b5-ba bc-bf cb-ce d1 d5 dc-df', 2, exact);
  set('5e', 1, f32x4, f64x2); // demote
  set('5f', 1, f64x2, f32x4); // promote
  set('67-6a e3', 1, f32x4, f32x4); // ceil floor trunc nearest sqrt
  set('74-75 7a 94 ef', 1, f64x2, f64x2);
  set('e0-e1 ec-ed', 1, exact); // abs neg
  set('e4-e9', 2, f32x4, f32x4); // add sub mul div min max
  set('f0-f5', 2, f64x2, f64x2);
  set('ea-eb f6-f7', 2, exact); // pmin pmax: one operand, bit for bit
  set('f8-f9', 1, exact, f32x4); // to integers; a NaN becomes 0
  set('fc-fd', 1, exact, f64x2);
  set('fa-fb fe-ff', 1, exact); // from integers
  return table;
}

export const PLAIN: Uint16Array = plainTable();
export const SIMD: Uint16Array = simdTable();
/** Behind 0xfc: i32 and i64 from floats, saturating. */
export const SATURATING: readonly Effect[] = [f32, f32, f64, f64, f32, f32, f64, f64].map(kind =>
  effectOf(1, number, kind),
);

export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  drop: 0x1a,
  select: 0x1b,
  selectTyped: 0x1c,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  tableGet: 0x25,
  tableSet: 0x26,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  refNull: 0xd0,
  refIsNull: 0xd1,
  refFunc: 0xd2,
  bulk: 0xfc,
  simd: 0xfd,
} as const;

/** Why an instruction that no table has is refused, in the words of the proposal it is of. */
export function proposalOf(op: number): string {
  if ((op >= 0x06 && op <= 0x0a) || op === 0x18 || op === 0x19 || op === 0x1f) return 'exceptions';
  if (op === 0x12 || op === 0x13) return 'tail calls';
  if (op === 0x14 || op === 0x15 || (op >= 0xd3 && op <= 0xd6)) return 'typed function references';
  if (op === 0xfb) return 'garbage collection';
  if (op === 0xfe) return 'threads';
  return `the unknown instruction 0x${op.toString(16)}`;
}
