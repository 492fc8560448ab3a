import test from 'ava';
import fc from 'fast-check';
import {AssertionError, assert, assertNever} from '../../src/base/assert.ts';
import {
  ByteReader,
  ByteWriter,
  concat,
  equalBytes,
  fromHex,
  fromUtf8,
  hex32,
  hex53,
  toHex,
  toUtf8,
  viewOf,
} from '../../src/base/bytes.ts';
import {ERRORS, type ErrorCode, VolleyError} from '../../src/base/errors.ts';
import {Heap} from '../../src/base/heap.ts';
import {Prng} from '../../src/base/prng.ts';
import {asBatchId, replicaId, workunitId} from '../../src/base/types.ts';

// xoshiro128** and splitmix32 once more, written from the papers with BigInt: slow and plain.
function reference(seed: number, count: number): number[] {
  const M = 0xffffffffn;
  const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & M;
  let state = BigInt(seed);
  const s: bigint[] = [];
  for (let i = 0; i < 4; i++) {
    state = (state + 0x9e3779b9n) & M;
    let z = state;
    z = ((z ^ (z >> 16n)) * 0x21f0aaadn) & M;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & M;
    s.push(z ^ (z >> 15n));
  }
  const out: number[] = [];
  let [a = 0n, b = 0n, c = 0n, d = 0n] = s;
  for (let i = 0; i < count; i++) {
    out.push(Number((rotl((b * 5n) & M, 7n) * 9n) & M));
    const shifted = (b << 9n) & M;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotl(d, 11n);
  }
  return out;
}

test('the dice are xoshiro128** seeded by splitmix32', t => {
  for (const seed of [0, 1, 42, 2 ** 32 - 1]) {
    const prng = new Prng(seed);
    t.deepEqual(
      Array.from({length: 200}, () => prng.uint32()),
      reference(seed, 200),
    );
  }
});

test('dice of a seed are known for ever: failures are quoted by seed', t => {
  const prng = new Prng(1);
  t.deepEqual([prng.uint32(), prng.uint32(), prng.uint32()], reference(1, 3));
  const big = new Prng(2 ** 40 + 7);
  t.deepEqual([big.uint32()], reference((2 ** 8) ^ 7, 1), 'both halves of a large seed count');
});

test('fractions are spread evenly', t => {
  const prng = new Prng(7);
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const x = prng.fraction();
    t.true(x >= 0 && x < 1);
    const bin = Math.floor(x * 10);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const chi = bins.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
  t.true(chi < 30, `chi squared ${chi}`); // 9 degrees of freedom: above 30 in 1 of 2,000
});

test('below, jitter, chance and pick stay in their ranges and reach the ends', t => {
  const prng = new Prng(3);
  const seen = new Set<number>();
  for (let i = 0; i < 1_000; i++) seen.add(prng.below(6));
  t.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
  for (let i = 0; i < 1_000; i++) {
    const jittered = prng.jitter(1_000);
    t.true(jittered >= 800 && jittered < 1_200);
  }
  t.is(prng.below(1), 0);
  t.false(prng.chance(0));
  t.true(prng.chance(1));
  const hits = Array.from({length: 10_000}, () => prng.chance(0.3)).filter(Boolean).length;
  t.true(hits > 2_800 && hits < 3_200);
  t.true(['a', 'b'].includes(prng.pick(['a', 'b'])));
  t.throws(() => prng.pick([]), {instanceOf: RangeError});
});

test('a fork does not depend on what its parent does afterwards', t => {
  const [a, b] = [new Prng(5), new Prng(5)];
  const [forkA, forkB] = [a.fork(), b.fork()];
  for (let i = 0; i < 10; i++) a.uint32();
  t.deepEqual(
    Array.from({length: 5}, () => forkA.uint32()),
    Array.from({length: 5}, () => forkB.uint32()),
  );
  t.not(forkA.uint32(), a.uint32());
});

test('a heap gives the least first, and equal ones in the order they came', t => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), {maxLength: 200}), numbers => {
      const heap = new Heap<number>();
      for (const [i, at] of numbers.entries()) heap.push(at, i);
      t.is(heap.size, numbers.length);
      const expected = numbers
        .map((at, i) => [at, i])
        .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0));
      for (const [at, i] of expected) {
        t.is(heap.peekAt(), at ?? -1);
        t.is(heap.peek() ?? -1, i ?? -1);
        t.is(heap.pop() ?? -1, i ?? -1);
      }
      t.is(heap.pop(), undefined);
      t.is(heap.peekAt(), Number.POSITIVE_INFINITY);
    }),
  );
  t.pass();
});

test('a heap stays right when pushes and pops are mixed', t => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20)), {maxLength: 300}), steps => {
      const heap = new Heap<number>();
      const model: {at: number; order: number}[] = [];
      for (const [order, at] of steps.entries()) {
        if (at !== null) {
          heap.push(at, order);
          model.push({at, order});
          continue;
        }
        model.sort((a, b) => a.at - b.at || a.order - b.order);
        t.is(heap.pop(), model.shift()?.order);
      }
    }),
  );
  t.pass();
});

