import {connect} from 'node:net';
import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {VolleyError} from '../../src/base/errors.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {authorization, sliceProof} from '../../src/http/blob-auth.ts';
import {openBlobServer} from '../../src/http/blob-server.ts';
import {BYTES, filesIn, hmac, ID, openYard, REPLICA_QUERY, type Yard} from './blob-yard.ts';
import {ask, crypto, idOf, NODE, OTHER, type RawAsk, until} from './rig.ts';

/** A request signed by NODE unless `changes` says otherwise. */
function signed(
  {url, handle}: Yard,
  method: 'GET' | 'PUT',
  blobId: BlobId,
  query = '',
  changes: RawAsk = {},
) {
  const key = handle.blobKeys.get(NODE) ?? new Uint8Array(32);
  const headers = {authorization: authorization(hmac, key, NODE, {method, blobId, query})};
  const path = `/blobs/${blobId}${query === '' ? '' : `?${query}`}`;
  return ask(`${url}${path}`, {method, ...changes, headers: {...headers, ...changes.headers}});
}

const LENGTH = {'content-length': String(BYTES.length)};

test('strangers and requests signed for something else get one short line', async t => {
  const yard = await openYard(t);
  const {url, handle, blobs, dir} = yard;
  await blobs.put(BYTES);
  const key = handle.blobKeys.get(NODE) ?? new Uint8Array();
  const line = {method: 'GET', blobId: ID, query: ''} as const;
  const claims = [
    undefined,
    '',
    'Bearer x',
    `Volley ${NODE}:${'0'.repeat(64)}`,
    `Volley ${NODE}:00`,
    authorization(hmac, key, OTHER, line),
    authorization(hmac, crypto.random(32), NODE, line),
    authorization(hmac, key, NODE, {...line, method: 'PUT'}),
    authorization(hmac, key, NODE, {...line, blobId: asBlobId('0'.repeat(64))}),
    authorization(hmac, key, NODE, {...line, query: 'x=1'}),
  ];
  for (const claim of claims) {
    const headers: Record<string, string> = claim === undefined ? {} : {authorization: claim};
    const got = await ask(`${url}/blobs/${ID}`, {headers});
    t.is(got.status, 401, claim);
    t.is(got.body, 'unauthorized\n');
    t.is(got.headers['connection'], 'close');
  }
  for (const path of ['/', '/v1/status', '/blobs/', '/blobs/../../etc/passwd'])
    t.is((await ask(`${url}${path}`)).status, 401, path);
  const put = await ask(`${url}/blobs/${idOf(new Uint8Array(1))}?size=1&replica=1/2/0`, {
    method: 'PUT',
    body: new Uint8Array(1),
  });
  t.is(put.status, 401);
  t.deepEqual(await filesIn(dir), [ID]);
  t.deepEqual(handle.stored, []);
});

test('a stranger is answered before the body comes, and cut', async t => {
  const {port} = await openYard(t);
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `PUT /blobs/${ID}?size=9&replica=1/2/0 HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n`,
  );
  let text = '';
  socket.on('data', part => {
    text += part;
  });
  await new Promise(resolve => socket.once('close', resolve));
  t.regex(text, /^HTTP\/1.1 401 /);
  t.true(text.length < 300);
});

test('a linked node gets a blob, the rest of one, and a proven part', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const whole = await signed(yard, 'GET', ID);
  t.is(whole.status, 200);
  t.is(whole.body.length, BYTES.length);
  const rest = await signed(yard, 'GET', ID, '', {headers: {range: 'bytes=2999990-'}});
  t.is(rest.status, 206);
  t.is(rest.headers['content-range'], 'bytes 2999990-2999999/3000000');
  const key = yard.handle.blobKeys.get(NODE) ?? new Uint8Array();
  const proof = sliceProof(hmac, key, ID, 2_999_990, BYTES.subarray(2_999_990));
  t.is(rest.headers['volley-proof'], toHex(proof));
  t.is((await signed(yard, 'GET', ID, '', {headers: {range: 'bytes=3000000-'}})).status, 416);
  t.is((await signed(yard, 'GET', asBlobId('0'.repeat(64)))).status, 404);
});

