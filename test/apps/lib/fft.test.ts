import test from 'ava';
import {Prng} from '../../../src/base/prng.ts';
import {compile, manifestOf, RunnerRig} from '../../io/runner-rig.ts';

const APP = `
import {inputAt, inputLength, readAll, write} from "./lib/wasi";
import {fft, prepareFft} from "./lib/fft";
export function _start(): void {
  readAll();
  prepareFft(inputLength / 16);
  fft(inputAt);
  write(inputAt, inputLength);
}
`;

let rig: RunnerRig;
test.before(async () => {
  rig = new RunnerRig().add(manifestOf('fft'), await compile(APP));
});
test.after.always(() => rig.runner.close());

async function fft(pairs: Float64Array): Promise<Float64Array> {
  const out = await rig.bytes(rig.run('fft', new Uint8Array(pairs.buffer)));
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