test('hex and UTF-8 come back as they went', t => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string({unit: 'grapheme'}), (bytes, text) => {
      t.deepEqual(fromHex(toHex(bytes)), bytes);
      t.deepEqual(fromHex(toHex(bytes).toUpperCase()), bytes);
      t.is(fromUtf8(toUtf8(text)), text);
    }),
  );
  for (const bad of ['a', 'xx', '0g', ' 0', 'aé']) t.is(fromHex(bad), undefined);
  t.is(fromUtf8(new Uint8Array([0xc3])), undefined);
  t.is(fromUtf8(new Uint8Array([0xed, 0xa0, 0x80])), undefined);
});

test('concat and equalBytes', t => {
  t.deepEqual(concat(), new Uint8Array());
  t.deepEqual(
    concat(Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2, 3)),
    Uint8Array.of(1, 2, 3),
  );
  t.true(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  t.false(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  t.false(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)));
});

test('a view looks at the part, not at the whole', t => {
  const whole = Uint8Array.of(1, 2, 3, 4, 5, 6);
  t.is(viewOf(whole.subarray(2, 4)).getUint16(0), 0x0304);
  t.is(viewOf(whole.subarray(2, 4)).byteLength, 2);
});

test('numbers in keys sort as numbers', t => {
  t.is(hex32(255), '000000ff');
  t.is(hex32(2 ** 32 - 1), 'ffffffff');
  t.is(hex53(Number.MAX_SAFE_INTEGER), '1fffffffffffff');
  t.is(hex53(1).length, 14);
});

type Part =
  | {kind: 'varint'; value: number}
  | {kind: 'sized'; value: Uint8Array}
  | {kind: 'text'; value: string};
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({kind: fc.constant('varint' as const), value: fc.maxSafeNat()}),
  fc.record({kind: fc.constant('sized' as const), value: fc.uint8Array({maxLength: 600})}),
  fc.record({kind: fc.constant('text' as const), value: fc.string({unit: 'grapheme'})}),
);

test('a reader reads what a writer wrote', t => {
  fc.assert(
    fc.property(fc.array(part, {maxLength: 30}), parts => {
      const writer = new ByteWriter();
      for (const each of parts) {
        if (each.kind === 'varint') writer.varint(each.value);
        else if (each.kind === 'sized') writer.sized(each.value);
        else writer.text(each.value);
      }
      const reader = new ByteReader(writer.bytes());
      for (const each of parts) {
        if (each.kind === 'varint') t.is(reader.varint(), each.value);
        else if (each.kind === 'sized') t.deepEqual(reader.sized(), each.value);
        else t.is(reader.text(), each.value);
      }
      t.true(reader.done);
    }),
  );
  t.pass();
});

test('the ends of the range of a varint', t => {
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, 2 ** 53 - 1])
    t.is(new ByteReader(new ByteWriter().varint(value).bytes()).varint(), value);
});

test('reading past the end, or a varint without one, throws RangeError', t => {
  t.throws(() => new ByteReader(new Uint8Array()).varint(), {instanceOf: RangeError});
  t.throws(() => new ByteReader(Uint8Array.of(0x80)).varint(), {instanceOf: RangeError});
  t.throws(() => new ByteReader(new Uint8Array(20).fill(0x80)).varint(), {instanceOf: RangeError});
  t.throws(() => new ByteReader(Uint8Array.of(5, 1)).sized(), {instanceOf: RangeError});
  t.throws(() => new ByteReader(Uint8Array.of(1, 0xff)).text(), {instanceOf: RangeError});
  t.throws(() => new ByteReader(Uint8Array.of(1)).raw(2), {instanceOf: RangeError});
});

test('bytes of a writer are a copy, and it may be used on', t => {
  const writer = new ByteWriter().varint(1);
  const first = writer.bytes();
  writer.varint(2);
  t.deepEqual(first, Uint8Array.of(1));
  t.deepEqual(writer.bytes(), Uint8Array.of(1, 2));
});

test('an assertion that does not hold tells its story', t => {
  t.notThrows(() => assert(true, 'fine'));
  t.throws(() => assert(0, 'nought'), {instanceOf: AssertionError, message: 'nought'});
  t.throws(() => assertNever({kind: 'strange'} as never), {
    instanceOf: AssertionError,
    message: /strange/,
  });
});

test('errors have a code, a text for people with its fields, and their cause', t => {
  const cause = new Error('origin');
  const error = new VolleyError('VOLLEY_TOO_LARGE', {what: 'input', size: 5, limit: 4}, cause);
  t.is(error.message, 'input is 5 bytes; at most 4 are allowed');
  t.is(error.cause, cause);
  t.like(error, {code: 'VOLLEY_TOO_LARGE', exitCode: 2, httpStatus: 413});
  t.is(new VolleyError('VOLLEY_USAGE').message, '?');
  for (const code of Object.keys(ERRORS) as ErrorCode[])
    t.true(new VolleyError(code).message.length > 0 && code.startsWith('VOLLEY_'));
});

test('ids for people', t => {
  t.is(workunitId(asBatchId(3), 7), '3/7' as never);
  t.is(replicaId(asBatchId(3), 7, 1), '3/7/1' as never);
});
