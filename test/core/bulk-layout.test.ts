import test from 'ava';
import fc from 'fast-check';
import {BLOCK_HASH_BYTES, BulkLayout} from '../../src/core/bulk-layout.ts';

const geometry = fc.record({
  size: fc.integer({min: 0, max: 200_000}),
  symbolBytes: fc.integer({min: 16, max: 200}),
  symbolsPerBlock: fc.integer({min: 1, max: 128}),
});

test('blocks of list and file follow each other without a gap', t => {
  fc.assert(
    fc.property(geometry, given => {
      const layout = new BulkLayout(given);
      const ends = {list: 0, file: 0};
      let sources = 0;
      for (let block = 0; block < layout.blocks; block++) {
        const part = layout.isList(block) ? 'list' : 'file';
        t.is(layout.offsetOf(block), ends[part]);
        t.true(layout.bytesOf(block) > 0);
        ends[part] += layout.bytesOf(block);
        sources += layout.sourcesOf(block);
      }
      t.is(ends.file, given.size);
      t.is(ends.list, (layout.blocks - layout.lists) * BLOCK_HASH_BYTES);
      t.is(layout.sources, sources);
    }),
    {numRuns: 50},
  );
});

test('the sources of a block are its bytes, the last one filled', t => {
  const layout = new BulkLayout({size: 50, symbolBytes: 16, symbolsPerBlock: 8});
  const bytes = Uint8Array.from({length: 50}, (_, i) => i + 1);
  const sources = layout.sourcesIn(bytes);
  t.deepEqual(
    sources.map(({length}) => length),
    [16, 16, 16, 16],
  );
  t.deepEqual(Buffer.concat(sources).subarray(0, 50), Buffer.from(bytes));
  t.true(sources[3]?.subarray(2).every(byte => byte === 0));
});

test('a gigabyte has a list of 190 kB', t => {
  const layout = new BulkLayout({size: 2 ** 30, symbolBytes: 1_400, symbolsPerBlock: 64});
  t.is(layout.listBytes, 191_744);
  t.is(layout.lists, 3);
});
