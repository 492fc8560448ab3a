import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId} from '../../src/base/types.ts';
import {openBlobStore} from '../../src/io/blob-store.ts';
import {sha256} from './sha256.ts';

async function folderFor(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'volley-blobs-'));
  t.teardown(() => rm(folder, {recursive: true, force: true}));
  return folder;
}

const idOf = (bytes: Uint8Array) => asBlobId(toHex(sha256(bytes)));

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function collect(items: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const item of items) parts.push(item);
  return new Uint8Array(Buffer.concat(parts));
}

const leftovers = async (folder: string): Promise<string[]> => await readdir(join(folder, 'tmp'));

test('a blob is a file named by its hash, for its owner only', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(folder);
  const bytes = toUtf8('a picture');
  const blobId = await blobs.put(bytes);
  t.is(blobId, idOf(bytes));
  const path = join(folder, blobId.slice(0, 2), blobId);
  t.deepEqual(new Uint8Array(await readFile(path)), bytes);
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.deepEqual(await leftovers(folder), []);
});

test('bytes come back whole, in part and as a stream, also in the next life', async t => {
  const folder = await folderFor(t);
  const bytes = new Uint8Array(randomBytes(200_000));
  const first = await openBlobStore(folder);
  const stored = await first.putStream(chunks(bytes, 7_001));
  t.deepEqual(stored, {blobId: idOf(bytes), size: bytes.length});
  const blobs = await openBlobStore(folder);
  t.deepEqual(await blobs.get(stored.blobId), bytes);
  t.deepEqual(await blobs.read(stored.blobId, 70_000, 5), bytes.slice(70_000, 70_005));
  t.deepEqual(await collect(blobs.stream(stored.blobId)), bytes);
  t.deepEqual(await collect(blobs.stream(stored.blobId, 10, 150_000)), bytes.slice(10, 150_000));
  t.deepEqual(await collect(blobs.stream(stored.blobId, 10, 10)), new Uint8Array());
  t.is(await blobs.size(stored.blobId), bytes.length);
});

test('an empty blob is a blob', async t => {
  const blobs = await openBlobStore(await folderFor(t));
  const blobId = await blobs.put(new Uint8Array());
  t.deepEqual(await blobs.get(blobId), new Uint8Array());
  t.deepEqual(await blobs.putStream(chunks(new Uint8Array(), 1)), {blobId, size: 0});
});

test('what is not there is unknown, and a name that is no hash never becomes a path', async t => {
  const blobs = await openBlobStore(await folderFor(t));
  for (const name of ['0'.repeat(64), '../../../etc/passwd', 'A'.repeat(64), '']) {
    const blobId = asBlobId(name);
    t.false(await blobs.has(blobId));
    t.is(await blobs.size(blobId), undefined);
    await t.throwsAsync(blobs.get(blobId), {code: 'VOLLEY_UNKNOWN_BLOB'});
    await t.throwsAsync(blobs.read(blobId, 0, 1), {code: 'VOLLEY_UNKNOWN_BLOB'});
    await t.throwsAsync(collect(blobs.stream(blobId)), {code: 'VOLLEY_UNKNOWN_BLOB'});
  }
  await t.notThrowsAsync(blobs.delete(asBlobId('0'.repeat(64))));
});

test('a deleted blob is gone', async t => {
  const blobs = await openBlobStore(await folderFor(t));
  const blobId = await blobs.put(toUtf8('x'));
  await blobs.delete(blobId);
  t.false(await blobs.has(blobId));
});

test('another hash than expected is refused, and nothing stays', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(folder);
  const bytes = toUtf8('other bytes');
  const expected = idOf(toUtf8('these bytes'));
  await t.throwsAsync(blobs.putStream(chunks(bytes, 4), {expected, what: 'the upload'}), {
    code: 'VOLLEY_BAD_INPUT',
    message: `input refused: the upload has the hash ${idOf(bytes)}, expected was ${expected}`,
  });
  t.false(await blobs.has(idOf(bytes)));
  t.deepEqual(await leftovers(folder), []);
  t.is((await blobs.putStream(chunks(bytes, 4), {expected: idOf(bytes)})).size, bytes.length);
});

