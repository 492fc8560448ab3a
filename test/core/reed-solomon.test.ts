import {ReedSolomonErasure} from '@subspace/reed-solomon-erasure.wasm';
import test from 'ava';
import fc from 'fast-check';
import {inverse, invert, multiply, power} from '../../src/core/galois.ts';
import {paritySymbol, recoverSources, SYMBOLS_MAX} from '../../src/core/reed-solomon.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test('the published vector of five and five', t => {
  // klauspost/reedsolomon, TestOneEncode; the same in Backblaze's and the Rust reed-solomon-erasure.
  const sources = [bytes(0, 1), bytes(4, 5), bytes(2, 3), bytes(6, 7), bytes(8, 9)];
  const parity = [5, 6, 7, 8, 9].map(no => paritySymbol(sources, no));
  t.deepEqual(parity, [bytes(12, 13), bytes(10, 11), bytes(14, 15), bytes(90, 91), bytes(94, 95)]);
});

test('the field is that of 0x11d', t => {
  t.is(multiply(3, 4), 12);
  t.is(multiply(7, 7), 21);
  t.is(multiply(23, 45), 41);
  t.is(power(2, 8), 0x1d);
  t.is(power(0, 0), 1);
  t.is(power(5, 20), 235);
  for (let a = 1; a < 256; a++) t.is(multiply(a, inverse(a)), 1);
});

test('a matrix with two equal rows has no inverse', t => {
  t.is(invert([bytes(1, 2), bytes(1, 2)]), undefined);
  t.deepEqual(invert([bytes(1, 0), bytes(0, 1)]), [bytes(1, 0), bytes(0, 1)]);
});

test('the same parity as that of the library in Rust', async t => {
  // reed-solomon-erasure, compiled to wasm: it makes all parity of a block at once, and we one symbol when it is wanted
  const library = await ReedSolomonErasure.fromCurrentDirectory();
  for (const k of [1, 2, 7, 64, 128]) {
    const [m, length] = [Math.min(100, SYMBOLS_MAX - k), 9];
    const shards = Uint8Array.from(
      {length: (k + m) * length},
      (_, i) => (i * i + 31 * i + k) % 251,
    );
    const sources = Array.from({length: k}, (_, i) => shards.slice(i * length, (i + 1) * length));
    t.is(library.encode(shards, k, m), 0);
    for (let no = k; no < k + m; no++)
      t.deepEqual(paritySymbol(sources, no), shards.slice(no * length, (no + 1) * length));
  }
});

/** Losses of a block, and which parity came in their place. */
const losses = fc
  .tuple(fc.integer({min: 1, max: 128}), fc.integer({min: 1, max: 24}))
  .chain(([k, length]) =>
    fc.record({
      sources: fc.array(fc.uint8Array({minLength: length, maxLength: length}), {
        minLength: k,
        maxLength: k,
      }),
      lost: fc.uniqueArray(fc.integer({min: 0, max: k - 1}), {
        maxLength: Math.min(k, SYMBOLS_MAX - k),
      }),
      order: fc.shuffledSubarray(
        Array.from({length: SYMBOLS_MAX - k}, (_, i) => k + i),
        {minLength: Math.min(k, SYMBOLS_MAX - k)},
      ),
    }),
  );

test('any losses are made good by as many parity symbols, whichever they are', t => {
  fc.assert(
    fc.property(losses, ({sources, lost, order}) => {
      const came = sources.map((source, i) => (lost.includes(i) ? undefined : source));
      const parity = order
        .slice(0, lost.length)
        .map(no => ({no, bytes: paritySymbol(sources, no)}));
      t.deepEqual(recoverSources(came, parity), sources);
      if (lost.length > 0) t.is(recoverSources(came, parity.slice(1)), undefined);
    }),
    {numRuns: 60},
  );
});

test('nothing lost needs nothing', t => {
  const sources = [bytes(1, 2), bytes(3, 4)];
  t.deepEqual(recoverSources(sources, []), sources);
});
