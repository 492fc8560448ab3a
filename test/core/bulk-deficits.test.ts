import test from 'ava';
import fc from 'fast-check';
import {packDeficits, runsOf, unpackDeficits} from '../../src/core/bulk-deficits.ts';
import {DEFICIT_BYTES_MAX} from '../../src/wire/limits.ts';

test('what is packed comes out again, as far as it was taken', t => {
  const some = fc.array(fc.oneof(fc.constant(0), fc.integer({min: 0, max: 128})), {maxLength: 400});
  fc.assert(
    fc.property(some, deficits => {
      const packed = packDeficits(runsOf(deficits));
      t.true(packed.length <= DEFICIT_BYTES_MAX);
      const runs = unpackDeficits(packed, deficits.length) ?? [];
      const back = runs.flatMap(({deficit, length}) => new Array<number>(length).fill(deficit));
      t.deepEqual(back, deficits.slice(0, back.length));
      if (runsOf(deficits).length <= 133) t.is(back.length, deficits.length);
    }),
  );
});

test('who has nothing of a gigabyte says so in few bytes', t => {
  t.true(packDeficits(runsOf(new Array(11_985).fill(64))).length <= 4);
});

test('nonsense is told from deficits', t => {
  t.is(unpackDeficits(Uint8Array.of(5), 10), undefined, 'cut short');
  t.is(unpackDeficits(Uint8Array.of(5, 11), 10), undefined, 'more blocks than there are');
  t.is(unpackDeficits(Uint8Array.of(5, 0), 10), undefined, 'a run of none');
  t.is(unpackDeficits(Uint8Array.of(0x81, 1, 1), 10), undefined, 'more than a block has');
  t.deepEqual(unpackDeficits(new Uint8Array(), 10), []);
  fc.assert(
    fc.property(
      fc.uint8Array({maxLength: 60}),
      fc.integer({min: 0, max: 1_000}),
      (bytes, blocks) => {
        const runs = unpackDeficits(bytes, blocks) ?? [];
        t.true(runs.reduce((sum, {length}) => sum + length, 0) <= blocks);
      },
    ),
  );
});
