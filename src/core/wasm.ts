// Looks at a WebAssembly module before anything runs it, and makes of it what a node runs.
//
//   outlineWasm    imports, memory, exports, counts: quick; what a master and a node's main process look at
//   inspectWasm    the same and every instruction; on publishing, and in the runner before it compiles
//   boundMemory    the module with the limit of its app as the maximum of its memory, so that the engine
//                  enforces it and every node gives the same answer to memory.grow
//   prepareWasm    what the runner compiles: inspected, with the bits of every NaN closed (wasm-nan.ts)

import {ByteWriter, concat} from '../base/bytes.ts';
import {CodeWalk, type Exactness} from './wasm-code.ts';
import {closeBody} from './wasm-nan.ts';
import {
  type FunctionType,
  type MemoryType,
  type Outline,
  readLocals,
  readOutline,
} from './wasm-outline.ts';
import {
  Reader,
  Refusal,
  readerOf,
  readSections,
  refuse,
  SECTION,
  type Section,
} from './wasm-reader.ts';
import type {Seen} from './wasm-stack.ts';

/** Bytes of a page of wasm memory. */
export const PAGE_BYTES = 65_536;
export const PAGES_PER_MIB = 16;

/** Where prepareWasm() makes a module look for its memory. */
export const MEMORY_IMPORT = {module: 'volley', name: 'memory'} as const;

/** Longest body of a function: the time to compile one grows faster than its length. */
const BODY_BYTES_MAX = 1_048_576;
/** Of all functions together. */
const LOCALS_SUM_MAX = 4_000_000;
/** Walks until it is settled which variables are exact; what is not settled then is exact. */
const WALKS_MAX = 4;

export type Refused = {readonly kind: 'refused'; readonly reason: string};
export type Inspection =
  | {
      readonly kind: 'wasm';
      readonly initialPages: number;
      /** undefined = the module declares none; boundMemory() gives it one. */
      readonly maximumPages: number | undefined;
    }
  | Refused;
export type Prepared =
  | {
      readonly kind: 'wasm';
      /** Takes its memory from MEMORY_IMPORT. */
      readonly bytes: Uint8Array;
      readonly initialPages: number;
      readonly maximumPages: number | undefined;
      /** Places where the bits of a NaN are closed. */
      readonly closings: number;
    }
  | Refused;

/** Judges all but the code against a memory limit in pages. Never throws, whatever the bytes are. */
export const outlineWasm = (bytes: Uint8Array, pagesMax: number): Inspection =>
  guarded(() => {
    const {memory} = readOutline(bytes, readSections(bytes));
    checkMemory(memory, pagesMax);
    return {kind: 'wasm', ...memory};
  });

/** As outlineWasm, and every instruction. */
export const inspectWasm = (bytes: Uint8Array, pagesMax: number): Inspection =>
  guarded(() => {
    const sections = readSections(bytes);
    const outline = readOutline(bytes, sections);
    checkMemory(outline.memory, pagesMax);
    walkOnce(bytes, sections, outline, exactGlobals(outline));
    return {kind: 'wasm', ...outline.memory};
  });

/**
 * The module with `pagesMax` as the maximum of its memory, whatever it declared; undefined when
 * outlineWasm() refuses it. Same bytes in, same bytes out.
 */
export function boundMemory(bytes: Uint8Array, pagesMax: number): Uint8Array | undefined {
  const bound = guarded(() => {
    const sections = readSections(bytes);
    const {memory} = readOutline(bytes, sections);
    const body = limits(new ByteWriter().varint(1), memory.initialPages, pagesMax).bytes();
    const parts = sections.map(section =>
      section.id === SECTION.memory ? frame(section.id, body) : slice(bytes, section),
    );
    return concat(bytes.subarray(0, 8), ...parts);
  });
  return bound instanceof Uint8Array ? bound : undefined;
}

/**
 * What the engine compiles. The memory is imported instead of made anew: an engine needs ten times longer to
 * map a memory than to clear a small one. Never throws; same bytes in, same bytes out.
 */
export const prepareWasm = (bytes: Uint8Array): Prepared =>
  guarded(() => {
    const sections = readSections(bytes);
    const outline = readOutline(bytes, sections);
    const {code, closings} = closedCode(bytes, sections, outline);
    const parts = [bytes.subarray(0, 8)];
    const imports = importsWithMemory(bytes, sections, outline.memory);
    let isPlaced = false;
    for (const section of sections) {
      // Imports come after types (1) and before everything else.
      if (!isPlaced && section.id >= SECTION.import) {
        parts.push(imports);
        isPlaced = true;
      }
      if (section.id === SECTION.code) parts.push(code ?? slice(bytes, section));
      else if (section.id !== SECTION.import && section.id !== SECTION.memory)
        parts.push(slice(bytes, section));
    }
    return {kind: 'wasm', bytes: concat(...parts), ...outline.memory, closings};
  });

function guarded<T>(look: () => T): T | Refused {
  try {
    return look();
  } catch (error) {
    if (error instanceof Refusal) return {kind: 'refused', reason: error.message};
    throw error;
  }
}

const slice = (bytes: Uint8Array, section: Section): Uint8Array =>
  bytes.subarray(section.from, section.to);

const frame = (id: number, body: Uint8Array): Uint8Array =>
  new ByteWriter().varint(id).sized(body).bytes();

const limits = (writer: ByteWriter, initial: number, maximum: number | undefined): ByteWriter =>
  maximum === undefined
    ? writer.varint(0).varint(initial)
    : writer.varint(1).varint(initial).varint(maximum);

