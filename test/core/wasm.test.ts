import test from 'ava';
import fc from 'fast-check';
import {ByteWriter, concat, fromHex} from '../../src/base/bytes.ts';
import {boundMemory, importMemory, inspectWasm, PAGES_PER_MIB} from '../../src/core/wasm.ts';

const HEAD = fromHex('0061736d01000000') ?? new Uint8Array();
const section = (id: number, ...parts: Uint8Array[]): Uint8Array =>
  new ByteWriter()
    .varint(id)
    .sized(concat(...parts))
    .bytes();
const u32s = (...values: number[]): Uint8Array => {
  const writer = new ByteWriter();
  for (const value of values) writer.varint(value);
  return writer.bytes();
};
const named = (...names: string[]): Uint8Array => {
  const writer = new ByteWriter();
  for (const name of names) writer.text(name);
  return writer.bytes();
};

const TYPES = section(1, u32s(1, 0x60, 0, 0));
const FUNCTIONS = section(3, u32s(1, 0));
const EXPORTS = (functionIndex: number): Uint8Array =>
  section(7, u32s(2), named('_start'), u32s(0, functionIndex), named('memory'), u32s(2, 0));
const CODE = section(10, u32s(1, 2, 0, 0x0b));
const memory = (...limits: number[]): Uint8Array => section(5, u32s(1, ...limits));

type Parts = {imports?: Uint8Array; memory?: Uint8Array; exports?: Uint8Array};
/** A command that does nothing. */
const command = (parts: Parts = {}): Uint8Array =>
  concat(
    HEAD,
    TYPES,
    parts.imports ?? new Uint8Array(),
    FUNCTIONS,
    parts.memory ?? memory(0, 1),
    parts.exports ?? EXPORTS(parts.imports === undefined ? 0 : 1),
    CODE,
  );

const importOf = (module: string, name: string, ...rest: number[]): Uint8Array =>
  section(2, u32s(1), named(module, name), u32s(...rest));

const reasonOf = (bytes: Uint8Array, pages = 16): string => {
  const seen = inspectWasm(bytes, pages);
  return seen.kind === 'refused' ? seen.reason : 'not refused';
};

test('a command with a small memory passes', t => {
  t.deepEqual(inspectWasm(command(), 16), {
    kind: 'wasm',
    initialPages: 1,
    maximumPages: undefined,
  });
  t.deepEqual(inspectWasm(command({memory: memory(1, 2, 16)}), 16), {
    kind: 'wasm',
    initialPages: 2,
    maximumPages: 16,
  });
});

test('WASI calls may be imported, all else is refused by name', t => {
  const wasi = 'wasi_snapshot_preview1';
  t.is(reasonOf(command({imports: importOf(wasi, 'fd_write', 0, 0)})), 'not refused');
  t.is(reasonOf(command({imports: importOf(wasi, 'path_open', 0, 0)})), 'not refused');
  t.regex(reasonOf(command({imports: importOf(wasi, 'sock_send', 0, 0)})), /sock_send, which no/);
  t.regex(reasonOf(command({imports: importOf('env', 'abort', 0, 0)})), /env\.abort, which no/);
  t.regex(reasonOf(command({imports: importOf('wasi', 'thread-spawn', 0, 0)})), /thread-spawn/);
});

test('an imported memory, table or global is refused', t => {
  t.regex(reasonOf(command({imports: importOf('env', 'memory', 2, 0, 1)})), /memory env\.memory/);
  t.regex(reasonOf(command({imports: importOf('env', 't', 1, 0x70, 0, 1)})), /table env\.t/);
  t.regex(reasonOf(command({imports: importOf('env', 'g', 3, 0x7f, 0)})), /global env\.g/);
});

test('names in a reason are short and printable', t => {
  const reason = reasonOf(command({imports: importOf('env', `\n\u202e${'x'.repeat(9000)}`, 0, 0)}));
  t.regex(reason, /^[\x20-\x7e]+$/);
  t.true(reason.length < 160);
});

