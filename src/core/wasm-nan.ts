// Makes the bits of every NaN the same on all machines.
//
// WebAssembly leaves open which NaN a floating-point operation gives (core specification 2.0, 4.3.3, "NaN
// propagation": any canonical NaN if all NaN operands are canonical, else any arithmetic one), and processors
// differ: 0/0 is fff8000000000000 on x64 and 7ff8000000000000 on ARM; of two NaN operands x64 takes the first,
// ARM a signalling one before a quiet one. All other results are exact. Version 3.0 of the standard names the
// remedy in its "deterministic profile" (appendix A.5): all of these NaNs are positive and canonical. That
// is what a module computes after this pass; since the positive canonical NaN is always among those allowed,
// a module is computed as its author's standard says, too.
//
// Why nothing gets by. Call a value exact when its bits are determined, open when it is the result of an
// arithmetic operation whose NaN was not closed. By induction over the run, an open value and a determined
// one differ at most in the bits of a NaN, and
//   1. loads, constants, conversions from integers, reinterpretations, calls, parameters give exact values,
//      for what goes into memory, calls, returns, branches and exact variables is closed before (3);
//   2. comparisons, conversions to integers and arithmetic itself take open values: their result depends
//      on whether an operand is a NaN, not on which (and the result of arithmetic is open again);
//   3. whatever else takes an open value (stores, reinterpretations, sign operations, calls, branches, block
//      ends, selects of unlike values, lanes of another shape, every bitwise operation on v128) sees its
//      bits: wasm-code.ts names the instruction that made it, and it is closed right behind that;
//   4. a variable that only gets open values and numbers is open wherever it is read, so 2 and 3 hold again
//      there; as it holds no NaN but from arithmetic, closing it at each reader is closing it at its origin.
// A NaN that was loaded and stored, or whose sign is turned, keeps its bits: programs keep other things in them.
//
// Closing is `x == x ? x : nan`: local.tee, local.get twice, a comparison and a select.

import {ByteWriter, concat, EMPTY} from '../base/bytes.ts';
import {KIND} from './wasm-opcodes.ts';
import {TYPE} from './wasm-outline.ts';
import type {Seen} from './wasm-stack.ts';

const NAN_F32 = [0x00, 0x00, 0xc0, 0x7f];
const NAN_F64 = [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x7f];

type Closing = {
  /** Of the local that holds the value meanwhile. */
  readonly type: number;
  readonly constant: Uint8Array;
  /** Behind two gets of the local: the comparison, then the choice between it and the constant. */
  readonly choice: Uint8Array;
};

const closing = (
  type: number,
  constant: readonly number[],
  choice: readonly number[],
): Closing => ({
  type,
  constant: new Uint8Array(constant),
  choice: new Uint8Array(choice),
});

const four = [...NAN_F32, ...NAN_F32, ...NAN_F32, ...NAN_F32];
const SELECT = 0x1b;
const BITSELECT = 0x52;
const CLOSINGS: ReadonlyMap<number, Closing> = new Map([
  [KIND.f32, closing(TYPE.f32, [0x43, ...NAN_F32], [0x5b, SELECT])],
  [KIND.f64, closing(TYPE.f64, [0x44, ...NAN_F64], [0x61, SELECT])],
  [KIND.f32x4, closing(TYPE.v128, [0xfd, 0x0c, ...four], [0xfd, 0x41, 0xfd, BITSELECT])],
  [
    KIND.f64x2,
    closing(TYPE.v128, [0xfd, 0x0c, ...NAN_F64, ...NAN_F64], [0xfd, 0x47, 0xfd, BITSELECT]),
  ],
]);

const LOCAL_GET = 0x20;
const LOCAL_TEE = 0x22;

/** One function body without its length. `at` of `seen` and `code` count from the start of `module`. */
export type Body = {
  readonly module: Uint8Array;
  /** Groups of locals, past their count. */
  readonly groups: {readonly count: number; readonly from: number};
  readonly code: number;
  readonly to: number;
  readonly localCount: number;
};

/** The body with all that `seen` names closed. */
export function closeBody(body: Body, seen: readonly Seen[]): Uint8Array {
  const {module, groups, code, to, localCount} = body;
  const types = [...new Set(seen.map(({kind}) => CLOSINGS.get(kind)?.type ?? 0))].sort();
  const closed = new ByteWriter()
    .varint(groups.count + types.length)
    .raw(module.subarray(groups.from, code));
  for (const type of types) closed.varint(1).raw(new Uint8Array([type]));
  const sequences = new Map<number, Uint8Array>();
  for (const [kind, {type, constant, choice}] of CLOSINGS) {
    const local = new ByteWriter().varint(localCount + types.indexOf(type)).bytes();
    const get = concat(new Uint8Array([LOCAL_GET]), local);
    sequences.set(kind, concat(new Uint8Array([LOCAL_TEE]), local, constant, get, get, choice));
  }
  let from = code;
  for (const {at, kind} of seen) {
    closed.raw(module.subarray(from, at)).raw(sequences.get(kind) ?? EMPTY);
    from = at;
  }
  return closed.raw(module.subarray(from, to)).bytes();
}
