import {truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {concat} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {BLOCK_HASH_BYTES, BulkLayout} from '../../src/core/bulk-layout.ts';
import {recoverSources, SYMBOLS_MAX} from '../../src/core/reed-solomon.ts';
import {BulkSource} from '../../src/io/bulk-source.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {sha256} from './sha256.ts';

const ROOT = temporaryFolder('bulk-source');
const SYMBOL_BYTES = 16;
const SYMBOLS = 8;
const BLOCK_BYTES = SYMBOL_BYTES * SYMBOLS;
const dice = new Prng(11);
let files = 0;

const layoutOf = (size: number): BulkLayout =>
  new BulkLayout({size, symbolBytes: SYMBOL_BYTES, symbolsPerBlock: SYMBOLS});

function sample(size: number) {
  const bytes = Uint8Array.from({length: size}, () => dice.uint32() & 0xff);
  const path = join(ROOT, `${files++}`);
  writeFileSync(path, bytes);
  return {bytes, path, layout: layoutOf(size)};
}

/** The list, computed from the bytes alone. */
function listOf(bytes: Uint8Array): Uint8Array {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
    hashes.push(sha256(bytes.subarray(at, at + BLOCK_BYTES)).subarray(0, BLOCK_HASH_BYTES));
  return concat(...hashes);
}

/** `count` of all numbers of symbols of a block. */
function drawn(count: number): number[] {
  const numbers = Array.from({length: SYMBOLS_MAX}, (_, no) => no);
  return Array.from({length: count}, () => numbers.splice(dice.below(numbers.length), 1)[0] ?? 0);
}

test('the list has the hash of each block, also of a last one that is not full', t => {
  for (const size of [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 9 * BLOCK_BYTES + 77]) {
    const {bytes, path, layout} = sample(size);
    const source = new BulkSource(path, layout);
    t.deepEqual(source.list(), listOf(bytes), `${size} bytes`);
    source.close();
  }
});

test('any symbols of a block, as many as it has sources, give it back', t => {
  const {bytes, path, layout} = sample(20 * BLOCK_BYTES + 3 * SYMBOL_BYTES + 5);
  t.true(layout.lists > 1);
  const source = new BulkSource(path, layout);
  const parts = {list: listOf(bytes), file: bytes};
  for (let round = 0; round < 3; round++)
    for (let block = 0; block < layout.blocks; block++) {
      const k = layout.sourcesOf(block);
      const sources: (Uint8Array | undefined)[] = new Array(k).fill(undefined);
      const parity: {no: number; bytes: Uint8Array}[] = [];
      for (const no of drawn(k)) {
        const symbol = source.symbol(block, no);
        t.is(symbol.length, SYMBOL_BYTES);
        if (no < k) sources[no] = symbol;
        else parity.push({no, bytes: symbol});
      }
      const recovered = concat(...(recoverSources(sources, parity) ?? []));
      const part = layout.isList(block) ? parts.list : parts.file;
      const at = layout.offsetOf(block);
      const length = layout.bytesOf(block);
      t.deepEqual(recovered.subarray(0, length), part.subarray(at, at + length), `block ${block}`);
      t.true(recovered.subarray(length).every(byte => byte === 0));
    }
  source.close();
});

test('blocks that left memory are read once more: more blocks than are kept, in turns', t => {
  const {bytes, path, layout} = sample(80 * BLOCK_BYTES);
  const source = new BulkSource(path, layout);
  for (const no of [0, 5])
    for (let block = layout.lists; block < layout.blocks; block++) {
      const at = layout.offsetOf(block) + no * SYMBOL_BYTES;
      t.deepEqual(source.symbol(block, no), bytes.subarray(at, at + SYMBOL_BYTES));
    }
  source.close();
});

test('the first symbol of a list that nobody asked for is there, too', t => {
  const {bytes, path, layout} = sample(3 * BLOCK_BYTES);
  const source = new BulkSource(path, layout);
  t.deepEqual(source.symbol(0, 1), listOf(bytes).subarray(SYMBOL_BYTES, 2 * SYMBOL_BYTES));
  source.close();
});

test('a file that has not the size that was told is refused, and one that is not there', t => {
  const {path} = sample(100);
  for (const size of [0, 99, 101])
    t.throws(() => new BulkSource(path, layoutOf(size)), {
      code: 'VOLLEY_BAD_INPUT',
      message: new RegExp(`${files - 1} has 100 bytes, expected were ${size}`),
    });
  t.throws(() => new BulkSource(join(ROOT, 'nothing'), layoutOf(1)), {code: 'ENOENT'});
});

test('a file that is cut while it is read says where it ends, and sends nothing made up', t => {
  const {bytes, path, layout} = sample(4 * BLOCK_BYTES);
  const source = new BulkSource(path, layout);
  source.list();
  const {lists} = layout;
  t.deepEqual(source.symbol(lists, 0), bytes.subarray(0, SYMBOL_BYTES));
  truncateSync(path, 2 * BLOCK_BYTES + 10);
  const cut = {
    code: 'VOLLEY_BAD_INPUT',
    message: new RegExp(`ends at byte ${2 * BLOCK_BYTES + 10}: it was changed while it was sent`),
  };
  t.throws(() => source.symbol(lists + 2, 0), cut);
  t.throws(() => source.symbol(lists + 2, SYMBOLS + 1), cut);
  t.throws(() => source.symbol(lists + 3, 0), cut);
  t.throws(() => source.list(), cut);
  // What is whole still goes.
  t.deepEqual(source.symbol(lists + 1, 0), bytes.subarray(BLOCK_BYTES, BLOCK_BYTES + SYMBOL_BYTES));
  source.close();
});