test('shared, 64-bit, missing and several memories are refused', t => {
  t.regex(reasonOf(command({memory: memory(3, 1, 2)})), /shared/);
  t.regex(reasonOf(command({memory: memory(4, 1)})), /64-bit/);
  t.regex(reasonOf(command({memory: new Uint8Array()})), /has no memory/);
  t.regex(reasonOf(command({memory: section(5, u32s(2, 0, 1, 0, 1))})), /2 memories/);
  t.regex(reasonOf(command({memory: concat(memory(0, 1), memory(0, 1))})), /twice/);
});

test('a memory above the limit is refused with both numbers', t => {
  const limit = 2 * PAGES_PER_MIB;
  const expected = 'the memory declares 4 MiB, the limit is 2 MiB';
  t.is(reasonOf(command({memory: memory(0, 4 * PAGES_PER_MIB)}), limit), expected);
  t.is(reasonOf(command({memory: memory(1, 1, 4 * PAGES_PER_MIB)}), limit), expected);
});

test('_start and memory must be exported as what they are', t => {
  t.regex(reasonOf(command({exports: new Uint8Array()})), /_start/);
  const onlyStart = section(7, u32s(1), named('_start'), u32s(0, 0));
  t.regex(reasonOf(command({exports: onlyStart})), /export its memory/);
  const swapped = section(7, u32s(2), named('memory'), u32s(0, 0), named('_start'), u32s(2, 0));
  t.regex(reasonOf(command({exports: swapped})), /_start/);
});

test('components, other versions and other files are named', t => {
  t.regex(reasonOf(fromHex('0061736d0d000100') ?? new Uint8Array()), /component/);
  t.regex(reasonOf(fromHex('0061736d02000000') ?? new Uint8Array()), /version 2/);
  t.regex(reasonOf(new TextEncoder().encode('#!/bin/sh\nexit 0\n')), /not a WebAssembly/);
  t.regex(reasonOf(concat(command(), section(13, u32s(1, 0, 0)))), /exceptions/);
});

test('boundMemory gives the limit as maximum, the same bytes each time, and it still runs', t => {
  for (const declared of [memory(0, 1), memory(1, 1, 9), memory(1, 1, 300)]) {
    const bytes = command({memory: declared});
    const bound = boundMemory(bytes, 16) ?? new Uint8Array();
    t.deepEqual(inspectWasm(bound, 16), {kind: 'wasm', initialPages: 1, maximumPages: 16});
    t.deepEqual(boundMemory(bytes, 16), bound);
    t.deepEqual(boundMemory(bound, 16), bound);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bound), {});
    const own = instance.exports['memory'] as WebAssembly.Memory & {grow(pages: number): number};
    t.is(own.grow(15), 1);
    t.throws(() => own.grow(1));
  }
});

test('importMemory makes the module take the memory it is given', t => {
  const wasi = 'wasi_snapshot_preview1';
  for (const imports of [undefined, importOf(wasi, 'proc_exit', 0, 0)]) {
    const bytes = boundMemory(command(imports === undefined ? {} : {imports}), 16);
    const module = new WebAssembly.Module(importMemory(bytes ?? new Uint8Array()) ?? HEAD);
    const given = new WebAssembly.Memory({initial: 1, maximum: 16});
    const world = {volley: {memory: given}, [wasi]: {proc_exit: () => 0}};
    t.is(new WebAssembly.Instance(module, world).exports['memory'], given);
  }
});

test('no bytes make any of it throw', t => {
  const whole = command({imports: importOf('wasi_snapshot_preview1', 'fd_write', 0, 0)});
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.subarray(0, length);
    inspectWasm(cut, 16);
    boundMemory(cut, 16);
    importMemory(cut);
  }
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), {minLength: 1, maxLength: 8}),
      changes => {
        const bytes = whole.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        inspectWasm(bytes, 16);
        boundMemory(bytes, 16);
        importMemory(bytes);
      },
    ),
    {numRuns: 3_000},
  );
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 200}), tail => {
      const bytes = concat(HEAD, tail);
      inspectWasm(bytes, 16);
      boundMemory(bytes, 16);
      importMemory(bytes);
    }),
    {numRuns: 3_000},
  );
  t.pass();
});
