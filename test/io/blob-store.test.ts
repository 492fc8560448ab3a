import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId, asMonoMs, asWallMs, type BlobId} from '../../src/base/types.ts';
import {HOUR_MS, MINUTE_MS} from '../../src/base/units.ts';
import {BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import type {SweptFolder} from '../../src/io/swept-folder.ts';
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

// ---- with a sweep ------------------------------------------------------------------------------

/** How long ago the file was written, or made young again. */
async function ageMsOf(folder: string, blobId: BlobId): Promise<number> {
  return Date.now() - (await stat(join(folder, blobId.slice(0, 2), blobId))).mtimeMs;
}

test('who asks for a blob makes it young, and one that is young is left as it is', async t => {
  const folder = await folderFor(t);
  await openBlobStore(folder);
  let startedMsAgo = HOUR_MS;
  const now = () => ({mono: asMonoMs(0), wall: asWallMs(Date.now() - startedMsAgo)});
  const blobs = new BlobStore(folder, undefined, {now});
  startedMsAgo = 0;
  const bytes = toUtf8('an input');
  const blobId = await blobs.put(bytes);
  const path = join(folder, blobId.slice(0, 2), blobId);
  const age = async (ms: number): Promise<void> => {
    const at = (Date.now() - ms) / 1_000;
    await utimes(path, at, at);
  };
  const asks = {
    size: () => blobs.size(blobId),
    has: () => blobs.has(blobId),
    put: () => blobs.put(bytes),
    putStream: () => blobs.putStream(chunks(bytes, 3), {expected: blobId}),
  };
  for (const [name, ask] of Object.entries(asks)) {
    await age(30 * HOUR_MS);
    await ask();
    t.true((await ageMsOf(folder, blobId)) < 10 * MINUTE_MS, name);
  }
  await age(9 * MINUTE_MS);
  await blobs.size(blobId);
  t.true((await ageMsOf(folder, blobId)) >= 9 * MINUTE_MS, 'no write for each question');
  await new BlobStore(folder).size(blobId);
  t.true((await ageMsOf(folder, blobId)) < MINUTE_MS, 'but one in each life');
  await age(30 * HOUR_MS);
  await blobs.get(blobId);
  t.true((await ageMsOf(folder, blobId)) >= 30 * HOUR_MS, 'what is read is named by a row');
});

type Sweeping = {
  readonly blobs: BlobStore;
  readonly bytes: Uint8Array;
  readonly blobId: BlobId;
  readonly sweep: SweptFolder;
  /** Lets the deletion under way reach the disk. */
  readonly open: () => void;
};

/** A blob, and a sweep whose deletions wait at the disk's door. */
async function sweeping(t: ExecutionContext): Promise<Sweeping> {
  const blobs = await openBlobStore(await folderFor(t));
  const bytes = toUtf8('an output');
  const blobId = await blobs.put(bytes);
  let open = (): void => {};
  const gate = new Promise<void>(resolve => {
    open = resolve;
  });
  const sweep = blobs.beginSweep(async path => {
    await gate;
    await unlink(path);
  });
  return {blobs, bytes, blobId, sweep, open};
}

test('what was asked for since a sweep began does not go, however it was asked for', async t => {
  const asks: ((one: Sweeping) => Promise<unknown>)[] = [
    ({blobs, blobId}) => blobs.size(blobId),
    ({blobs, bytes}) => blobs.put(bytes),
    ({blobs, bytes}) => blobs.putStream(chunks(bytes, 4)),
  ];
  for (const ask of asks) {
    const one = await sweeping(t);
    await ask(one);
    one.open();
    t.false(await one.sweep.remove(one.blobId));
    t.true(await one.blobs.has(one.blobId));
  }
});

test('a question that no answer was found for yet counts for the sweep that begins', async t => {
  const one = await sweeping(t);
  one.sweep.end();
  const asked = one.blobs.size(one.blobId);
  const sweep = one.blobs.beginSweep();
  t.false(await sweep.remove(one.blobId));
  t.is(await asked, one.bytes.length);
  sweep.end();
  const next = one.blobs.beginSweep();
  t.true(await next.remove(one.blobId), 'the next one has only its age to go by');
});

test('who asks for a blob that is being deleted hears that it is gone', async t => {
  const one = await sweeping(t);
  const removed = one.sweep.remove(one.blobId);
  const asked = one.blobs.size(one.blobId);
  one.open();
  t.is(await asked, undefined);
  t.true(await removed);
});

test('what is written while it is being deleted is there afterwards', async t => {
  const writes: ((one: Sweeping) => Promise<unknown>)[] = [
    ({blobs, bytes}) => blobs.put(bytes),
    ({blobs, bytes}) => blobs.putStream(chunks(bytes, 4)),
  ];
  for (const write of writes) {
    const one = await sweeping(t);
    const removed = one.sweep.remove(one.blobId);
    const written = write(one);
    // Meanwhile two others are written whole: who does not wait for the deletion has written by then, too.
    for (const other of ['one', 'two']) await one.blobs.put(toUtf8(other));
    one.open();
    await written;
    t.true(await removed);
    t.deepEqual(await one.blobs.get(one.blobId), one.bytes);
    t.false(await one.sweep.remove(one.blobId), 'and this sweep does not come back for it');
  }
});
