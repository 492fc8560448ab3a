import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {asBlobId} from '../../src/base/types.ts';
import {parseRange} from '../../src/http/blobs.ts';
import {allOf, ask, BEARER, chunks, codeOf, crypto, idOf, openRig} from './rig.ts';

const BYTES = crypto.random(300_000);
const ID = idOf(BYTES);
const STREAM = {...BEARER, 'content-type': 'application/octet-stream'};

async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(join(dir, 'blobs'), {recursive: true, withFileTypes: true});
  return entries.filter(entry => entry.isFile()).map(entry => entry.name);
}

test('which bytes a Range header means', t => {
  const part = (offset: number, length: number) => ({kind: 'part', offset, length});
  const whole = {kind: 'whole', offset: 0, length: 10};
  const cases: [string | undefined, object][] = [
    [undefined, whole],
    ['bytes=0-', part(0, 10)],
    ['bytes=3-', part(3, 7)],
    ['bytes=3-3', part(3, 1)],
    ['bytes=3-99', part(3, 7)],
    ['bytes=-4', part(6, 4)],
    ['bytes=-99', part(0, 10)],
    ['bytes=10-', {kind: 'unsatisfiable'}],
    ['bytes=-0', {kind: 'unsatisfiable'}],
    ['bytes=5-3', whole],
    ['bytes=-', whole],
    ['bytes=0-1,3-4', whole],
    ['lines=0-1', whole],
    ['bytes=99999999999999999999-', whole],
  ];
  for (const [header, wanted] of cases)
    t.deepEqual(parseRange(header, 10), wanted as never, header);
});

test('a blob goes in and comes out whole, in parts and not at all when it is known', async t => {
  const {url, blobs} = await openRig(t);
  await blobs.put(BYTES);
  const get = (headers: Record<string, string> = {}, method = 'GET') =>
    ask(`${url}/v1/blobs/${ID}`, {method, headers: {...BEARER, ...headers}});
  const latin = (from: number, to: number) =>
    Buffer.from(BYTES.subarray(from, to)).toString('latin1');
  const whole = await get();
  t.is(whole.status, 200);
  t.is(whole.body, latin(0, 300_000));
  t.is(whole.headers['etag'], `"${ID}"`);
  t.is(whole.headers['accept-ranges'], 'bytes');
  const part = await get({range: 'bytes=100-199999'});
  t.is(part.status, 206);
  t.is(part.headers['content-range'], 'bytes 100-199999/300000');
  t.is(part.body, latin(100, 200_000));
  t.is((await get({range: 'bytes=-10'})).body, latin(299_990, 300_000));
  const beyond = await get({range: 'bytes=300000-'});
  t.is(beyond.status, 416);
  t.is(beyond.headers['content-range'], 'bytes */300000');
  t.is((await get({'if-none-match': `"${ID}"`})).status, 304);
  t.is((await get({range: 'bytes=0-1', 'if-range': '"other"'})).status, 200);
  const head = await get({}, 'HEAD');
  t.is(head.status, 200);
  t.is(head.headers['content-length'], '300000');
  t.is(head.body, '');
});

test('an empty blob goes in and comes out', async t => {
  const {client} = await openRig(t);
  const stored = await client.putBlob(chunks());
  t.deepEqual(stored, {blobId: idOf(new Uint8Array()), size: 0});
  t.deepEqual(await allOf(client.readBlob(stored.blobId)), []);
});

test('bytes whose hash or size is not the one said leave nothing', async t => {
  const {client, url, dir} = await openRig(t);
  const wrong = asBlobId('0'.repeat(64));
  const hash = await t.throwsAsync(client.putBlob(chunks(BYTES), {blobId: wrong, size: 300_000}), {
    instanceOf: VolleyError,
  });
  t.is(hash?.code, 'VOLLEY_BAD_INPUT');
  const put = (size: number) =>
    ask(`${url}/v1/blobs/${ID}?size=${size}`, {method: 'PUT', headers: STREAM, body: BYTES});
  t.is((await put(299_999)).status, 413);
  t.is((await put(300_001)).status, 400);
  t.is(codeOf(await put(2 ** 41)), 'VOLLEY_TOO_LARGE');
  t.deepEqual(await filesIn(dir), []);
  t.is((await put(300_000)).status, 201);
  t.deepEqual(await filesIn(dir), [ID]);
});

test('an upload that is cut leaves nothing', async t => {
  const {client, dir} = await openRig(t);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield BYTES;
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path: 'x', reason: 'gone'});
  }
  const error = await t.throwsAsync(client.putBlob(broken()), {instanceOf: VolleyError});
  t.is(error?.code, 'VOLLEY_INPUT_MISSING');
  while ((await filesIn(dir)).length > 0) await new Promise(resolve => setTimeout(resolve, 2));
  t.pass();
});

test('a blob that the master has is not sent again', async t => {
  const {client, blobs} = await openRig(t);
  await blobs.put(BYTES);
  async function* never(): AsyncGenerator<Uint8Array> {
    yield await Promise.reject<Uint8Array>(new Error('sent'));
  }
  t.deepEqual(await client.putBlob(never(), {blobId: ID, size: 300_000}), {
    blobId: ID,
    size: 300_000,
  });
});

