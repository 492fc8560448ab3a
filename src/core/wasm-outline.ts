// All of a module but its code: types, imports, memory, tables, globals, exports, segments. Each list is
// held to a limit before it is read, so that a small file cannot make anybody's list large.

import {WASI_MODULE, WASI_TYPES} from './wasi-calls.ts';
import {OP, proposalOf} from './wasm-opcodes.ts';
import {type Reader, readerOf, refuse, SECTION, type Section} from './wasm-reader.ts';

/**
 * Far above what compilers make of programs that fit into 16 MiB, and low enough that an engine on a small
 * board is done with a module in seconds. V8's own limits are 10 to 50 times higher.
 */
export const LIMITS = {
  types: 10_000,
  parameters: 255,
  results: 16,
  imports: 100,
  functions: 100_000,
  tables: 16,
  tableEntries: 1_000_000,
  globals: 10_000,
  exports: 100_000,
  elementSegments: 100_000,
  dataSegments: 100_000,
  locals: 20_000,
} as const;

export const TYPE = {i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b} as const;
const FUNCREF = 0x70;
const EXTERNREF = 0x6f;
const LETTERS: ReadonlyMap<number, string> = new Map([
  [TYPE.i32, 'i'],
  [TYPE.i64, 'I'],
]);

export type FunctionType = {readonly parameters: Uint8Array; readonly results: number};
export type MemoryType = {readonly initialPages: number; readonly maximumPages: number | undefined};
export type Outline = {
  readonly types: readonly FunctionType[];
  /** Type of each function, imported ones first. */
  readonly functions: readonly FunctionType[];
  readonly importCount: number;
  /** Value type of each global, and 1 for those that may begin as a NaN. */
  readonly globals: Uint8Array;
  readonly nanGlobals: Uint8Array;
  readonly tableCount: number;
  readonly memory: MemoryType;
};

/** Throws Refusal. */
export function readOutline(bytes: Uint8Array, sections: readonly Section[]): Outline {
  const open = (id: number) => readerOf(bytes, sections, id);
  const {types, letters} = readTypes(open(SECTION.type));
  const imported = readImports(open(SECTION.import), letters).map(index => types[index]);
  const own = readFunctions(open(SECTION.function), types);
  const functions = [...(imported as FunctionType[]), ...own];
  const tableCount = readTables(open(SECTION.table));
  const memory = readMemory(open(SECTION.memory));
  const {globals, nanGlobals} = readGlobals(open(SECTION.global), functions.length);
  checkExports(open(SECTION.export), functions);
  checkElements(open(SECTION.element), functions.length);
  checkData(open(SECTION.data));
  const bodies = open(SECTION.code)?.u32() ?? 0;
  if (bodies !== own.length)
    refuse(`the module declares ${own.length} functions and has ${bodies}`);
  const importCount = imported.length;
  return {types, functions, importCount, globals, nanGlobals, tableCount, memory};
}

export function valueType(reader: Reader): number {
  const type = reader.byte();
  const isNumeric = type >= TYPE.v128 && type <= TYPE.i32;
  if (isNumeric || type === FUNCREF || type === EXTERNREF) return type;
  return refuse(`the module uses the unknown type 0x${type.toString(16)}`);
}

function valueTypes(reader: Reader, max: number, what: string): Uint8Array {
  const list = new Uint8Array(reader.count(max, what));
  for (let i = 0; i < list.length; i++) list[i] = valueType(reader);
  return list;
}

function readTypes(reader: Reader | undefined) {
  const types: FunctionType[] = [];
  /** As in WASI_TYPES; '?' for what no WASI call has. */
  const letters: string[] = [];
  for (let left = reader?.count(LIMITS.types, 'types') ?? 0; reader && left > 0; left--) {
    if (reader.byte() !== 0x60) refuse('the module uses garbage collection');
    const parameters = valueTypes(reader, LIMITS.parameters, 'parameters of a function');
    const results = valueTypes(reader, LIMITS.results, 'results of a function');
    types.push({parameters, results: results.length});
    letters.push(`${lettersOf(parameters)}>${lettersOf(results)}`);
  }
  return {types, letters};
}

