import test from 'ava';
import fc from 'fast-check';
import {concat, fromHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {WASI_ANSWERED, WASI_DENIED, WASI_TYPES} from '../../src/core/wasi-calls.ts';
import {
  boundMemory,
  inspectWasm,
  outlineWasm,
  PAGES_PER_MIB,
  prepareWasm,
} from '../../src/core/wasm.ts';
import {
  type FunctionSpec,
  HEAD,
  I32,
  moduleOf,
  named,
  section,
  u32s,
  V128,
  WASI,
} from './wasm-builder.ts';
import {moduleOfRoute, ROUTES, SIGHTS} from './wasm-routes.ts';

// ()→(), the type of fd_write, of path_open, of proc_exit
const TYPES = section(
  1,
  u32s(4, 0x60, 0, 0),
  u32s(0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f),
  u32s(0x60, 9, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7e, 0x7e, 0x7f, 0x7f, 1, 0x7f),
  u32s(0x60, 1, 0x7f, 0),
);
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
  t.is(reasonOf(command({imports: importOf(WASI, 'fd_write', 0, 1)})), 'not refused');
  t.is(reasonOf(command({imports: importOf(WASI, 'path_open', 0, 2)})), 'not refused');
  t.regex(reasonOf(command({imports: importOf(WASI, 'sock_send', 0, 0)})), /sock_send, which no/);
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

test('a module above 16 MiB is refused before it is read, and so is a memory with more behind it', t => {
  t.is(reasonOf(new Uint8Array(16 * 2 ** 20 + 1)), 'the module is larger than 16 MiB');
  t.is(reasonOf(command({memory: memory(0, 1, 9)})), 'the module is malformed');
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

test('a WASI call is imported with the type it has, or not at all', t => {
  t.regex(reasonOf(command({imports: importOf(WASI, 'fd_write', 0, 2)})), /other parameters/);
  t.regex(reasonOf(command({imports: importOf(WASI, 'fd_write', 0, 99)})), /other parameters/);
  t.is(WASI_TYPES.size, WASI_ANSWERED.length + WASI_DENIED.length);
  t.is(WASI_TYPES.get('path_open'), 'iiiiiIIii>i');
});

test('a prepared module takes the memory it is given', t => {
  for (const imports of [undefined, importOf(WASI, 'proc_exit', 0, 3)]) {
    const bytes = boundMemory(command(imports === undefined ? {} : {imports}), 16);
    const prepared = prepareWasm(bytes ?? HEAD);
    const module = new WebAssembly.Module(prepared.kind === 'wasm' ? prepared.bytes : HEAD);
    const given = new WebAssembly.Memory({initial: 1, maximum: 16});
    const world = {volley: {memory: given}, [WASI]: {proc_exit: () => 0}};
    t.is(new WebAssembly.Instance(module, world).exports['memory'], given);
  }
});

test('names and debug data are left out of a prepared module', t => {
  const custom = section(0, named('sourceMappingURL', 'http://192.0.2.1/'));
  const prepared = prepareWasm(concat(command(), custom, custom));
  const bare = prepareWasm(command());
  t.deepEqual(prepared, bare);
});

// ---- code ---------------------------------------------------------------------------------------

const run = (code: readonly number[], spec: Partial<FunctionSpec> = {}): string =>
  reasonOf(moduleOf({functions: [{code, ...spec}]}));
const vectors = [0xfd, 0x0c, ...Array<number>(16).fill(0)];

const PROPOSALS: readonly [string, readonly number[], RegExp][] = [
  ['atomics', [0xfe, 0x03, 0x00], /uses threads/],
  ['atomic loads', [0x41, 0, 0xfe, 0x10, 2, 0, 0x1a], /uses threads/],
  ['relaxed SIMD', [...vectors, ...vectors, 0xfd, 0x80, 0x02, 0x1a], /relaxed SIMD/],
  ['a relaxed multiply and add', [0xfd, 0x85, 0x02], /relaxed SIMD/],
  ['exceptions', [0x06, 0x40, 0x0b], /exceptions/],
  ['a throw', [0x08, 0], /exceptions/],
  ['tail calls', [0x12, 0], /tail calls/],
  ['indirect tail calls', [0x41, 0, 0x13, 0, 0], /tail calls/],
  ['calls of references', [0x14, 0], /typed function references/],
  ['garbage collection', [0xfb, 0x01, 0], /garbage collection/],
  ['other memories', [0x41, 0, 0x28, 0x42, 1, 0, 0x1a], /several memories/],
  ['the size of another memory', [0x3f, 1, 0x1a], /several memories/],
  ['table.grow', [0xfc, 15, 0], /grows a table/],
  ['an unknown SIMD instruction', [0xfd, 0x9a, 0x01], /unknown instruction/],
  ['an unknown instruction', [0x27], /unknown instruction 0x27/],
];
for (const [what, code, reason] of PROPOSALS)
  test(`${what} in the code: refused by name`, t => {
    t.regex(run(code), reason);
    t.is(outlineWasm(moduleOf({functions: [{code}]}), 16).kind, 'wasm', 'it is in the code');
  });

test('what is refused is found in any function and in code that never runs', t => {
  const bad = {code: [0x00, 0xfd, 0x80, 0x02]};
  const functions = [{code: []}, {code: [0x02, 0x40, 0x0b]}, bad];
  t.regex(reasonOf(moduleOf({functions})), /relaxed SIMD/);
});

test('code that is no code is refused', t => {
  t.regex(run([0x1a]), /a value that is not there/);
  t.regex(run([0x0c, 7]), /leads nowhere/);
  t.regex(run([0x20, 0]), /a variable that is not there/);
  t.regex(run([0x10, 9]), /a function that is not there/);
  t.regex(run([0x41, 0, 0x11, 0, 0]), /a table that is not there/);
  t.regex(run([0x0b]), /code follows/);
  t.regex(run([0x02, 0x40]), /cut short/);
  t.regex(run([0x41, 0]), /leaves values/);
});

test('multiple values, references, bulk memory and fixed SIMD are welcome', t => {
  const two = {parameters: [I32], results: [I32, I32], code: [0x20, 0, 0x20, 0]};
  const code = [0x41, 1, 0x10, 1, 0x1a, 0x1a, ...vectors, 0xfd, 0x60, 0x1a];
  const bulk = [0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 11, 0, 0x41, 0, 0x41, 9, 0x41, 1, 0xfc, 10, 0, 0];
  const module = moduleOf({
    functions: [{locals: [1, V128], code: [...code, ...bulk, 0xd0, 0x70, 0xd1, 0x1a]}, two],
  });
  t.is(reasonOf(module), 'not refused');
  t.notThrows(() => new WebAssembly.Module(module));
});

// ---- bombs --------------------------------------------------------------------------------------

const repeated = (code: readonly number[], times: number): number[] =>
  Array.from({length: times}, () => code).flat();

const BOMBS: readonly [string, () => string, RegExp][] = [
  [
    'a million functions',
    () =>
      reasonOf(
        concat(
          HEAD,
          section(1, u32s(1, 0x60, 0, 0)),
          section(3, u32s(1_000_000), new Uint8Array(1_000_000)),
          memory(0, 1),
        ),
      ),
    /1000000 functions, at most 100000/,
  ],
  [
    'a million types',
    () => reasonOf(concat(HEAD, section(1, u32s(1_000_000)))),
    /1000000 types, at most/,
  ],
  ['a function with 50,000 locals', () => run([], {locals: [50_000, I32]}), /50000 locals/],
  [
    'a function with 4 billion locals in groups',
    () => run([], {locals: repeated([19_000, I32], 4)}),
    /more than 20000 locals/,
  ],
  ['blocks nested 20,000 deep', () => run(repeated([0x02, 0x40], 20_000)), /deeper than 10000/],
  [
    'many locals at many blocks',
    () => run(repeated([0x02, 0x40, 0x0b], 2_000), {locals: [19_000, I32]}),
    /too many locals and blocks/,
  ],
  [
    'a table of 30,000 branches',
    () => run([0x41, 0, 0x0e, ...u32s(30_000), ...repeated([0], 30_001)]),
    /30000 branches/,
  ],
  ['60,000 values on the stack', () => run(repeated([0x41, 0], 60_000)), /too many values/],
  ['a function of 2 MB', () => run(repeated([0x01], 2_000_000)), /larger than 1048576 bytes/],
  [
    'a table of 10 million entries',
    () =>
      reasonOf(
        moduleOf({
          functions: [{code: []}],
          sections: [{id: 4, body: concat(u32s(1), u32s(0x70, 0, 10_000_000))}],
        }),
      ),
    /10000000 entries/,
  ],
];
for (const [what, reason, expected] of BOMBS)
  test(`a bomb is refused before it is compiled: ${what}`, t => {
    t.regex(reason(), expected);
  });

// ---- fuzz ---------------------------------------------------------------------------------------

/** Bytes changed, cut out, doubled or moved. */
function mutated(source: Uint8Array, dice: Prng): Uint8Array {
  let bytes: Uint8Array = source.slice();
  const at = (): number => dice.uint32() % Math.max(1, bytes.length);
  for (let left = 1 + (dice.uint32() % 4); left > 0; left--) {
    const [a, b] = [at(), at()].sort((x, y) => x - y) as [number, number];
    const kind = dice.uint32() % 6;
    if (kind <= 2) bytes[a] = dice.uint32() & 255;
    else if (kind === 3) bytes = concat(bytes.subarray(0, a), bytes.subarray(Math.min(b, a + 9)));
    else if (kind === 4) bytes = concat(bytes.subarray(0, b), bytes.subarray(Math.max(a, b - 9)));
    else bytes[a] = (bytes[b] ?? 0) ^ (1 << (dice.uint32() % 8));
  }
  return bytes;
}

const SEEDS = ROUTES.flatMap((route, i) => {
  const sight = SIGHTS[i % SIGHTS.length];
  return (sight && moduleOfRoute(route, sight)) ?? [];
});

test('of mutated modules, what is accepted an engine compiles or refuses cleanly', t => {
  const dice = new Prng(11);
  let accepted = 0;
  let compiled = 0;
  for (let i = 0; i < 30_000; i++) {
    const bytes = mutated(SEEDS[i % SEEDS.length] ?? HEAD, dice);
    const seen = inspectWasm(bytes, 16);
    const prepared = prepareWasm(bytes);
    if (seen.kind === 'wasm') t.is(prepared.kind, 'wasm');
    if (prepared.kind !== 'wasm') continue;
    accepted++;
    // Closing NaNs changes nothing of what an engine thinks of a module.
    const isValid = WebAssembly.validate(bytes);
    t.is(WebAssembly.validate(prepared.bytes), isValid, `round ${i}`);
    if (isValid) compiled++;
    else
      t.throws(() => new WebAssembly.Module(prepared.bytes), {
        instanceOf: WebAssembly.CompileError,
      });
  }
  t.log(`${accepted} of 30,000 accepted, ${compiled} of these compile`);
  t.true(accepted > 1_000 && compiled > 500);
});

test('no bytes make any of it throw', t => {
  const whole = command({imports: importOf(WASI, 'fd_write', 0, 1)});
  const all = (bytes: Uint8Array): void => {
    outlineWasm(bytes, 16);
    inspectWasm(bytes, 16);
    boundMemory(bytes, 16);
    prepareWasm(bytes);
  };
  for (let length = 0; length < whole.length; length++) all(whole.subarray(0, length));
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 200}), tail => all(concat(HEAD, tail))),
    {numRuns: 3_000},
  );
  t.pass();
});