test('a blob becomes a file, going on with what an earlier try left', async t => {
  const {client, blobs, dir} = await openRig(t);
  await blobs.put(BYTES);
  const path = join(dir, 'shots', '1', 'north.png');
  t.is(await client.getBlob(ID, path), 300_000);
  t.is(idOf(await readFile(path)), ID);
  const again = join(dir, 'again');
  await writeFile(`${again}.part`, BYTES.subarray(0, 1_234));
  t.is(await client.getBlob(ID, again), 300_000);
  t.is(idOf(await readFile(again)), ID);
  const full = join(dir, 'full');
  await writeFile(`${full}.part`, BYTES);
  t.is(await client.getBlob(ID, full), 300_000);
});

test('a file whose earlier part is damaged or too long is fetched anew', async t => {
  const {client, blobs, dir} = await openRig(t);
  await blobs.put(BYTES);
  for (const length of [1_234, 300_000, 300_001]) {
    const path = join(dir, `damaged-${length}`);
    await writeFile(`${path}.part`, new Uint8Array(length));
    t.is(await client.getBlob(ID, path), 300_000);
    t.is(idOf(await readFile(path)), ID);
  }
});

test('a blob that is not there makes no file', async t => {
  const {client, dir} = await openRig(t);
  const error = await t.throwsAsync(client.getBlob(ID, join(dir, 'none')), {
    instanceOf: VolleyError,
  });
  t.is(error?.code, 'VOLLEY_UNKNOWN_BLOB');
  t.deepEqual(await readdir(dir), ['blobs']);
});

test('lines and files become inputs through the functions given', async t => {
  const {client, blobs} = await openRig(t);
  const lines = Buffer.from('{"a":1}\n{"a":2}\n');
  t.like(await client.lines(chunks(lines)), {blobId: idOf(lines), count: lines.length});
  await blobs.put(BYTES);
  const file = {name: 'x.png', blob: ID, size: 300_000};
  t.like(await client.files([file, file]), {blobId: ID, count: 2});
  const size = await t.throwsAsync(client.files([{...file, size: 1}]), {instanceOf: VolleyError});
  t.is(size?.code, 'VOLLEY_BAD_INPUT');
  const blob = await t.throwsAsync(client.files([{...file, blob: asBlobId('0'.repeat(64))}]), {
    instanceOf: VolleyError,
  });
  t.is(blob?.code, 'VOLLEY_UNKNOWN_BLOB');
});

test('of a batch of files each file is asked for: none is deleted before the batch is there', async t => {
  const {client, blobs, handle} = await openRig(t);
  const files = Array.from({length: 900}, (_, i) => idOf(Buffer.from(`file ${i}`)));
  const list = files
    .map((blob, i) => `${JSON.stringify({name: `${i}`, blob, size: 9})}\n`)
    .join('');
  const blobId = await blobs.put(Buffer.from(list));
  t.true(list.length > 65_536, 'some ids stand on two pieces');
  const asked = new Set<string>();
  const size = blobs.size.bind(blobs);
  blobs.size = id => {
    t.deepEqual(handle.requests, []);
    asked.add(id);
    return size(id);
  };
  const input = {kind: 'files', blobId, indexBlobId: blobId, count: 900} as const;
  await client.submit({name: '', app: 'primes', args: [], input, policy: {}});
  t.is(handle.requests.length, 1);
  t.deepEqual([...asked].sort(), [blobId, ...files].sort());
});

test('the form of lines reaches the indexer, and there are two', async t => {
  const forms: string[] = [];
  const indexed = {blobId: ID, indexBlobId: ID, count: 1};
  const {client, url} = await openRig(t, {
    indexLines: async (source, form) => {
      for await (const _ of source) forms.push(form);
      return indexed;
    },
  });
  await client.lines(chunks(Buffer.from('x\n')), 'text');
  await client.lines(chunks(Buffer.from('1\n')));
  t.deepEqual(forms, ['text', 'json']);
  const headers = {...BEARER, 'content-type': 'application/x-ndjson'};
  const bad = await ask(`${url}/v1/lines?form=csv`, {method: 'POST', headers, body: 'x'});
  t.is(bad.status, 400);
});

test('what the line indexer refuses reaches the client under its code', async t => {
  const {client} = await openRig(t, {
    indexLines: async source => {
      for await (const _ of source)
        throw new VolleyError('VOLLEY_BAD_INPUT', {reason: 'line 1 is not JSON'});
      throw new Error('no line');
    },
  });
  const error = await t.throwsAsync(client.lines(chunks(Buffer.from('x\n'))), {
    instanceOf: VolleyError,
  });
  t.is(error?.message, 'input refused: line 1 is not JSON');
});

test('bytes and lines that are said to be JSON are refused before the store sees them', async t => {
  const {dir, url} = await openRig(t);
  const bodies = ['[1]', '["a"]', '"a"', '{}', '[null]', 'null'];
  for (const [method, path] of [
    ['POST', '/v1/blobs'],
    ['PUT', `/v1/blobs/${ID}?size=3`],
    ['POST', '/v1/lines'],
  ] as const) {
    for (const body of bodies) {
      const headers = {...BEARER, 'content-type': 'application/json'};
      const answer = await ask(`${url}${path}`, {method, headers, body});
      t.deepEqual([answer.status, codeOf(answer)], [415, 'VOLLEY_USAGE'], `${path} ${body}`);
    }
  }
  t.deepEqual(await filesIn(dir), []);
});
