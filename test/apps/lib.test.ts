// src/apps/lib in an app of its own: numbers against JavaScript, which reads and writes them exactly, and the Fourier
// transform against its definition.

import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {compile, manifestOf, RunnerRig} from '../io/runner-rig.ts';

const APP = `
import {inputAt, inputLength, readAll, write} from "./lib/wasi";
import {fft, prepareFft} from "./lib/fft";
import {parseDecimal, parsedEnd} from "./lib/decimal";
import {byte, decimal, flush} from "./lib/text";
const bits = memory.data(8);
/** "w" and f64s → lines; "r" and lines → f64s, NaN for what is no number to its end; "f" and pairs of f64 → pairs. */
export function _start(): void {
  if (inputAt == 0) readAll();
  if (load<u8>(inputAt) == 0x77) {
    for (let at = inputAt + 1; at < inputAt + inputLength; at += 8) {
      decimal(load<f64>(at));
      byte(10);
    }
    return flush();
  }
  if (load<u8>(inputAt) == 0x66) {
    prepareFft(inputLength / 16);
    fft(inputAt + 1);
    return write(inputAt + 1, inputLength - 1);
  }
  let at = inputAt + 1;
  const end = inputAt + inputLength;
  while (at < end) {
    let stop = at;
    while (load<u8>(stop) != 10) stop++;
    const value = parseDecimal(at, stop);
    store<f64>(bits, parsedEnd == stop ? value : NaN);
    write(bits, 8);
    at = stop + 1;
  }
}
`;

let rig: RunnerRig;
test.before(async () => {
  rig = new RunnerRig().add(manifestOf('lib'), await compile(APP));
});
test.after.always(() => rig.runner.close());

async function write(values: readonly number[]): Promise<string[]> {
  const floats = new Uint8Array(new Float64Array(values).buffer);
  const out = await rig.bytes(rig.run('lib', Buffer.concat([Buffer.from('w'), floats])));
  return String(out).trimEnd().split('\n');
}

async function read(texts: readonly string[]): Promise<number[]> {
  const input = `r${texts.map(text => `${text}\n`).join('')}`;
  const out = await rig.bytes(rig.run('lib', input));
  return Array.from({length: out.length / 8}, (_, i) => out.readDoubleLE(8 * i));
}

/** Bits at random: all exponents, both signs, no NaN and no infinity. */
function randomValues(count: number): number[] {
  const dice = new Prng(11);
  const values: number[] = [];
  while (values.length < count) {
    const [value = 0] = new Float64Array(new Uint32Array([dice.uint32(), dice.uint32()]).buffer);
    if (Number.isFinite(value)) values.push(value);
  }
  return values;
}

const EDGES = [
  0,
  -0,
  1,
  -1,
  0.1,
  0.2,
  0.1 + 0.2,
  1 / 3,
  100,
  1e21,
  1e22,
  1e23,
  123456789012345680000,
  1e-6,
  1e-7,
  5e-324,
  2.2250738585072014e-308,
  2.225073858507201e-308,
  Number.MAX_VALUE,
  Number.MIN_VALUE * 3,
  2 ** 53,
  2 ** 53 - 1,
  2 ** 60,
  2 ** 53 + 2,
  4.35,
  0.000001234,
  5e-320,
  Math.PI,
  Math.E * 1e100,
];

test.serial('what is written reads back as the same bits', async t => {
  const values = [...EDGES, ...randomValues(1_500)];
  const texts = await write(values);
  t.is(texts.length, values.length);
  for (const [i, value] of values.entries()) t.true(Object.is(Number(texts[i]), value), texts[i]);
});

test.serial('a number is written as JavaScript does it when it has at least 15 digits', async t => {
  const dice = new Prng(12);
  const values = Array.from({length: 500}, () => (dice.uint32() / 3) * 10 ** (dice.below(40) - 20));
  for (const value of [...values]) values.push(Math.round(value * 100) / 100 || 1);
  const texts = await write(values);
  for (const [i, value] of values.entries()) t.is(texts[i], String(value));
});

test.serial('each text is read as the nearest number', async t => {
  const values = randomValues(600);
  const texts = [
    ...values.map(value => String(value)),
    ...values.map(value => value.toPrecision(17)),
    // Half way between two numbers, and a little to each side of it.
    '9007199254740993',
    '9007199254740993.00000000000000000001',
    '9007199254740992.9999999999999999999',
    '2.4703282292062327e-324',
    '2.4703282292062328e-324',
    '2.47e-324',
    '7.4109846876186981626e-324',
    '1.7976931348623157e308',
    '1.7976931348623158e308',
    '2.2250738585072011e-308',
    '1e-400',
    '-1e-400',
    '0.1000000000000000055511151231257827021181583404541015625',
    '00012.50',
    '+7',
    '.5',
    '5.',
    '1E3',
    '123456789012345678901234567890',
    '8.5e22',
    '1e23',
    '0e999999999',
    '6.02214076E+23',
    '1e22',
    '3e-22',
  ];
  const found = await read(texts);
  t.is(found.length, texts.length);
  for (const [i, text] of texts.entries()) t.true(Object.is(found[i], Number(text)), text);
});

test.serial('what is no number, or none that is finite, is not read', async t => {
  const texts = [
    '',
    '-',
    '.',
    'e5',
    '1.2.3',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'inf',
    '1 ',
    '--1',
    '1e309',
  ];
  texts.push('1.7976931348623159e308', '1'.repeat(65), '9'.repeat(400));
  for (const [i, value] of (await read(texts)).entries()) t.is(value, Number.NaN, texts[i]);
});

// ---- the Fourier transform ----------------------------------------------------------------------

async function fft(pairs: Float64Array): Promise<Float64Array> {
  const input = Buffer.concat([Buffer.from('f'), new Uint8Array(pairs.buffer)]);
  const out = await rig.bytes(rig.run('lib', input));
  return new Float64Array(new Uint8Array(out).buffer);
}

/** The definition. */
function naive(pairs: Float64Array): Float64Array {
  const count = pairs.length / 2;
  const out = new Float64Array(pairs.length);
  for (let k = 0; k < count; k++)
    for (let t = 0; t < count; t++) {
      const angle = (-2 * Math.PI * ((k * t) % count)) / count;
      const [re = 0, im = 0] = pairs.subarray(2 * t);
      out[2 * k] = (out[2 * k] ?? 0) + re * Math.cos(angle) - im * Math.sin(angle);
      out[2 * k + 1] = (out[2 * k + 1] ?? 0) + re * Math.sin(angle) + im * Math.cos(angle);
    }
  return out;
}

const furthest = (a: Float64Array, b: Float64Array): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN))));

for (const count of [1, 2, 4, 8, 32, 512])
  test.serial(`a transform of ${count} numbers is what the definition says`, async t => {
    const dice = new Prng(count);
    const pairs = Float64Array.from({length: 2 * count}, () => 2 * dice.fraction() - 1);
    const [found, expected] = [await fft(pairs), naive(pairs)];
    t.true(furthest(found, expected) < 1e-12, `${furthest(found, expected)}`);
  });

test.serial('a tone is one line of the spectrum', async t => {
  const [count, bin] = [4_096, 1_234];
  const pairs = Float64Array.from({length: 2 * count}, (_, i) => {
    const angle = (2 * Math.PI * ((bin * (i >> 1)) % count)) / count;
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
  const expected = new Float64Array(2 * count);
  expected[2 * bin] = count;
  t.true(furthest(await fft(pairs), expected) < 1e-9);
});
