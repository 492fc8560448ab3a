// The operand stack of a function, as wasm-code.ts follows it: for each value its kind and where the
// instruction that made it ends. What takes a value says which open kind it cannot tell apart; a value of
// another open kind is noted as seen.

import {isOpen, KIND} from './wasm-opcodes.ts';
import {refuse} from './wasm-reader.ts';

const STACK_MAX = 50_000;

/** Open bits that can be seen: `at` is the end of the instruction that made them. */
export type Seen = {readonly at: number; readonly kind: number};

export type Frame = {
  readonly op: number;
  readonly height: number;
  /** Values that a branch to it takes along, and those that its end leaves. */
  readonly label: number;
  readonly results: number;
  readonly parameters: number;
  isDead: boolean;
};

export class OperandStack {
  readonly #kinds = new Uint8Array(STACK_MAX);
  readonly #makers = new Int32Array(STACK_MAX);
  #height = 0;
  #frames: Frame[] = [];
  #frame: Frame = {op: 0, height: 0, label: 0, results: 0, parameters: 0, isDead: false};
  #seen = new Map<number, number>();

  /** Empty, for a function with this many results. */
  open(results: number): void {
    this.#height = 0;
    this.#seen = new Map();
    this.#frame = {op: 0, height: 0, label: results, results, parameters: 0, isDead: false};
    this.#frames = [this.#frame];
  }

  /** By `at`, none twice. */
  get seen(): Seen[] {
    return Array.from(this.#seen, ([at, kind]) => ({at, kind})).sort((a, b) => a.at - b.at);
  }

  push(kind: number, maker: number): void {
    if (this.#height >= STACK_MAX) refuse('a function has too many values on its stack');
    this.#kinds[this.#height] = kind;
    this.#makers[this.#height] = maker;
    this.#height += 1;
  }

  pushExact(count: number): void {
    for (let i = 0; i < count; i++) this.push(KIND.exact, 0);
  }

  /** Takes a value for one who cannot tell NaNs of the kind `tolerates` apart. */
  pop(tolerates: number): number {
    if (this.#height === this.#frame.height) {
      // Behind a jump the stack holds whatever is asked for; nothing there ever runs.
      if (!this.#frame.isDead) refuse('the code takes a value that is not there');
      return KIND.exact;
    }
    this.#height -= 1;
    const kind = this.#kinds[this.#height] ?? KIND.exact;
    if (isOpen(kind) && kind !== tolerates) this.#see(this.#height, kind);
    return kind;
  }

  popAll(count: number): void {
    for (let i = 0; i < count; i++) this.pop(KIND.none);
  }

  /** Takes a value of any kind, unseen. */
  take(): number {
    return this.pop(this.#kinds[this.#height - 1] ?? KIND.exact);
  }

  /** One of two values of the same type goes on. */
  select(maker: number): void {
    this.pop(KIND.none);
    const b = this.take();
    const bAt = this.#height;
    const a = this.take();
    const aAt = this.#height;
    const open = Math.max(a, b);
    const goesOn = (kind: number): boolean => kind === open || kind === KIND.number;
    if (goesOn(a) && goesOn(b)) return this.push(open, maker);
    if (isOpen(a)) this.#see(aAt, a);
    if (isOpen(b)) this.#see(bAt, b);
    this.push(KIND.exact, maker);
  }

  #see(at: number, kind: number): void {
    this.#seen.set(this.#makers[at] ?? 0, kind);
  }

  // ---- blocks ---------------------------------------------------------------------------------

  /** Blocks that are open, the function itself among them. */
  get depth(): number {
    return this.#frames.length;
  }

  get frame(): Frame {
    return this.#frame;
  }

  /** Results of the function. */
  get results(): number {
    return this.#frames[0]?.results ?? 0;
  }

  /** How many values a branch over so many blocks takes along. */
  label(blocks: number): number {
    const frame = this.#frames[this.#frames.length - 1 - blocks];
    return frame?.label ?? refuse('a branch leads nowhere');
  }

  /** Nothing of this block runs any more. */
  die(): void {
    this.#height = this.#frame.height;
    this.#frame.isDead = true;
  }

  enter(op: number, label: number, parameters: number, results: number): void {
    this.popAll(parameters);
    this.#frame = {op, height: this.#height, label, results, parameters, isDead: false};
    this.#frames.push(this.#frame);
    this.pushExact(parameters);
  }

  /** Its results stay on the stack. */
  leave(): void {
    const {results, height} = this.#frame;
    this.popAll(results);
    if (this.#height !== height) refuse('a block leaves values behind');
    this.#frames.pop();
    this.#frame = this.#frames.at(-1) ?? this.#frame;
  }

  /** From the branch of an if to the other. */
  otherwise(op: number): void {
    const {label, parameters, results} = this.#frame;
    this.leave();
    this.pushExact(parameters);
    this.enter(op, label, parameters, results);
  }
}
