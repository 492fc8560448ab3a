import test from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {openHere, type RunHere} from './app-rig.ts';

let run: RunHere;
test.before(async () => {
  run = await openHere('seti');
});

/** `frequency` is that in the middle of the block; a power of 1 is that of the noise, in each sample. */
type Signal = {readonly frequency: number; readonly drift: number; readonly power: number};
type Hit = Signal;

const MIDDLE = 1_420_405_751;

/** Noise of variance 1 with signals in it: pairs of I and Q. */
function receive(count: number, rate: number, seed: number, signals: readonly Signal[]): number[] {
  const dice = new Prng(seed);
  const phase = dice.fraction();
  return Array.from({length: count}, (_, i) => {
    // Box and Muller: two normal values of variance 1/2.
    const size = Math.sqrt(-Math.log(1 - dice.fraction()));
    const turn = 2 * Math.PI * dice.fraction();
    let [re, im] = [size * Math.cos(turn), size * Math.sin(turn)];
    const t = (i - count / 2) / rate;
    for (const {frequency, drift, power} of signals) {
      const angle = 2 * Math.PI * (phase + (frequency - MIDDLE) * t + 0.5 * drift * t * t);
      re += Math.sqrt(power) * Math.cos(angle);
      im += Math.sqrt(power) * Math.sin(angle);
    }
    return [re, im];
  }).flat();
}

function blockOf(format: 'IQ08' | 'IQ32', rate: number, values: readonly number[]): Buffer {
  const head = Buffer.alloc(24);
  head.write(format);
  head.writeUInt32LE(values.length / 2, 4);
  head.writeDoubleLE(rate, 8);
  head.writeDoubleLE(MIDDLE, 16);
  const body =
    format === 'IQ08'
      ? Int8Array.from(values, value => Math.max(-127, Math.min(127, Math.round(value * 20))))
      : Float32Array.from(values);
  return Buffer.concat([head, new Uint8Array(body.buffer)]);
}

const hitsOf = (out: Buffer): Hit[] =>
  String(out)
    .split('\n')
    .slice(0, -1)
    .map(line => {
      const [frequency = 0, drift = 0, power = 0] = line.split(',').map(Number);
      return {frequency, drift, power};
    });

type Air = {readonly count?: number; readonly rate?: number; readonly seed: number};

function search(
  {count = 16_384, rate = 16_384, seed}: Air,
  signals: readonly Signal[],
  args: readonly string[] = [],
  format: 'IQ08' | 'IQ32' = 'IQ32',
): Hit[] {
  return hitsOf(run(blockOf(format, rate, receive(count, rate, seed, signals)), args));
}

for (const format of ['IQ08', 'IQ32'] as const)
  test(`a drifting signal 20 dB below the noise is found: ${format}`, t => {
    const places = [
      {frequency: MIDDLE + 3_000, drift: 0},
      {frequency: MIDDLE - 5_000.3, drift: 7.4},
      {frequency: MIDDLE + 0.4, drift: -9.6},
      {frequency: MIDDLE - 8_100, drift: 4},
    ];
    for (const [seed, place] of places.entries()) {
      const hits = search({seed}, [{...place, power: 0.01}], [], format);
      const told = JSON.stringify({place, hits});
      t.is(hits.length, 1, told);
      // A bin is 1 Hz, a step of the drift 1 Hz/s.
      t.true(Math.abs((hits[0]?.frequency ?? 0) - place.frequency) <= 1, told);
      t.true(Math.abs((hits[0]?.drift ?? 0) - place.drift) <= 1, told);
    }
  });

test('bins and drifts are as wide as the length of the block says', t => {
  // 2 s: bins of 0.5 Hz, drifts of 0.25 Hz/s.
  const air = {count: 8_192, rate: 4_096, seed: 1};
  const [hit] = search(air, [{frequency: MIDDLE - 700.5, drift: 1.75, power: 0.05}], ['3']);
  t.is(hit?.frequency, MIDDLE - 700.5);
  t.is(hit?.drift, 1.75);
});

test('the power is what theory says: N A²/σ²', t => {
  const seeds = Array.from({length: 8}, (_, i) => i + 50);
  const powers = seeds.map(seed => {
    const signal = {frequency: MIDDLE + 2_000, drift: 3, power: 0.01};
    return search({seed}, [signal], ['4'])[0]?.power ?? 0;
  });
  // Signal and noise in one bin: mean S+1 and deviation √(2S+1), S = 163.84.
  const expected = 16_384 * 0.01;
  const deviation = Math.sqrt(2 * expected + 1);
  for (const power of powers) t.true(Math.abs(power - expected - 1) < 4 * deviation, `${power}`);
  const mean = powers.reduce((sum, power) => sum + power, 0) / powers.length;
  t.true(Math.abs(mean - expected - 1) < (4 * deviation) / Math.sqrt(powers.length), `${mean}`);
});

test('nothing is found in noise', t => {
  // 40 blocks at 0.01 false alarms: 0.4 are expected at most.
  const hits = Array.from({length: 40}, (_, i) =>
    search({count: 2_048, rate: 2_048, seed: 900 + i}, []),
  );
  t.deepEqual(hits.flat(), []);
});

test('as many false alarms come as were asked for', t => {
  // 100 blocks at one each, without drift so that all trials are independent: 100, give or take 10.
  const found = Array.from({length: 100}, (_, i) =>
    search({count: 1_024, rate: 1_024, seed: 2_000 + i}, [], ['0', '1']),
  ).flat().length;
  t.true(found > 65 && found < 135, `${found} false alarms`);
});

test('two signals are two lines, the stronger first, and a strong one is no more than one', t => {
  const strong = {frequency: MIDDLE + 1_000.5, drift: -2, power: 1};
  const weak = {frequency: MIDDLE - 1_500, drift: 6, power: 0.02};
  t.is(search({seed: 5}, [strong]).length, 1);
  const hits = search({seed: 5}, [weak, strong]);
  t.deepEqual(
    hits.map(({frequency, drift}) => [Math.round(frequency / 2), drift]),
    [strong, weak].map(({frequency, drift}) => [Math.round(frequency / 2), drift]),
  );
});

test('silence has no signals', t => {
  t.is(String(run(blockOf('IQ08', 1_000, new Array(128).fill(0)))), '');
});

test('what makes no sense is refused with a reason', t => {
  const block = blockOf('IQ32', 1_000, receive(64, 1_000, 1, []));
  const changed = (change: (block: Buffer) => void): Buffer => {
    const copy = Buffer.from(block);
    change(copy);
    return copy;
  };
  for (const [input, args, reason] of [
    ['', [], /IQ08 or IQ32/],
    ['IQ16'.padEnd(100), [], /IQ08 or IQ32/],
    [block.subarray(0, -1), [], /not as many samples/],
    [changed(copy => copy.writeUInt32LE(63, 4)), [], /samples are not 16/],
    [changed(copy => copy.writeDoubleLE(0, 8)), [], /sample rate/],
    [changed(copy => copy.writeDoubleLE(Number.NaN, 16)), [], /frequency/],
    [changed(copy => copy.writeFloatLE(Number.NaN, 40)), [], /sample is not a number/],
    [block, ['fast'], /not a number/],
    [block, ['-1'], /drift/],
    [block, ['1e9'], /at most 10000 bins/],
    [block, ['1', '0'], /false alarms/],
  ] as const)
    t.throws(() => run(input, args), {message: reason}, `${reason}`);
});
