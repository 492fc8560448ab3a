import test from 'ava';
import fc from 'fast-check';
import {toUtf8} from '../../src/base/bytes.ts';
import {
  areClose,
  COMPARED_BYTES_MAX,
  compareNumbers,
  type NumericCompare,
} from '../../src/core/compare.ts';

const how = (changes: Partial<NumericCompare> = {}): NumericCompare => ({
  kind: 'numeric',
  format: 'json',
  rtol: 1e-9,
  atol: 1e-12,
  ...changes,
});

const json = (a: string, b: string, changes: Partial<NumericCompare> = {}): string =>
  compareNumbers(how(changes), toUtf8(a), toUtf8(b)).kind;

const floats = (size: 4 | 8, ...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(size * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (size === 4) view.setFloat32(4 * i, value, true);
    else view.setFloat64(8 * i, value, true);
  });
  return bytes;
};

for (const [a, b, expected] of [
  ['1', '1.0', 'same'],
  ['1', '1.000000000000001', 'same'],
  ['1', '1.00000001', 'different'],
  ['0', '-0.0', 'same'],
  ['0', '1e-13', 'same'],
  ['0', '1e-11', 'different'],
  ['1e999', '1e999', 'same'],
  ['1e999', '1e308', 'different'],
  ['1e999', '-1e999', 'different'],
  ['[1,2,3]', '[1,2,3.0000000001]', 'same'],
  ['[1,2,3]', '[1,2]', 'different'],
  ['[1,2]', '[2,1]', 'different'],
  ['{"a":1,"b":[2,{"c":3}]}', ' { "b" : [2,{"c":3}], "a":1.0 }\n', 'same'],
  ['{"a":1}', '{"b":1}', 'different'],
  ['{"a":1}', '{"a":1,"b":1}', 'different'],
  ['{"toString":1}', '{"valueOf":1}', 'different'],
  ['{"__proto__":1}', '{"a":1}', 'different'],
  ['{"__proto__":1}', '{"__proto__":1.0}', 'same'],
  ['"1"', '"1.0"', 'different'],
  ['"x"', '"x"', 'same'],
  ['"1"', '1', 'different'],
  ['null', 'null', 'same'],
  ['null', '0', 'different'],
  ['null', '{}', 'different'],
  ['true', 'true', 'same'],
  ['true', '1', 'different'],
  ['[]', '{}', 'different'],
  ['[[]]', '[[]]', 'same'],
  ['{"a":1,"a":2}', '{"a":2}', 'same'],
] as const)
  test(`of JSON, ${a} and ${b.trim()} are ${expected}`, t => {
    t.is(json(a, b), expected);
    t.is(json(b, a), expected, 'the other way round');
  });

test('the relative tolerance counts for large numbers, the absolute one for small ones', t => {
  t.is(json('1000000', '1000000.9', {rtol: 1e-6, atol: 0}), 'same');
  t.is(json('1000000', '1000001.1', {rtol: 1e-6, atol: 0}), 'different');
  t.is(json('0.001', '0.0019', {rtol: 0, atol: 1e-3}), 'same');
  t.is(json('0.001', '0.0021', {rtol: 0, atol: 1e-3}), 'different');
  t.is(json('1', '1.0000000000000002', {rtol: 0, atol: 0}), 'different');
});

test('floats agree one by one, infinities and NaN with themselves alone', t => {
  for (const [format, size] of [
    ['f32', 4],
    ['f64', 8],
  ] as const) {
    const compare = (a: number[], b: number[]): string =>
      compareNumbers(how({format, rtol: 1e-5}), floats(size, ...a), floats(size, ...b)).kind;
    t.is(compare([], []), 'same');
    t.is(compare([1, 2], [1.000001, 2]), 'same');
    t.is(compare([1, 2], [1.001, 2]), 'different');
    t.is(compare([1], [1, 1]), 'different');
    t.is(compare([Number.NaN], [Number.NaN]), 'same');
    t.is(compare([Number.NaN], [1]), 'different');
    t.is(compare([Infinity], [Infinity]), 'same');
    t.is(compare([Infinity], [-Infinity]), 'different');
    t.is(compare([Infinity], [3e38]), 'different');
    t.is(compare([0], [-0]), 'same');
  }
});

test('a tolerance is the same both ways', t => {
  const number = fc.double();
  fc.assert(
    fc.property(number, number, fc.double({min: 0, max: 0.5, noNaN: true}), (x, y, rtol) => {
      const rule = how({rtol, atol: 1e-3});
      return areClose(x, y, rule) === areClose(y, x, rule) && areClose(x, x, rule);
    }),
  );
  t.pass();
});

test('any JSON is the same as itself written in another way', t => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const plain = toUtf8(JSON.stringify(value));
      const wide = toUtf8(JSON.stringify(value, undefined, 2));
      return compareNumbers(how(), plain, wide).kind === 'same';
    }),
  );
  t.pass();
});

const faultOf = (bytes: Uint8Array, changes: Partial<NumericCompare> = {}): string => {
  const comparison = compareNumbers(how(changes), bytes);
  return comparison.kind === 'failed' ? comparison.reason : comparison.kind;
};

test('an output that is not of its format is told with the reason', t => {
  t.is(faultOf(toUtf8('[1, 2]\n')), 'same');
  t.is(faultOf(toUtf8('')), 'the output is not JSON');
  t.is(faultOf(toUtf8('1 2')), 'the output is not JSON');
  t.is(faultOf(toUtf8('NaN')), 'the output is not JSON');
  t.is(faultOf(Uint8Array.of(0x22, 0xff, 0x22)), 'the output is not UTF-8');
  t.is(faultOf(new Uint8Array(6), {format: 'f32'}), '6 bytes are no whole number of f32 values');
  t.is(faultOf(new Uint8Array(12), {format: 'f64'}), '12 bytes are no whole number of f64 values');
  t.regex(faultOf(new Uint8Array(COMPARED_BYTES_MAX + 8), {format: 'f64'}), /more than/);
});

test('what would take far more memory parsed than written is not parsed', t => {
  t.is(faultOf(toUtf8(`${'['.repeat(64)}${']'.repeat(64)}`)), 'same');
  t.is(faultOf(toUtf8('['.repeat(65))), 'JSON nested deeper than 64');
  t.is(faultOf(toUtf8('{"a":'.repeat(1e6))), 'JSON nested deeper than 64');
  t.is(faultOf(toUtf8(`[${'[],'.repeat(6e5)}0]`)), 'JSON of more than 1048576 values');
  t.is(faultOf(toUtf8(JSON.stringify(`${'[,'.repeat(2e6)}\\"`))), 'same', 'not inside of strings');
});

test('one of two that cannot be compared fails both ways', t => {
  t.is(json('1', 'x'), 'failed');
  t.is(json('x', '1'), 'failed');
});
