// Random programs over f64 and f32, and what they give by the letter of the standard's deterministic
// profile: each piece of code comes with a function that does the same on bits, in JavaScript.

import {Prng} from '../../src/base/prng.ts';
import {type Code, F32, F64, I32, moduleOf} from './wasm-builder.ts';
import {OUT, WORLD} from './wasm-routes.ts';

type Width = typeof F32 | typeof F64;
/** Bits of a number; those of an f32 in the low 32. */
type State = {readonly locals: bigint[]; readonly globals: bigint[]; readonly out: bigint[]};
type Expression = {readonly code: Code; readonly value: (state: State) => bigint};
type Statement = {readonly code: Code; readonly run: (state: State) => void};

const view = new DataView(new ArrayBuffer(8));
const NAN = {[F32]: 0x7fc00000n, [F64]: 0x7ff8000000000000n};
const SIGN = {[F32]: 0x80000000n, [F64]: 0x8000000000000000n};

function numberOf(width: Width, bits: bigint): number {
  if (width === F32) {
    view.setUint32(0, Number(bits));
    return view.getFloat32(0);
  }
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

function bitsOf(width: Width, value: number): bigint {
  if (Number.isNaN(value)) return NAN[width];
  if (width === F32) {
    view.setFloat32(0, value);
    return BigInt(view.getUint32(0));
  }
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

/** Locals 0-2 and global 0 are f64, locals 3-5 and global 1 f32; local 6 counts the rounds of a loop. */
const LOCALS = {[F64]: [0, 1, 2], [F32]: [3, 4, 5]};
const GLOBAL = {[F64]: 0, [F32]: 1};
const COUNTER = 6;
const SLOTS = 8;

const ARITHMETIC: readonly ((a: number, b: number) => number)[] = [
  (a, b) => a + b,
  (a, b) => a - b,
  (a, b) => a * b,
  (a, b) => a / b,
  Math.min,
  Math.max,
];

class Author {
  readonly #dice: Prng;

  constructor(seed: number) {
    this.#dice = new Prng(seed);
  }

  #roll(sides: number): number {
    return this.#dice.uint32() % sides;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#roll(list.length)] as T;
  }

  #width(): Width {
    return this.#pick([F32, F64]);
  }

  expression(width: Width, depth: number): Expression {
    const kind = depth === 0 ? this.#roll(4) : this.#roll(16);
    if (kind === 0) return this.#load(width);
    if (kind <= 2) {
      const local = this.#pick(LOCALS[width]);
      return {code: [0x20, local], value: state => state.locals[local] ?? 0n};
    }
    if (kind === 3)
      return {code: [0x23, GLOBAL[width]], value: state => state.globals[GLOBAL[width]] ?? 0n};
    if (kind <= 8) return this.#arithmetic(width, depth);
    if (kind === 9) return this.#unary(width, depth);
    if (kind === 10) return this.#sign(width, depth);
    if (kind === 11) return this.#convert(width, depth);
    if (kind === 12) return this.#tee(width, depth);
    return this.#choice(width, depth);
  }

  #load(width: Width): Expression {
    const no = this.#roll(5);
    const address = width === F64 ? 8 * no : 64 + 4 * no;
    const code = [0x41, ...(address > 63 ? [(address & 127) | 128, 0] : [address])];
    const world = new DataView(WORLD.buffer);
    const bits =
      width === F64 ? world.getBigUint64(address, true) : BigInt(world.getUint32(address, true));
    return {
      code: [...code, ...(width === F64 ? [0x2b, 3, 0] : [0x2a, 2, 0])],
      value: () => bits,
    };
  }

  #arithmetic(width: Width, depth: number): Expression {
    const no = this.#roll(6);
    const a = this.expression(width, depth - 1);
    const b = this.expression(width, depth - 1);
    const apply = ARITHMETIC[no] ?? Math.min;
    return {
      code: [...a.code, ...b.code, (width === F64 ? 0xa0 : 0x92) + no],
      value: state => {
        const x = numberOf(width, a.value(state));
        return bitsOf(width, apply(x, numberOf(width, b.value(state))));
      },
    };
  }

  #unary(width: Width, depth: number): Expression {
    const [apply, op] = this.#pick([
      [Math.sqrt, 0x9f],
      [Math.ceil, 0x9b],
      [Math.floor, 0x9c],
      [Math.trunc, 0x9d],
    ] as const);
    const a = this.expression(width, depth - 1);
    return {
      code: [...a.code, width === F64 ? op : op - 0x0e],
      value: state => bitsOf(width, apply(numberOf(width, a.value(state)))),
    };
  }

  /** Operations on the sign: the only ones that keep or turn the bits of a NaN. */
  #sign(width: Width, depth: number): Expression {
    const a = this.expression(width, depth - 1);
    const sign = SIGN[width];
    const base = width === F64 ? 0x99 : 0x8b;
    const kind = this.#roll(3);
    if (kind === 0) return {code: [...a.code, base], value: state => a.value(state) & ~sign};
    if (kind === 1) return {code: [...a.code, base + 1], value: state => a.value(state) ^ sign};
    const b = this.expression(width, depth - 1);
    return {
      code: [...a.code, ...b.code, base + 13],
      value: state => (a.value(state) & ~sign) | (b.value(state) & sign),
    };
  }

  #convert(width: Width, depth: number): Expression {
    const other = width === F64 ? F32 : F64;
    const a = this.expression(other, depth - 1);
    return {
      code: [...a.code, width === F64 ? 0xbb : 0xb6],
      value: state => bitsOf(width, numberOf(other, a.value(state))),
    };
  }

  #tee(width: Width, depth: number): Expression {
    const local = this.#pick(LOCALS[width]);
    const a = this.expression(width, depth - 1);
    return {
      code: [...a.code, 0x22, local],
      value: state => {
        const bits = a.value(state);
        state.locals[local] = bits;
        return bits;
      },
    };
  }

  /** A condition that a NaN makes false, whatever its bits. */
  #condition(depth: number): {code: Code; holds: (state: State) => boolean} {
    const a = this.expression(F64, depth - 1);
    const b = this.expression(F64, depth - 1);
    return {
      code: [...a.code, ...b.code, 0x63],
      holds: state => {
        const x = numberOf(F64, a.value(state));
        return x < numberOf(F64, b.value(state));
      },
    };
  }

  #choice(width: Width, depth: number): Expression {
    const a = this.expression(width, depth - 1);
    const b = this.expression(width, depth - 1);
    const condition = this.#condition(depth);
    const {holds} = condition;
    if (this.#roll(2) === 0)
      return {
        code: [...a.code, ...b.code, ...condition.code, 0x1b],
        value: state => {
          const [x, y] = [a.value(state), b.value(state)];
          return holds(state) ? x : y;
        },
      };
    return {
      code: [...condition.code, 0x04, width, ...a.code, 0x05, ...b.code, 0x0b],
      value: state => (holds(state) ? a.value(state) : b.value(state)),
    };
  }

  statement(depth: number): Statement {
    const kind = this.#roll(depth > 1 ? 6 : 4);
    if (kind < 4) return this.#assignment(kind);
    const inner = Array.from({length: 3}, () => this.statement(depth - 1));
    const code = inner.flatMap(one => one.code);
    const runAll = (state: State): void => {
      for (const one of inner) one.run(state);
    };
    if (kind === 4) {
      const {code: condition, holds} = this.#condition(2);
      return {
        code: [...condition, 0x04, 0x40, ...code, 0x0b],
        run: state => {
          if (holds(state)) runAll(state);
        },
      };
    }
    // Three rounds: a value that goes round meets what was written behind its reader. One counter is
    // enough, for an inner loop leaves it at 3 and so ends the outer one.
    const count = [0x20, COUNTER, 0x41, 1, 0x6a, 0x22, COUNTER, 0x41, 3, 0x48];
    return {
      code: [0x41, 0, 0x21, COUNTER, 0x03, 0x40, ...code, ...count, 0x0d, 0, 0x0b],
      run: state => {
        state.locals[COUNTER] = 0n;
        do {
          runAll(state);
          state.locals[COUNTER] = (state.locals[COUNTER] ?? 0n) + 1n;
        } while ((state.locals[COUNTER] ?? 0n) < 3n);
      },
    };
  }

  #assignment(kind: number): Statement {
    const width = this.#width();
    const a = this.expression(width, 3);
    if (kind <= 1) {
      const local = this.#pick(LOCALS[width]);
      return {
        code: [...a.code, 0x21, local],
        run: state => {
          state.locals[local] = a.value(state);
        },
      };
    }
    if (kind === 2)
      return {
        code: [...a.code, 0x24, GLOBAL[width]],
        run: state => {
          state.globals[GLOBAL[width]] = a.value(state);
        },
      };
    return this.show(this.#roll(SLOTS), width, a);
  }

  show(slot: number, width: Width, {code, value}: Expression): Statement {
    const address = OUT + 8 * slot;
    const at = [0x41, (address & 127) | 128, address >> 7];
    // An f32 is stored as its bits, made 64 wide.
    const store = width === F64 ? [0x39, 3, 0] : [0xbc, 0xad, 0x37, 3, 0];
    return {
      code: [...at, ...code, ...store],
      run: state => {
        state.out[slot] = value(state);
      },
    };
  }
}

/** The same for the same seed. `expected` is what is at OUT afterwards. */
export function randomProgram(seed: number): {module: Uint8Array; expected: Uint8Array} {
  const author = new Author(seed);
  const statements = Array.from({length: 8}, () => author.statement(3));
  for (const [i, width] of [F64, F32, F64, F32].entries())
    statements.push(author.show(i, width as Width, author.expression(width as Width, 2)));
  const state: State = {
    locals: Array<bigint>(7).fill(0n),
    globals: [0n, 0n],
    out: Array<bigint>(SLOTS).fill(0n),
  };
  for (const statement of statements) statement.run(state);
  const expected = new Uint8Array(8 * SLOTS);
  for (const [i, bits] of state.out.entries())
    new DataView(expected.buffer).setBigUint64(8 * i, bits, true);
  const code = statements.flatMap(one => one.code);
  const module = moduleOf({
    functions: [{locals: [3, F64, 3, F32, 1, I32], code}],
    globals: [
      [F64, 0x44, 0, 0, 0, 0, 0, 0, 0, 0],
      [F32, 0x43, 0, 0, 0, 0],
    ],
  });
  return {module, expected};
}