const lettersOf = (types: Uint8Array): string =>
  Array.from(types, type => LETTERS.get(type) ?? '?').join('');

/** Names are the module's own words: only a short, printable piece of them goes on. */
const shown = (module: string, name: string): string =>
  `${module}.${name}`.replace(/[^\x21-\x7e]/g, '?').slice(0, 80);

const IMPORT_KINDS = ['function', 'table', 'memory', 'global', 'tag'];

/** Index of the type of each import, all of which are WASI calls. */
function readImports(reader: Reader | undefined, letters: readonly string[]): number[] {
  const found: number[] = [];
  for (let left = reader?.count(LIMITS.imports, 'imports') ?? 0; reader && left > 0; left--) {
    const module = reader.name();
    const name = reader.name();
    const kind = reader.byte();
    // What follows an import that is refused need not be read.
    if (kind !== 0)
      refuse(`imports the ${IMPORT_KINDS[kind] ?? 'unknown thing'} ${shown(module, name)}`);
    const expected = module === WASI_MODULE ? WASI_TYPES.get(name) : undefined;
    if (expected === undefined) refuse(`imports ${shown(module, name)}, which no node provides`);
    const type = reader.u32();
    if (letters[type] !== expected)
      refuse(`imports ${shown(module, name)} with other parameters than it has`);
    found.push(type);
  }
  return found;
}

function readFunctions(reader: Reader | undefined, types: readonly FunctionType[]): FunctionType[] {
  const found: FunctionType[] = [];
  for (let left = reader?.count(LIMITS.functions, 'functions') ?? 0; reader && left > 0; left--) {
    const type = types[reader.u32()];
    found.push(type ?? refuse('a function has a type that is not there'));
  }
  return found;
}

function readTables(reader: Reader | undefined): number {
  const count = reader?.count(LIMITS.tables, 'tables') ?? 0;
  for (let left = count; reader && left > 0; left--) {
    if (![FUNCREF, EXTERNREF].includes(reader.byte())) refuse('a table is of an unknown kind');
    const flags = reader.byte();
    if (flags > 1) refuse('a table is shared or 64-bit');
    reader.count(LIMITS.tableEntries, 'entries in a table');
    if (flags === 1) reader.u32();
  }
  return count;
}

function readMemory(reader: Reader | undefined): MemoryType {
  if (reader === undefined) return refuse('the module has no memory');
  const count = reader.u32();
  if (count !== 1) refuse(`the module has ${count} memories; it must have one`);
  const flags = reader.byte();
  if ((flags & 2) !== 0) refuse('the memory is shared');
  if ((flags & 4) !== 0) refuse('the memory is 64-bit');
  if (flags > 1) refuse('the memory is of an unknown kind');
  const initialPages = reader.u32();
  const maximumPages = flags === 1 ? reader.u32() : undefined;
  if (!reader.done) refuse('the module is malformed');
  return {initialPages, maximumPages};
}

function readGlobals(reader: Reader | undefined, functionCount: number) {
  const globals = new Uint8Array(reader?.count(LIMITS.globals, 'globals') ?? 0);
  const nanGlobals = new Uint8Array(globals.length);
  for (let i = 0; reader && i < globals.length; i++) {
    globals[i] = valueType(reader);
    if (reader.byte() > 1) refuse('a global is shared');
    nanGlobals[i] = constant(reader, functionCount) ? 0 : 1;
  }
  return {globals, nanGlobals};
}

