import test from 'ava';
import {openHere, type RunHere} from './app-rig.ts';

let run: RunHere;
test.before(async () => {
  run = await openHere('heat');
});

type Plate = {
  readonly width: number;
  readonly height: number;
  readonly strips: number;
  readonly steps: number;
  readonly start?: 'square' | 'sine';
};

const argsOf = ({width, height, strips, steps, start}: Plate): string[] => [
  ...[width, height, strips, steps].map(String),
  ...(start === undefined ? [] : [start]),
];

/** The outputs of the last round, by the master's rule: each strip is given its neighbours. */
function inStrips(plate: Plate, rounds: number): Buffer[] {
  const args = argsOf(plate);
  let outputs = Array.from({length: plate.strips}, (_, i) => run(`${i} ${i + 1}\n`, args));
  for (let round = 1; round < rounds; round++)
    outputs = outputs.map((_, i) =>
      run(Buffer.concat(outputs.slice(Math.max(0, i - 1), i + 2)), args),
    );
  return outputs;
}

const HEAD_BYTES = 40;

/** The values of all strips, one behind the other. */
const valuesOf = (outputs: readonly Buffer[]): Float64Array =>
  new Float64Array(
    new Uint8Array(Buffer.concat(outputs.map(output => output.subarray(HEAD_BYTES)))).buffer,
  );

/** A run in one piece, by another program. */
function serial({width, height}: Plate, steps: number): Float64Array {
  let now = new Float64Array(width * height);
  for (let y = Math.floor(height / 4); y < height - Math.floor(height / 4); y++)
    for (let x = Math.floor(width / 4); x < width - Math.floor(width / 4); x++) {
      const isBorder = x === 0 || y === 0 || x === width - 1 || y === height - 1;
      now[y * width + x] = isBorder ? 0 : 100;
    }
  for (let step = 0; step < steps; step++) {
    const then = new Float64Array(width * height);
    const at = (y: number, x: number): number => now[y * width + x] as number;
    for (let y = 1; y < height - 1; y++)
      for (let x = 1; x < width - 1; x++) {
        const beside = at(y, x - 1) + at(y, x + 1);
        const across = at(y - 1, x) + at(y + 1, x);
        then[y * width + x] = at(y, x) + 0.125 * (beside + across - 4 * at(y, x));
      }
    now = then;
  }
  return now;
}

const PLATES: readonly (readonly [string, Plate, number])[] = [
  ['8 strips of 8 rows, 4 steps a round', {width: 64, height: 64, strips: 8, steps: 4}, 12],
  ['strips as high as the steps', {width: 33, height: 24, strips: 8, steps: 3}, 9],
  ['strips of different heights', {width: 20, height: 41, strips: 6, steps: 6}, 7],
  ['strips of one row', {width: 16, height: 12, strips: 12, steps: 1}, 30],
  ['three strips', {width: 9, height: 17, strips: 3, steps: 5}, 10],
  ['one strip', {width: 12, height: 9, strips: 1, steps: 9}, 4],
  ['the smallest plate', {width: 3, height: 3, strips: 3, steps: 1}, 5],
];
for (const [name, plate, rounds] of PLATES)
  test(`the bits are those of a run in one piece: ${name}`, t => {
    const found = valuesOf(inStrips(plate, rounds));
    const expected = serial(plate, rounds * plate.steps);
    t.deepEqual(Buffer.from(found.buffer), Buffer.from(expected.buffer));
    t.true(expected.some(value => value > 0));
  });

test('a strip says which it is', t => {
  const plate = {width: 20, height: 41, strips: 6, steps: 6};
  const outputs = inStrips(plate, 2);
  const words = (output: Buffer): number[] =>
    Array.from({length: 7}, (_, i) => output.readUInt32LE(4 + 4 * i));
  t.is(String(outputs[1]?.subarray(0, 4)), 'heat');
  t.deepEqual(words(outputs[1] as Buffer), [1, 6, 20, 41, 6, 7, 0]);
  t.deepEqual(words(outputs[5] as Buffer), [5, 6, 20, 41, 34, 7, 0]);
  t.is(outputs[5]?.readBigUInt64LE(32), 12n);
});

test('a sine decays as the heat equation says', t => {
  const plate: Plate = {width: 65, height: 49, strips: 7, steps: 7, start: 'sine'};
  const [rounds, r, hot] = [20, 0.125, 100];
  const values = valuesOf(inStrips(plate, rounds));
  const steps = rounds * plate.steps;
  const [p, q] = [Math.PI / (plate.width - 1), Math.PI / (plate.height - 1)];
  // What a step leaves of this mode on this grid, and what the differential equation leaves of it.
  const left = (1 - 4 * r * (Math.sin(p / 2) ** 2 + Math.sin(q / 2) ** 2)) ** steps;
  const ideal = Math.exp(-r * (p * p + q * q) * steps);
  t.true(left < 0.9);
  let [worst, furthest] = [0, 0];
  for (let y = 0; y < plate.height; y++)
    for (let x = 0; x < plate.width; x++) {
      const mode = hot * Math.sin(p * x) * Math.sin(q * y);
      const value = values[y * plate.width + x] as number;
      worst = Math.max(worst, Math.abs(value - mode * left));
      furthest = Math.max(furthest, Math.abs(value - mode * ideal));
    }
  t.true(worst < 1e-11, `${worst} from the mode of the grid`);
  t.true(furthest < 0.02, `${furthest} from the mode of the plate`);
});

test('what makes no sense is refused with a reason', t => {
  const plate: Plate = {width: 8, height: 8, strips: 4, steps: 2};
  const args = argsOf(plate);
  const [first, second, third] = inStrips(plate, 1) as [Buffer, Buffer, Buffer];
  const later = run(Buffer.concat([first, second]), args);
  const sizes = (...sizes: (number | string)[]): string[] => sizes.map(String);
  for (const [input, given, reason] of [
    ['0 1\n', [], /width/],
    ['0 1\n', sizes(8, 2, 1, 1), /height/],
    ['0 1\n', sizes(8, 8, 9, 1), /at most one for each row/],
    ['0 1\n', sizes(8, 8, 2, 1), /two strips/],
    ['0 1\n', sizes(8, 8, 4, 3), /rows of a strip/],
    ['0 1\n', sizes(8, 8, 4, 0), /at least 1/],
    ['0 1\n', sizes(8, 8, 4, 2, 'round'), /square or sine/],
    ['0 1\n', sizes(16_384, 16_384, 3, 2), /4 MiB/],
    ['0 2\n', args, /--chunk 1/],
    ['4 5\n', args, /not so many/],
    ['x', args, /neither/],
    [first, args, /--halo 1/],
    [Buffer.concat([first, third]), args, /not neighbours/],
    [Buffer.concat([later, second]), args, /different rounds/],
    [Buffer.concat([first, second.subarray(1)]), args, /neither/],
    [Buffer.concat([first, second]).subarray(0, -1), args, /cut short/],
    [Buffer.concat([first, second]), sizes(8, 8, 8, 1), /another plate/],
  ] as const)
    t.throws(() => run(input, given), {message: reason}, `${reason}`);
});
