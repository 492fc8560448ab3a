import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {prepareWasm} from '../../src/core/wasm.ts';
import {F32, F64, moduleOf, runPrepared, runRaw, V128} from './wasm-builder.ts';
import {randomProgram} from './wasm-random.ts';
import {moduleOfRoute, OUT, ROUTES, SIGHTS, WORLD} from './wasm-routes.ts';

/** The lanes of 16 bytes, each as hex, of a width. */
const lanes = (bytes: Uint8Array, width: number): string[] =>
  Array.from({length: 16 / width}, (_, i) =>
    toHex(bytes.slice(i * width, (i + 1) * width).reverse()),
  );

const isNan = (lane: string): boolean => {
  const magnitude = BigInt(`0x${lane}`) & ((1n << BigInt(4 * lane.length - 1)) - 1n);
  return magnitude > (lane.length === 8 ? 0x7f800000n : 0x7ff0000000000000n);
};
const CANONICAL = ['7fc00000', '7ff8000000000000'];
const TURNED = ['ffc00000', 'fff8000000000000'];

const widthOf = (route: {readonly name: string; readonly type: number}): number => {
  if (route.type === F32) return 4;
  if (route.type === F64) return 8;
  return /^f32x4/.test(route.name) ? 4 : 8;
};

for (const sight of SIGHTS)
  test(`a NaN of any origin has the canonical bits when it is seen ${sight.name}`, t => {
    let nans = 0;
    for (const route of ROUTES) {
      const module = moduleOfRoute(route, sight);
      if (module === undefined) continue;
      const out = runPrepared(module, WORLD).slice(OUT, OUT + 16);
      if (sight.name === 'its sign copied') {
        const expected = {[F32]: '3f800000', [F64]: '3ff0000000000000'}[route.type];
        if (expected === undefined) t.deepEqual(out, complement(route));
        else t.is(lanes(out, widthOf(route))[0], expected, route.name);
        nans++;
        continue;
      }
      if (sight.name === 'by a lane' && route.type === V128) {
        t.deepEqual(out.slice(0, 8), out.slice(8), route.name);
        nans++;
        continue;
      }
      const allowed = sight.name === 'its sign turned' ? turnedOf(route.type) : CANONICAL;
      const found = lanes(out, widthOf(route)).filter(isNan);
      for (const lane of found) t.true(allowed.includes(lane), `${route.name}: ${lane}`);
      nans += found.length;
    }
    t.true(nans > 40, `only ${nans} NaNs`);
  });

/** f64x2.neg turns every second lane of an f32x4. */
const turnedOf = (type: number): string[] => (type === V128 ? [...TURNED, ...CANONICAL] : TURNED);

/** Of v128.not: what was turned bit by bit is canonical, too. */
function complement(route: (typeof ROUTES)[number]): Uint8Array {
  const plain = SIGHTS[0];
  const module = plain === undefined ? undefined : moduleOfRoute(route, plain);
  if (module === undefined) throw new Error('no such route');
  return runPrepared(module, WORLD)
    .slice(OUT, OUT + 16)
    .map(byte => byte ^ 0xff);
}

test('without the pass this processor shows bits of its own', t => {
  const [stored] = SIGHTS;
  const bits = new Set<string>();
  for (const route of ROUTES) {
    const module = stored === undefined ? undefined : moduleOfRoute(route, stored);
    if (module === undefined || route.type !== F64) continue;
    bits.add(lanes(runRaw(module, WORLD).slice(OUT, OUT + 16), 8)[0] ?? '');
  }
  t.true(bits.size > 1, [...bits].join(' '));
});

test('a NaN that is loaded, kept and stored stays as it is', t => {
  const load = [0x41, 32, 0x2b, 3, 0];
  const store = [0x39, 3, 0];
  const at = [0x41, 0x80, 4];
  const zero = [0x44, 0, 0, 0, 0, 0, 0, 0, 0];
  const codes = {
    plain: [...at, ...load, ...store],
    local: [...load, 0x21, 0, ...at, 0x20, 0, ...store],
    // The local is also given the result of arithmetic, before and after.
    shared: [
      ...[...zero, ...zero, 0xa3, 0x21, 0, ...load, 0x21, 0, ...at, 0x20, 0, ...store],
      ...[...zero, ...zero, 0xa3, 0x21, 0],
    ],
    global: [...load, 0x24, 0, ...zero, ...zero, 0xa0, 0x1a, ...at, 0x23, 0, ...store],
    chosen: [...at, ...load, ...zero, ...zero, 0xa3, 0x41, 1, 0x1b, ...store],
    reinterpreted: [...at, ...load, 0xbd, 0xbf, ...store],
  };
  for (const [name, code] of Object.entries(codes)) {
    const module = moduleOf({functions: [{locals: [1, F64], code}], globals: [[F64, ...zero]]});
    const out = runPrepared(module, WORLD).slice(OUT, OUT + 8);
    t.is(toHex(out.reverse()), 'fff4000000000002', name);
  }
});

test('a module without floating-point arithmetic keeps its code to the byte', t => {
  const code = [0x41, 0, 0x41, 8, 0x2b, 3, 0, 0x39, 3, 0];
  const module = moduleOf({functions: [{code}]});
  const prepared = prepareWasm(module);
  t.is(prepared.kind === 'wasm' ? prepared.closings : -1, 0);
  const hex = prepared.kind === 'wasm' ? toHex(prepared.bytes) : '';
  t.true(hex.includes(toHex(new Uint8Array(code))));
});

test('a chain of operations is closed once, at its end', t => {
  const one = [0x41, 0, 0x2b, 3, 0];
  const sum = [...one, ...one, 0xa3, ...one, 0xa0, ...one, 0xa2];
  const code = [...sum, 0x21, 0, 0x20, 0, ...one, 0xa0, 0x21, 0];
  const stored = [...code, 0x41, 0, 0x20, 0, 0x39, 3, 0];
  const closings = (code: number[]): number => {
    const prepared = prepareWasm(moduleOf({functions: [{locals: [1, F64], code}]}));
    return prepared.kind === 'wasm' ? prepared.closings : -1;
  };
  t.is(closings(code), 0);
  t.is(closings(stored), 1);
});

test('random programs give what the deterministic profile of the standard says', t => {
  let nans = 0;
  for (let seed = 0; seed < 1_500; seed++) {
    const {module, expected} = randomProgram(seed);
    const out = runPrepared(module, WORLD).slice(OUT, OUT + expected.length);
    t.is(toHex(out), toHex(expected), `seed ${seed}`);
    nans += toHex(expected).includes('f87f') ? 1 : 0;
  }
  t.true(nans > 200, `only ${nans} programs show a NaN`);
});
