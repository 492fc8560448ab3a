import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, utimesSync, writeFileSync} from 'node:fs';
import {mkdtemp} from 'node:fs/promises';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {concat, toHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {BLOCK_HASH_BYTES, BulkLayout} from '../../src/core/bulk-layout.ts';
import {BulkFile, forgetOldParts} from '../../src/io/bulk-file.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {sha256} from './sha256.ts';

const ROOT = temporaryFolder('bulk-file');
const BLOCK_BYTES = 64;
const dice = new Prng(7);

const freshDir = (): Promise<string> => mkdtemp(join(ROOT, 'parts-'));

/** A file of this size, as a transfer sees it. */
function sample(size: number) {
  const bytes = Uint8Array.from({length: size}, () => dice.uint32() & 0xff);
  const layout = new BulkLayout({size, symbolBytes: 16, symbolsPerBlock: 4});
  const blocks = Array.from({length: Math.ceil(size / BLOCK_BYTES)}, (_, i) =>
    bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES),
  );
  const list = concat(...blocks.map(block => sha256(block).subarray(0, BLOCK_HASH_BYTES)));
  const blobId: BlobId = asBlobId(toHex(sha256(bytes)));
  return {bytes, layout, blocks, list, listHash: sha256(list), blobId};
}

async function open(
  t: ExecutionContext,
  {blobId, layout}: Pick<ReturnType<typeof sample>, 'blobId' | 'layout'>,
  dir: string,
): Promise<BulkFile> {
  const file = await BulkFile.open(dir, blobId, layout);
  t.teardown(() => file.close().catch(() => {}));
  return file;
}

