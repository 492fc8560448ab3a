// Walks the code of a function, instruction by instruction: refuses what is in no table of
// wasm-opcodes.ts, holds the walk to limits, and follows each value far enough to say where a NaN with
// open bits could be seen. Those places are the result; wasm-nan.ts makes them close.
//
// The operand stack is followed as an engine's validator does, but for value types: an engine still has
// to compile the module. What is on the stack is a kind and the instruction that made it.
//
// A local or a global that is only ever given results of arithmetic (`open`) may hold open bits itself: they
// are closed where it is read, if that reader could tell. One that is also given other values (`exact`) may
// hold a NaN that must stay as it is, so open bits are closed before they go in. All begin as open; a walk
// that finds one given an exact value says so, and the function is walked again.

import {
  type Effect,
  effectOf,
  IMMEDIATE,
  isOpen,
  KIND,
  OP,
  PLAIN,
  proposalOf,
  SATURATING,
  SIMD,
} from './wasm-opcodes.ts';
import {type FunctionType, floatIsNan, type Outline, TYPE, valueType} from './wasm-outline.ts';
import {Reader, refuse} from './wasm-reader.ts';
import {OperandStack, type Seen} from './wasm-stack.ts';

const DEPTH_MAX = 10_000;
const BRANCHES_MAX = 20_000;
const BLOCK_PARAMETERS_MAX = 16;
/** Engines keep something for each local at each block: their product is memory and time. */
const LOCALS_BY_BLOCKS_MAX = 2 ** 24;

/** 1 = given exact values, too; grows from walk to walk. */
export type Exactness = {readonly flags: Uint8Array; isChanged: boolean};

export type Walked = {
  /** By `at`, none twice. */
  readonly seen: readonly Seen[];
  readonly makesFloats: boolean;
};

const floatKind = (type: number | undefined): number => {
  if (type === TYPE.f32) return KIND.f32;
  return type === TYPE.f64 ? KIND.f64 : KIND.none;
};

/** Walks functions of one module, one after the other. */
export class CodeWalk {
  readonly #outline: Outline;
  readonly #globals: Exactness;
  readonly #stack = new OperandStack();
  #reader = new Reader(new Uint8Array(0), 0, 0);
  #types: Uint8Array = new Uint8Array(0);
  #locals: Exactness = {flags: new Uint8Array(0), isChanged: false};
  #makesFloats = false;
  #blocksMax = 0;

  constructor(outline: Outline, globals: Exactness) {
    this.#outline = outline;
    this.#globals = globals;
  }

  /**
   * @param reader at the code of a body, which it ends with
   * @param types of the locals
   */
  walk(reader: Reader, {results}: FunctionType, types: Uint8Array, locals: Exactness): Walked {
    this.#reader = reader;
    this.#types = types;
    this.#locals = locals;
    this.#makesFloats = false;
    this.#blocksMax = LOCALS_BY_BLOCKS_MAX / (types.length + 1);
    this.#stack.open(results);
    while (this.#stack.depth > 0) this.#instruction(reader.byte());
    if (!reader.done) refuse('code follows the end of a function');
    return {seen: this.#stack.seen, makesFloats: this.#makesFloats};
  }

  #instruction(op: number): void {
    const effect = PLAIN[op] ?? 0;
    if (effect !== 0) this.#apply(effect);
    else if (op < OP.drop) this.#control(op);
    else if (op < OP.memorySize) this.#variable(op);
    else this.#other(op);
  }

  #apply(effect: Effect): void {
    this.#immediate((effect >> 8) & 7);
    const tolerates = (effect >> 5) & 7;
    for (let left = effect & 3; left > 0; left--) this.#stack.pop(tolerates);
    const pushes = (effect >> 2) & 7;
    if (pushes !== KIND.none) this.#push(pushes);
    if (isOpen(pushes)) this.#makesFloats = true;
  }

