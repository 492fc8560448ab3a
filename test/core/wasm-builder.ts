// Small WebAssembly modules, put together by hand: what no compiler would write.

import {ByteWriter, concat, fromHex} from '../../src/base/bytes.ts';
import {prepareWasm} from '../../src/core/wasm.ts';

export const HEAD = fromHex('0061736d01000000') ?? new Uint8Array();
export const WASI = 'wasi_snapshot_preview1';
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;

export const section = (id: number, ...parts: Uint8Array[]): Uint8Array =>
  new ByteWriter()
    .varint(id)
    .sized(concat(...parts))
    .bytes();

export const u32s = (...values: number[]): Uint8Array => {
  const writer = new ByteWriter();
  for (const value of values) writer.varint(value);
  return writer.bytes();
};

export const named = (...names: string[]): Uint8Array => {
  const writer = new ByteWriter();
  for (const name of names) writer.text(name);
  return writer.bytes();
};

export type Code = readonly number[];
export type FunctionSpec = {
  readonly parameters?: Code;
  readonly results?: Code;
  /** Groups: count, type, count, type … */
  readonly locals?: Code;
  /** Without the last end. */
  readonly code: Code;
};
export type ModuleSpec = {
  /** The first is `_start`. Function i has type i. */
  readonly functions: readonly FunctionSpec[];
  /** Type, then its first value as an expression without end; all may change. */
  readonly globals?: readonly Code[];
  /** Raw sections, put where they belong. */
  readonly sections?: readonly {readonly id: number; readonly body: Uint8Array}[];
  readonly memory?: Code;
};

const typeOf = ({parameters = [], results = []}: FunctionSpec): Uint8Array =>
  concat(
    new Uint8Array([0x60, parameters.length, ...parameters]),
    new Uint8Array([results.length, ...results]),
  );

const bodyOf = ({locals = [], code}: FunctionSpec): Uint8Array => {
  const groups = new ByteWriter().varint(locals.length / 2);
  locals.forEach(value => {
    groups.varint(value);
  });
  return new ByteWriter().sized(concat(groups.bytes(), new Uint8Array([...code, 0x0b]))).bytes();
};

/** A command with one memory, which it exports. */
export function moduleOf({functions, globals = [], sections = [], memory = [0, 1]}: ModuleSpec) {
  const count = functions.length;
  const parts = new Map<number, Uint8Array>([
    [1, concat(u32s(count), ...functions.map(typeOf))],
    [3, u32s(count, ...functions.keys())],
    [5, u32s(1, ...memory)],
    [6, concat(u32s(globals.length), ...globals.map(globalOf))],
    [7, concat(u32s(2), named('_start'), u32s(0, 0), named('memory'), u32s(2, 0))],
    [10, concat(u32s(count), ...functions.map(bodyOf))],
    ...sections.map(({id, body}) => [id, body] as const),
  ]);
  // The number of data segments stands before the code.
  const place = (id: number): number => (id === 12 ? 9.5 : id);
  const sorted = [...parts].sort(([a], [b]) => place(a) - place(b));
  return concat(HEAD, ...sorted.map(([id, body]) => section(id, body)));
}

const globalOf = ([type = I32, ...first]: Code): Uint8Array =>
  new Uint8Array([type, 1, ...first, 0x0b]);

/** Runs a module as the runner does, with `memory` at address 0; the memory afterwards. */
export function runPrepared(bytes: Uint8Array, memory: Uint8Array): Uint8Array {
  const prepared = prepareWasm(bytes);
  if (prepared.kind === 'refused') throw new Error(prepared.reason);
  const given = new WebAssembly.Memory({initial: 1});
  new Uint8Array(given.buffer).set(memory);
  const module = new WebAssembly.Module(prepared.bytes);
  const {exports} = new WebAssembly.Instance(module, {volley: {memory: given}});
  (exports['_start'] as () => void)();
  return new Uint8Array(given.buffer);
}

/** Runs a module as it is. */
export function runRaw(bytes: Uint8Array, memory: Uint8Array): Uint8Array {
  const {exports} = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
  const own = new Uint8Array((exports['memory'] as WebAssembly.Memory).buffer);
  own.set(memory);
  (exports['_start'] as () => void)();
  return own;
}