test('an upload must be owed, sized and named', async t => {
  const yard = await openYard(t);
  const put = async (query: string, headers: Record<string, string> = LENGTH) =>
    (await signed(yard, 'PUT', ID, query, {headers, body: BYTES})).status;
  const refused = async (query: string, status: number, headers?: Record<string, string>) =>
    t.is(await put(query, headers).catch(() => status), status, query);
  await refused('', 400);
  await refused(`size=${BYTES.length}`, 400);
  await refused('replica=1/2/0', 400);
  await refused('size=5&replica=1/2/0', 400);
  await refused(`size=${BYTES.length}&replica=1/2`, 400);
  await refused(REPLICA_QUERY, 411, {'transfer-encoding': 'chunked'});
  yard.handle.wanted = false;
  await refused(REPLICA_QUERY, 403);
  t.deepEqual(await filesIn(yard.dir), []);
  yard.handle.wanted = true;
  t.is(await put(REPLICA_QUERY), 201);
  t.deepEqual(yard.handle.stored, [[ID, BYTES.length]]);
});

test('a full disk answers 507 to what is wanted, counts it, and takes it when there is room', async t => {
  const yard = await openYard(t);
  const put = async () =>
    (
      await signed(yard, 'PUT', ID, REPLICA_QUERY, {
        headers: {...LENGTH, expect: '100-continue'},
        body: BYTES,
      })
    ).status;
  yard.handle.isFull = true;
  t.is(await put(), 507);
  t.deepEqual(await filesIn(yard.dir), []);
  yard.handle.isFull = false;
  // The disk itself may be full though no one has noticed.
  const write = yard.blobs.putStream.bind(yard.blobs);
  yard.blobs.putStream = async () => {
    throw new VolleyError('VOLLEY_NO_SPACE', {path: yard.dir, free: 0, floor: 1, what: 'ENOSPC'});
  };
  t.is(await put(), 507);
  t.is(yard.turnedAway(), 2);
  yard.blobs.putStream = write;
  t.is(await put(), 201);
  yard.handle.isFull = true;
  yard.handle.wanted = false;
  t.is(await put(), 200, 'it is here');
});

test('a repeat that is not owed any more is told that the blob is here', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  yard.handle.wanted = false;
  const answer = await signed(yard, 'PUT', ID, REPLICA_QUERY, {
    headers: {...LENGTH, expect: '100-continue'},
  }).catch(() => undefined);
  t.is(answer?.status, 200);
  t.deepEqual(yard.handle.stored, []);
});

test('an upload of other bytes than its name says leaves nothing', async t => {
  const yard = await openYard(t);
  const body = BYTES.slice();
  body[17] = (body[17] ?? 0) ^ 1;
  const answer = await signed(yard, 'PUT', ID, REPLICA_QUERY, {body, headers: LENGTH});
  t.is(answer.status, 422);
  t.deepEqual(await filesIn(yard.dir), []);
  t.deepEqual(yard.handle.stored, []);
});

test('an upload that breaks leaves nothing', async t => {
  const yard = await openYard(t);
  const key = yard.handle.blobKeys.get(NODE) ?? new Uint8Array();
  const line = {method: 'PUT', blobId: ID, query: REPLICA_QUERY} as const;
  const socket = connect(yard.port, '127.0.0.1');
  const head = [
    `PUT /blobs/${ID}?${REPLICA_QUERY} HTTP/1.1`,
    'host: x',
    `authorization: ${authorization(hmac, key, NODE, line)}`,
    `content-length: ${BYTES.length}`,
    '',
    '',
  ];
  socket.write(head.join('\r\n'));
  socket.write(BYTES.subarray(0, 1_000_000));
  while ((await filesIn(yard.dir)).length === 0)
    await new Promise(resolve => setTimeout(resolve, 2));
  socket.destroy();
  while ((await filesIn(yard.dir)).length > 0) await new Promise(resolve => setTimeout(resolve, 2));
  t.deepEqual(yard.handle.stored, []);
});

test('one address cannot hold all connections', async t => {
  const yard = await openYard(t);
  await yard.blobs.put(BYTES);
  const sockets = Array.from({length: 200}, () => connect(yard.port, '127.0.0.1'));
  let closed = 0;
  for (const socket of sockets)
    socket
      .on('error', () => undefined)
      .once('close', () => (closed += 1))
      .resume();
  await until(() => closed === 72);
  t.is((await signed(yard, 'GET', ID)).status, 200, 'while the others still hold theirs');
  t.true(closed < 200);
  for (const socket of sockets) socket.destroy();
});

test('a port in use is named with the flag that changes it', async t => {
  const {port, handle, blobs} = await openYard(t);
  const error = await t.throwsAsync(
    openBlobServer({handle, blobs, hmac, host: '127.0.0.1', port}),
    {instanceOf: VolleyError},
  );
  t.is(error?.code, 'VOLLEY_PORT_IN_USE');
  t.is(error?.fields['flag'], '--blob-port');
});