  #immediate(immediate: number): void {
    const reader = this.#reader;
    if (immediate === IMMEDIATE.none) return;
    if (immediate === IMMEDIATE.memory || immediate === IMMEDIATE.memoryLane) {
      // From bit 6 on it would be the number of another memory.
      if (reader.byte() > 31) refuse('the module has several memories');
      reader.u32();
    }
    if (immediate === IMMEDIATE.lane || immediate === IMMEDIATE.memoryLane) reader.byte();
    else if (immediate === IMMEDIATE.bytes16) reader.skip(16);
    else if (immediate === IMMEDIATE.i32) reader.skipLeb(5);
    else if (immediate === IMMEDIATE.i64) reader.skipLeb(10);
  }

  #push(kind: number): void {
    this.#stack.push(kind, this.#reader.at);
  }

  // ---- locals and globals ---------------------------------------------------------------------

  #variable(op: number): void {
    switch (op) {
      case OP.drop:
        this.#stack.take();
        return;
      case OP.selectTyped:
        if (this.#reader.byte() !== 1) refuse('a select gives several values');
        valueType(this.#reader);
        return this.#stack.select(this.#reader.at);
      case OP.select:
        return this.#stack.select(this.#reader.at);
      case OP.localGet:
        return this.#get(this.#types, this.#locals);
      case OP.localSet:
        this.#set(this.#types, this.#locals);
        return;
      case OP.localTee:
        return this.#push(this.#set(this.#types, this.#locals));
      case OP.globalGet:
        return this.#get(this.#outline.globals, this.#globals);
      case OP.globalSet:
        this.#set(this.#outline.globals, this.#globals);
        return;
      case OP.tableGet:
        this.#table();
        return this.#apply(GETS);
      case OP.tableSet:
        this.#table();
        return this.#stack.popAll(2);
      default:
        return refuse(`the module uses ${proposalOf(op)}`);
    }
  }

  #index(types: Uint8Array): number {
    const index = this.#reader.u32();
    return index < types.length ? index : refuse('the code names a variable that is not there');
  }

  #get(types: Uint8Array, {flags}: Exactness): void {
    const index = this.#index(types);
    const open = flags[index] === 0 ? floatKind(types[index]) : KIND.none;
    this.#push(open === KIND.none ? KIND.exact : open);
  }

  /** Returns the kind of what the variable then holds. */
  #set(types: Uint8Array, exactness: Exactness): number {
    const index = this.#index(types);
    const open = floatKind(types[index]);
    if (open === KIND.none || exactness.flags[index] === 1) {
      this.#stack.pop(KIND.none);
      return KIND.exact;
    }
    const kind = this.#stack.take();
    if (kind === open || kind === KIND.number) return kind;
    exactness.flags[index] = 1;
    exactness.isChanged = true;
    return KIND.exact;
  }

  // ---- control --------------------------------------------------------------------------------

  #control(op: number): void {
    switch (op) {
      case OP.unreachable:
        return this.#stack.die();
      case OP.block:
      case OP.loop:
        return this.#begin(op);
      case OP.if:
        this.#stack.pop(KIND.none);
        return this.#begin(op);
      case OP.else:
        return this.#else();
      case OP.end:
        return this.#end();
      case OP.br:
        this.#stack.popAll(this.#label());
        return this.#stack.die();
      case OP.brIf: {
        const label = this.#label();
        this.#stack.pop(KIND.none);
        this.#stack.popAll(label);
        return this.#stack.pushExact(label);
      }
      case OP.brTable:
        return this.#brTable();
      case OP.return:
        this.#stack.popAll(this.#stack.results);
        return this.#stack.die();
      case OP.call:
        return this.#call(this.#outline.functions[this.#reader.u32()]);
      case OP.callIndirect: {
        const type = this.#outline.types[this.#reader.u32()];
        this.#table();
        this.#stack.pop(KIND.none);
        return this.#call(type);
      }
      default:
        return refuse(`the module uses ${proposalOf(op)}`);
    }
  }

  #label(): number {
    return this.#stack.label(this.#reader.u32());
  }

  #brTable(): void {
    const count = this.#reader.count(BRANCHES_MAX, 'branches in a table');
    let label = 0;
    for (let i = 0; i <= count; i++) label = Math.max(label, this.#label());
    this.#stack.pop(KIND.none);
    this.#stack.popAll(label);
    this.#stack.die();
  }

  #begin(op: number): void {
    if (this.#stack.depth >= DEPTH_MAX) refuse(`blocks are nested deeper than ${DEPTH_MAX}`);
    this.#blocksMax -= 1;
    if (this.#blocksMax < 0) refuse('a function has too many locals and blocks');
    const {parameters, results} = this.#blockType();
    this.#stack.enter(op, op === OP.loop ? parameters : results, parameters, results);
  }

  #blockType(): {readonly parameters: number; readonly results: number} {
    const reader = this.#reader;
    const first = reader.byte();
    if (first === 0x40) return {parameters: 0, results: 0};
    reader.at -= 1;
    if (first >= 0x40 && first < 0x80) {
      valueType(reader);
      return {parameters: 0, results: 1};
    }
    // A positive number of 33 bits, which a u32 is written as, too.
    const type = this.#outline.types[reader.u32()] ?? refuse('a block has an unknown type');
    if (type.parameters.length > BLOCK_PARAMETERS_MAX) refuse('a block takes too many values');
    return {parameters: type.parameters.length, results: type.results};
  }

  #else(): void {
    if (this.#stack.frame.op !== OP.if) refuse('an else has no if');
    this.#stack.otherwise(OP.else);
  }

  #end(): void {
    const {results} = this.#stack.frame;
    this.#stack.leave();
    if (this.#stack.depth > 0) this.#stack.pushExact(results);
  }

  #call(type: FunctionType | undefined): void {
    if (type === undefined) return refuse('the code calls a function that is not there');
    this.#stack.popAll(type.parameters.length);
    this.#stack.pushExact(type.results);
  }

  // ---- memory, tables, references, prefixes ---------------------------------------------------

  #other(op: number): void {
    switch (op) {
      case OP.memorySize:
        this.#zero();
        return this.#push(KIND.number);
      case OP.memoryGrow:
        this.#zero();
        return this.#apply(GETS);
      case OP.f32Const:
      case OP.f64Const:
        return this.#push(floatIsNan(this.#reader, op) ? KIND.exact : KIND.number);
      case OP.refNull:
        valueType(this.#reader);
        return this.#push(KIND.exact);
      case OP.refIsNull:
        return this.#apply(GETS);
      case OP.refFunc:
        if (this.#reader.u32() >= this.#outline.functions.length)
          refuse('the code names a function that is not there');
        return this.#push(KIND.exact);
      case OP.bulk:
        return this.#bulk(this.#reader.u32());
      case OP.simd:
        return this.#simd(this.#reader.u32());
      default:
        return refuse(`the module uses ${proposalOf(op)}`);
    }
  }

  #simd(op: number): void {
    if (op >= 0x100) refuse('the module uses relaxed SIMD');
    const effect = SIMD[op] ?? 0;
    if (effect === 0) refuse(`the module uses the unknown instruction 0xfd ${op}`);
    this.#apply(effect);
  }

  #bulk(op: number): void {
    const effect = SATURATING[op];
    if (effect !== undefined) return this.#apply(effect);
    if (op === BULK.tableGrow) refuse('the module grows a table');
    if (op > BULK.tableFill) refuse(`the module uses the unknown instruction 0xfc ${op}`);
    // Segments and tables are counted by the engine; memories are numbered 0.
    if (op <= BULK.tableInit || op === BULK.elementDrop) this.#bulkMemory(op);
    else {
      this.#table();
      if (op === BULK.tableCopy) this.#table();
    }
    if (op === BULK.tableSize) this.#push(KIND.number);
    else if (op !== BULK.dataDrop && op !== BULK.elementDrop) this.#stack.popAll(3);
  }

  #bulkMemory(op: number): void {
    if (op !== BULK.memoryCopy && op !== BULK.memoryFill) this.#reader.u32();
    if (op === BULK.tableInit) this.#table();
    else if (op !== BULK.dataDrop && op !== BULK.elementDrop) this.#zero();
    if (op === BULK.memoryCopy) this.#zero();
  }

  #zero(): void {
    if (this.#reader.byte() !== 0) refuse('the module has several memories');
  }

  #table(): void {
    if (this.#reader.u32() >= this.#outline.tableCount)
      refuse('the code names a table that is not there');
  }
}

const GETS = effectOf(1, KIND.exact);
const BULK = {
  dataDrop: 9,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  elementDrop: 13,
  tableCopy: 14,
  tableGrow: 15,
  tableSize: 16,
  tableFill: 17,
} as const;