/** An expression that is known before the module runs, of one instruction; true = it is no NaN. */
function constant(reader: Reader, functionCount: number): boolean {
  const op = reader.byte();
  let isNumber = true;
  if (op === OP.i32Const) reader.skipLeb(5);
  else if (op === OP.i64Const) reader.skipLeb(10);
  else if (op === OP.f32Const || op === OP.f64Const) isNumber = !floatIsNan(reader, op);
  else if (op === OP.globalGet || op === OP.refNull) isNumber = reader.u32() < 0;
  else if (op === OP.refFunc) checkFunction(reader, functionCount);
  else if (op === OP.simd && reader.u32() === 0x0c) reader.skip(16);
  else refuse(`a constant uses ${proposalOf(op)}`);
  if (reader.byte() !== OP.end) refuse('the module uses extended constants');
  return isNumber;
}

/** Reads the constant behind f32.const or f64.const. */
export function floatIsNan(reader: Reader, op: number): boolean {
  const low = op === OP.f64Const ? reader.u32le() : 0;
  const high = reader.u32le() & 0x7fffffff;
  if (op === OP.f32Const) return high > 0x7f800000;
  return high > 0x7ff00000 || (high === 0x7ff00000 && low !== 0);
}

function checkFunction(reader: Reader, functionCount: number): void {
  if (reader.u32() >= functionCount) refuse('the module names a function that is not there');
}

function checkExports(reader: Reader | undefined, functions: readonly FunctionType[]): void {
  const found = new Map<string, {readonly kind: number; readonly index: number}>();
  for (let left = reader?.count(LIMITS.exports, 'exports') ?? 0; reader && left > 0; left--)
    found.set(reader.name(), {kind: reader.byte(), index: reader.u32()});
  const start = found.get('_start');
  const type = start?.kind === 0 ? functions[start.index] : undefined;
  if (type === undefined) return refuse('the module exports no function _start');
  if (type.parameters.length + type.results > 0)
    refuse('_start takes or gives values; it must take and give none');
  if (found.get('memory')?.kind !== 2) refuse('the module does not export its memory');
}

function checkElements(reader: Reader | undefined, functionCount: number): void {
  let left = reader?.count(LIMITS.elementSegments, 'element segments') ?? 0;
  for (; reader && left > 0; left--) checkElementSegment(reader, functionCount);
}

/** Flags: bit 0 = not active, bit 1 = has a table or is declared only, bit 2 = expressions. */
function checkElementSegment(reader: Reader, functionCount: number): void {
  const flags = reader.u32();
  if (flags > 7) refuse('an element segment is of an unknown kind');
  const isActive = (flags & 1) === 0;
  if (isActive && (flags & 2) !== 0) reader.u32();
  if (isActive) constant(reader, functionCount);
  if ((flags & 3) !== 0) reader.byte();
  const count = reader.count(LIMITS.tableEntries, 'elements in a segment');
  const check = (flags & 4) === 0 ? checkFunction : constant;
  for (let i = 0; i < count; i++) check(reader, functionCount);
}

function checkData(reader: Reader | undefined): void {
  let left = reader?.count(LIMITS.dataSegments, 'data segments') ?? 0;
  for (; reader && left > 0; left--) {
    const flags = reader.u32();
    if (flags > 2) refuse('a data segment is of an unknown kind');
    if (flags === 2 && reader.u32() !== 0) refuse('the module has several memories');
    if (flags !== 1) constant(reader, 0);
    reader.skip(reader.u32());
  }
}

/** Types of the locals of a body, parameters first; the reader is then at the code. */
export function readLocals(reader: Reader, parameters: Uint8Array): Uint8Array {
  const groups: {count: number; type: number}[] = [];
  let sum = parameters.length;
  for (let left = reader.count(LIMITS.locals, 'groups of locals'); left > 0; left--) {
    const count = reader.count(LIMITS.locals, 'locals in a function');
    sum += count;
    if (sum > LIMITS.locals) refuse(`a function has more than ${LIMITS.locals} locals`);
    groups.push({count, type: valueType(reader)});
  }
  const types = new Uint8Array(sum);
  types.set(parameters);
  let at = parameters.length;
  for (const {count, type} of groups) {
    types.fill(type, at, at + count);
    at += count;
  }
  return types;
}