function importsWithMemory(
  bytes: Uint8Array,
  sections: readonly Section[],
  memory: MemoryType,
): Uint8Array {
  const reader = readerOf(bytes, sections, SECTION.import);
  const count = reader?.u32() ?? 0;
  const entry = new ByteWriter().text(MEMORY_IMPORT.module).text(MEMORY_IMPORT.name).varint(2);
  const body = concat(
    new ByteWriter().varint(count + 1).bytes(),
    reader?.rest() ?? new Uint8Array(0),
    limits(entry, memory.initialPages, memory.maximumPages).bytes(),
  );
  return frame(SECTION.import, body);
}

const mib = (pages: number): string => String(Math.ceil((pages / PAGES_PER_MIB) * 10) / 10);

function checkMemory({initialPages, maximumPages}: MemoryType, pagesMax: number): void {
  const largest = Math.max(initialPages, maximumPages ?? 0);
  if (largest > pagesMax)
    refuse(`the memory declares ${mib(largest)} MiB, the limit is ${mib(pagesMax)} MiB`);
}

// ---- the code -----------------------------------------------------------------------------------

type Body = {
  readonly reader: Reader;
  readonly from: number;
  readonly to: number;
  readonly type: FunctionType;
};

/** Every body of the module; its own functions come behind those it imports. */
function* bodies(
  bytes: Uint8Array,
  sections: readonly Section[],
  {functions, importCount}: Outline,
): Generator<Body> {
  const all = readerOf(bytes, sections, SECTION.code);
  if (all === undefined) return;
  let left = all.u32();
  for (const type of functions.slice(importCount)) {
    const size = all.u32();
    if (size > BODY_BYTES_MAX) refuse(`a function is larger than ${BODY_BYTES_MAX} bytes`);
    const from = all.at;
    all.skip(size);
    yield {reader: new Reader(bytes, from, all.at), from, to: all.at, type};
    left -= 1;
  }
  if (left !== 0 || !all.done) refuse('the module is malformed');
}

/** Which globals are exact before any walk: those that may begin as a NaN. */
const exactGlobals = ({nanGlobals}: Outline): Exactness => ({
  flags: nanGlobals.slice(),
  isChanged: false,
});

/** Which locals are: those that a caller gives. */
function exactLocals(types: Uint8Array, parameters: number, flag: number): Exactness {
  const flags = new Uint8Array(types.length).fill(flag);
  return {flags: flags.fill(1, 0, parameters), isChanged: false};
}

/** Refuses what no table knows; true when some function makes floating-point numbers. */
function walkOnce(
  bytes: Uint8Array,
  sections: readonly Section[],
  outline: Outline,
  globals: Exactness,
): boolean {
  const walk = new CodeWalk(outline, globals);
  let makesFloats = false;
  let localsSum = 0;
  for (const {reader, type} of bodies(bytes, sections, outline)) {
    const types = readLocals(reader, type.parameters);
    localsSum += types.length;
    if (localsSum > LOCALS_SUM_MAX) refuse('the module has too many locals');
    const locals = exactLocals(types, type.parameters.length, 1);
    if (walk.walk(reader, type, types, locals).makesFloats) makesFloats = true;
  }
  return makesFloats;
}

/** The code section with every NaN closed; undefined when there is nothing to close. */
function closedCode(bytes: Uint8Array, sections: readonly Section[], outline: Outline) {
  if (!walkOnce(bytes, sections, outline, exactGlobals(outline)))
    return {code: undefined, closings: 0};
  const globals = exactGlobals(outline);
  for (let walks = 0; walks < WALKS_MAX; walks++) {
    globals.isChanged = false;
    const found = closeAll(bytes, sections, outline, globals);
    if (found !== undefined) return found;
  }
  globals.flags.fill(1);
  globals.isChanged = false;
  return closeAll(bytes, sections, outline, globals) ?? refuse('the module is malformed');
}

/** undefined = a global turned out to be exact, so that what was found before does not hold. */
function closeAll(
  bytes: Uint8Array,
  sections: readonly Section[],
  outline: Outline,
  globals: Exactness,
) {
  const walk = new CodeWalk(outline, globals);
  const section = new ByteWriter().varint(outline.functions.length - outline.importCount);
  let closings = 0;
  for (const body of bodies(bytes, sections, outline)) {
    const {reader, from, to, type} = body;
    const types = readLocals(reader, type.parameters);
    const code = reader.at;
    const seen = settle(walk, body, types, code);
    closings += seen.length;
    if (seen.length === 0) section.sized(bytes.subarray(from, to));
    else {
      reader.at = from;
      const count = reader.u32();
      const groups = {count, from: reader.at};
      section.sized(closeBody({module: bytes, groups, code, to, localCount: types.length}, seen));
    }
  }
  return globals.isChanged ? undefined : {code: frame(SECTION.code, section.bytes()), closings};
}

/** Walks a function until it is settled which of its locals are exact. */
function settle(
  walk: CodeWalk,
  {reader, type}: Body,
  types: Uint8Array,
  code: number,
): readonly Seen[] {
  const parameters = type.parameters.length;
  const locals = exactLocals(types, parameters, 0);
  for (let walks = 0; walks < WALKS_MAX; walks++) {
    locals.isChanged = false;
    reader.at = code;
    const {seen} = walk.walk(reader, type, types, locals);
    if (!locals.isChanged) return seen;
  }
  reader.at = code;
  return walk.walk(reader, type, types, exactLocals(types, parameters, 1)).seen;
}
