import test from 'ava';
import fc from 'fast-check';
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