test('a stream over the limit is stopped at once, and nothing stays', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(folder);
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      given++;
      yield new Uint8Array(1_000);
    }
  }
  await t.throwsAsync(blobs.putStream(endless(), {limit: 2_500, what: 'the output'}), {
    code: 'VOLLEY_TOO_LARGE',
    message: 'the output is 3000 bytes; at most 2500 are allowed',
  });
  t.is(given, 3);
  t.deepEqual(await leftovers(folder), []);
});

test('when the sender breaks off, his error comes out and nothing stays', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(folder);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error('socket hang up');
  }
  await t.throwsAsync(blobs.putStream(broken()), {message: 'socket hang up'});
  t.deepEqual(await leftovers(folder), []);
});

test('a bug of a caller is no failing disk', async t => {
  const folder = await folderFor(t);
  const failures: unknown[] = [];
  const blobs = await openBlobStore(folder, failure => failures.push(failure));
  async function* objects(): AsyncGenerator<Uint8Array> {
    yield {length: 3} as never;
  }
  await t.throwsAsync(blobs.putStream(objects()), {instanceOf: TypeError});
  t.deepEqual(failures, []);
  t.deepEqual(await leftovers(folder), []);
});

test('what a crash left half written is removed at open', async t => {
  const folder = await folderFor(t);
  await mkdir(join(folder, 'tmp'));
  await writeFile(join(folder, 'tmp', '17'), 'half');
  const blobs = await openBlobStore(folder);
  t.deepEqual(await leftovers(folder), []);
  t.is(await blobs.put(toUtf8('x')), idOf(toUtf8('x')));
});

test('damage is named, and putting the blob once more after deleting it mends it', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(folder);
  const bytes = toUtf8('precious');
  const blobId = await blobs.put(bytes);
  const path = join(folder, blobId.slice(0, 2), blobId);
  await writeFile(path, 'precioux');
  await t.throwsAsync(blobs.get(blobId), {
    code: 'VOLLEY_STORE_DAMAGED',
    message: new RegExp(`blob ${blobId}: its bytes have the hash`),
  });
  await blobs.delete(blobId);
  await blobs.put(bytes);
  t.deepEqual(await blobs.get(blobId), bytes);
  await writeFile(path, 'prec');
  await t.throwsAsync(blobs.read(blobId, 2, 4), {
    code: 'VOLLEY_STORE_DAMAGED',
    message: /ends at byte 4/,
  });
  await blobs.put(bytes);
  t.deepEqual(await blobs.get(blobId), bytes, 'another length is seen by put itself');
});

test('many writers at once, some of the same blob, all succeed', async t => {
  const folder = await folderFor(t);
  const blobs = await openBlobStore(folder);
  const all = Array.from({length: 60}, (_, i) => toUtf8(`blob ${i % 20}`));
  const ids = await Promise.all(all.map(bytes => blobs.put(bytes)));
  t.is(new Set(ids).size, 20);
  for (const [i, blobId] of ids.entries()) t.deepEqual(await blobs.get(blobId), all[i]);
  t.deepEqual(await leftovers(folder), []);
});

test('a full disk is named, and nothing half written stays', async t => {
  const folder = await folderFor(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], {stdio: 'ignore'});
  } catch {
    t.log('skipped: mounting a small tmpfs needs root');
    t.pass();
    return;
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]));
  const blobs = await openBlobStore(folder);
  await t.throwsAsync(blobs.put(new Uint8Array(2_000_000)), {
    code: 'VOLLEY_NO_SPACE',
    message: /\(ENOSPC\); free some/,
  });
  t.deepEqual(await leftovers(folder), []);
  t.is((await blobs.get(await blobs.put(toUtf8('small')))).length, 5);
});