function shuffled(count: number): number[] {
  const order = Array.from({length: count}, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = dice.uint32() % (i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

for (const [name, orderOf] of [
  ['from the front', (count: number) => shuffled(count).sort((a, b) => a - b)],
  ['from the end', (count: number) => shuffled(count).sort((a, b) => b - a)],
  ['in any order', shuffled],
] as const)
  test(`blocks that come ${name} make the file`, async t => {
    for (const size of [1, BLOCK_BYTES, BLOCK_BYTES + 1, 40 * BLOCK_BYTES - 1]) {
      const given = sample(size);
      const file = await open(t, given, await freshDir());
      for (const block of orderOf(given.blocks.length))
        await file.write(block, given.blocks[block] as Uint8Array);
      t.true(await file.finish(), `${size} bytes`);
      t.deepEqual(new Uint8Array(readFileSync(file.path)), given.bytes);
    }
  });

test('blocks that are written at the same time make the file, each time', async t => {
  const given = sample(100 * BLOCK_BYTES + 5);
  for (let round = 0; round < 8; round++) {
    const file = await open(t, given, await freshDir());
    const writes = shuffled(given.blocks.length).map(block =>
      file.write(block, given.blocks[block] as Uint8Array),
    );
    await Promise.all(writes);
    t.true(await file.finish());
    t.deepEqual(new Uint8Array(readFileSync(file.path)), given.bytes);
  }
});

test('a file of no bytes is whole without a block', async t => {
  const given = sample(0);
  const file = await open(t, given, await freshDir());
  t.true(await file.finish());
  t.is(readFileSync(file.path).length, 0);
});

test('a whole that has another hash, or lacks a block, is not taken', async t => {
  const given = sample(5 * BLOCK_BYTES);
  const wrong = await open(t, given, await freshDir());
  for (const [block, bytes] of given.blocks.entries())
    await wrong.write(block, block === 3 ? bytes.map(byte => byte ^ 1) : bytes);
  t.false(await wrong.finish());
  for (const lacking of [0, 2, 4]) {
    const file = await open(t, given, await freshDir());
    for (const [block, bytes] of given.blocks.entries())
      if (block !== lacking) await file.write(block, bytes);
    t.false(await file.finish(), `without block ${lacking}`);
  }
  // What is named differently is wrong, too.
  const other = await open(t, {...given, blobId: sample(9).blobId}, await freshDir());
  for (const [block, bytes] of given.blocks.entries()) await other.write(block, bytes);
  t.false(await other.finish());
});

/** A life that wrote these blocks and its list, and ended. */
async function leave(
  t: ExecutionContext,
  given: ReturnType<typeof sample>,
  blocks: readonly number[],
): Promise<string> {
  const dir = await freshDir();
  const file = await open(t, given, dir);
  await file.keepList(given.list);
  for (const block of blocks) await file.write(block, given.blocks[block] as Uint8Array);
  await file.close();
  return dir;
}

test('what an earlier life left is found by its list, and the rest completes it', async t => {
  const given = sample(12 * BLOCK_BYTES + 3);
  for (const there of [[], [0], [0, 1, 2], [12, 5], shuffled(13)]) {
    const dir = await leave(t, given, there);
    const file = await open(t, given, dir);
    const known = await file.known(given.listHash);
    t.deepEqual(
      known?.blocks,
      [...there].sort((a, b) => a - b),
    );
    t.deepEqual(known?.list, given.list);
    for (const [block, bytes] of given.blocks.entries())
      if (!there.includes(block)) await file.write(block, bytes);
    t.true(await file.finish());
    t.deepEqual(new Uint8Array(readFileSync(file.path)), given.bytes);
  }
});

test('a block that was spoiled on the disk is not known, and can be written again', async t => {
  const given = sample(6 * BLOCK_BYTES);
  const dir = await leave(t, given, [0, 1, 2, 3]);
  const path = join(dir, `${given.blobId}.part`);
  const bytes = readFileSync(path);
  bytes[2 * BLOCK_BYTES + 9] = (bytes[2 * BLOCK_BYTES + 9] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
  const file = await open(t, given, dir);
  t.deepEqual((await file.known(given.listHash))?.blocks, [0, 1, 3]);
  for (const block of [5, 4, 2]) await file.write(block, given.blocks[block] as Uint8Array);
  t.true(await file.finish());
});

test('a file that was cut or has grown has its size again, and its blocks where they are good', async t => {
  const given = sample(6 * BLOCK_BYTES);
  const all = [0, 1, 2, 3, 4, 5];
  const path = (dir: string): string => join(dir, `${given.blobId}.part`);
  const cut = await leave(t, given, all);
  writeFileSync(path(cut), given.bytes.subarray(0, 2 * BLOCK_BYTES + 7));
  t.deepEqual((await (await open(t, given, cut)).known(given.listHash))?.blocks, [0, 1]);
  const grown = await leave(t, given, all);
  writeFileSync(path(grown), concat(given.bytes, given.bytes));
  const file = await open(t, given, grown);
  t.deepEqual((await file.known(given.listHash))?.blocks, all);
  t.true(await file.finish());
  t.deepEqual(new Uint8Array(readFileSync(file.path)), given.bytes);
});

test('a list that was cut, is of another file or is not there makes nothing known', async t => {
  const given = sample(6 * BLOCK_BYTES);
  const lists = {
    cut: given.list.subarray(0, given.list.length - 1),
    empty: new Uint8Array(),
    longer: concat(given.list, new Uint8Array(BLOCK_HASH_BYTES)),
    'of another file': sample(6 * BLOCK_BYTES).list,
  };
  for (const [what, list] of Object.entries(lists)) {
    const dir = await leave(t, given, [0, 1, 2]);
    writeFileSync(join(dir, `${given.blobId}.list`), list);
    const file = await open(t, given, dir);
    t.is(await file.known(given.listHash), undefined, what);
  }
  const dir = await leave(t, given, [0, 1, 2]);
  const file = await open(t, given, dir);
  await file.dropList();
  t.is(await file.known(given.listHash), undefined);
  // It goes on all the same, from nothing.
  for (const [block, bytes] of given.blocks.entries()) await file.write(block, bytes);
  t.true(await file.finish());
});

test('closed it stays, discarded it goes with its list, at any time', async t => {
  const given = sample(6 * BLOCK_BYTES);
  const dir = await leave(t, given, [4, 1]);
  t.deepEqual(readdirSync(dir).sort(), [`${given.blobId}.list`, `${given.blobId}.part`]);
  await (await open(t, given, dir)).discard();
  t.deepEqual(readdirSync(dir), []);
  // While blocks are being written, and a second time.
  const file = await open(t, given, dir);
  await file.keepList(given.list);
  const writes = given.blocks.map((bytes, block) => file.write(block, bytes));
  const settled = Promise.allSettled(writes);
  await file.discard();
  await settled;
  t.deepEqual(readdirSync(dir), []);
  await t.notThrowsAsync(() => file.discard());
});

test('a folder where nothing can be written is told', async t => {
  const dir = await freshDir();
  writeFileSync(join(dir, 'taken'), '');
  await t.throwsAsync(BulkFile.open(join(dir, 'taken'), sample(1).blobId, sample(1).layout), {
    code: 'EEXIST',
  });
});

test('a full disk says so, and what was written before is good', async t => {
  const disk = await freshDir();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], {stdio: 'ignore'});
  } catch {
    t.log('skipped: mounting a small tmpfs needs root');
    t.pass();
    return;
  }
  t.teardown(() => execFileSync('umount', ['-l', disk]));
  const given = sample(128 * 1_024);
  const file = await open(t, given, disk);
  await file.keepList(given.list.subarray(0, 1)); // a page of the disk is its
  let written = 0;
  const fill = async (): Promise<void> => {
    for (; written < given.blocks.length; written++)
      await file.write(written, given.blocks[written] as Uint8Array);
  };
  await t.throwsAsync(fill(), {code: 'ENOSPC'});
  t.true(written > 0);
  t.false(await file.finish());
  const size = written * BLOCK_BYTES;
  t.deepEqual(
    new Uint8Array(readFileSync(file.path)).subarray(0, size),
    given.bytes.subarray(0, size),
  );
  await file.discard();
  t.false(existsSync(file.path));
});

test('parts that nobody has touched for a week go; a folder that is not there is none', async t => {
  const dir = await freshDir();
  const wall = 1_790_000_000_000;
  const at = (name: string, days: number): void => {
    writeFileSync(join(dir, name), 'x');
    const seconds = wall / 1_000 - days * 86_400;
    utimesSync(join(dir, name), seconds, seconds);
  };
  at('old.part', 8);
  at('old.list', 8);
  at('young.part', 6);
  await forgetOldParts(dir, wall);
  t.deepEqual(readdirSync(dir), ['young.part']);
  await t.notThrowsAsync(forgetOldParts(join(dir, 'nothing'), wall));
});
