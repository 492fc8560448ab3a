import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {VolleyError} from '../../src/base/errors.ts';
import {asBatchId, asBlobId, asCaptureId} from '../../src/base/types.ts';
import type {AppManifest} from '../../src/core/app.ts';
import {signApp} from '../../src/core/app.ts';
import {encodeBundle} from '../../src/core/app-bundle.ts';
import {OperatorClient} from '../../src/http/client.ts';
import {HTTP_TIMES} from '../../src/http/listen.ts';
import {openOperatorServer} from '../../src/http/server.ts';
import {pskOf, tokenIdOf} from '../../src/wire/token.ts';
import {raw} from './hostile.ts';
import {
  ask,
  BEARER,
  batchView,
  captureView,
  codeOf,
  crypto,
  FakeHandle,
  fieldsOf,
  idOf,
  JSON_BEARER,
  NODE,
  OWNER_ALONE,
  openFolder,
  openRig,
  TOKEN,
  transferView,
  until,
} from './rig.ts';

const BATCH = {app: 'primes', input: {kind: 'range', start: 0, end: 100, chunk: 10}};
const json = (value: unknown) => ({
  method: 'POST',
  headers: JSON_BEARER,
  body: JSON.stringify(value),
});

test('without the token nothing is answered but that it is missing', async t => {
  // A minute apart each time, so that none of them is one too many.
  let now = 0;
  const {url} = await openRig(t, {wallNow: () => (now += 60_000)});
  for (const authorization of [
    undefined,
    '',
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
    TOKEN,
  ]) {
    const headers = authorization === undefined ? {} : {authorization};
    for (const path of ['/v1/status', '/v1/nowhere', '/v1/batches/1']) {
      const answer = await ask(`${url}${path}`, {headers});
      t.is(answer.status, 401, `${authorization} ${path}`);
      t.is(codeOf(answer), 'VOLLEY_UNAUTHORIZED');
    }
  }
});

test('a foreign Host, Origin or site is forbidden even with the token', async t => {
  const {url} = await openRig(t, {hostNames: ['rig.local']});
  const port = new URL(url).port;
  const statusOf = async (headers: Record<string, string>) =>
    (await ask(`${url}/v1/status`, {headers: {...BEARER, ...headers}})).status;
  t.is(await statusOf({host: 'evil.example'}), 403);
  t.is(await statusOf({host: `127.0.0.1.evil.example:${port}`}), 403);
  t.is(await statusOf({origin: 'https://evil.example'}), 403);
  t.is(await statusOf({origin: 'null'}), 403);
  t.is(await statusOf({origin: 'http://127.0.0.1:1'}), 403);
  t.is(await statusOf({'sec-fetch-site': 'cross-site'}), 403);
  t.is(await statusOf({host: `localhost:${port}`}), 200);
  t.is(await statusOf({host: `[::1]:${port}`}), 200);
  t.is(await statusOf({host: `RIG.local:${port}`}), 200);
  t.is(await statusOf({origin: url, 'sec-fetch-site': 'same-origin'}), 200);
});

test('no answer carries a CORS header', async t => {
  const {url} = await openRig(t);
  const answer = await ask(`${url}/v1/status`, {headers: BEARER});
  t.deepEqual(
    Object.keys(answer.headers).filter(name => name.startsWith('access-control')),
    [],
  );
  t.is((await ask(`${url}/v1/status`, {method: 'OPTIONS', headers: BEARER})).status, 403);
});

test('unknown ids answer 404 under their own codes', async t => {
  const {url} = await openRig(t);
  const cases = [
    ['GET', '/v1/batches/7', 'VOLLEY_UNKNOWN_BATCH'],
    ['POST', '/v1/batches/7/cancel', 'VOLLEY_UNKNOWN_BATCH'],
    ['GET', '/v1/batches/7/results', 'VOLLEY_UNKNOWN_BATCH'],
    ['GET', '/v1/batches/9999999999', 'VOLLEY_UNKNOWN_BATCH'],
    ['GET', '/v1/captures/7', 'VOLLEY_UNKNOWN_CAPTURE'],
    ['GET', '/v1/events?batch=7', 'VOLLEY_UNKNOWN_BATCH'],
    ['GET', '/v1/events?capture=7', 'VOLLEY_UNKNOWN_CAPTURE'],
    ['GET', '/v1/events?transfer=7', 'VOLLEY_UNKNOWN_TRANSFER'],
    ['GET', '/v1/transfers/7', 'VOLLEY_UNKNOWN_TRANSFER'],
    ['GET', `/v1/blobs/${'0'.repeat(64)}`, 'VOLLEY_UNKNOWN_BLOB'],
    ['GET', '/v1/nowhere', 'VOLLEY_USAGE'],
    ['DELETE', '/v1/batches/7', 'VOLLEY_USAGE'],
  ] as const;
  for (const [method, path, code] of cases) {
    const answer = await ask(`${url}${path}`, {method, headers: BEARER});
    t.is(answer.status, 404, path);
    t.is(codeOf(answer), code, path);
  }
});

test('a request that is not as described is refused and the field is named', async t => {
  const {url, handle} = await openRig(t);
  const cases: [unknown, string][] = [
    [{...BATCH, prioirty: 1}, 'prioirty'],
    [{...BATCH, policy: {minQuorom: 1}}, 'policy.minQuorom'],
    [{...BATCH, policy: {minQuorum: 0}}, 'policy.minQuorum'],
    [{...BATCH, policy: {minQuorum: '2'}}, 'policy.minQuorum'],
    [{...BATCH, args: 'one'}, 'args'],
    [{...BATCH, args: [1]}, 'args.0'],
    [{input: BATCH.input}, 'app'],
    [{app: 'primes'}, 'input'],
    [{...BATCH, input: {kind: 'other'}}, 'input.kind'],
    [{...BATCH, input: {...BATCH.input, chunk: 0.5}}, 'input.chunk'],
    [{...BATCH, input: {...BATCH.input, step: 1}}, 'input.step'],
    [{...BATCH, input: {kind: 'lines', blobId: 'x', indexBlobId: 'y', count: 1}}, 'input.blobId'],
    [[], 'body'],
  ];
  for (const [body, field] of cases) {
    const answer = await ask(`${url}/v1/batches`, json(body));
    t.is(answer.status, 400, field);
    t.is(codeOf(answer), 'VOLLEY_USAGE', field);
    t.is(fieldsOf(answer)['field'], field, answer.body);
  }
  const query = await ask(`${url}/v1/batches?all=1`, {headers: BEARER});
  t.is(fieldsOf(query)['field'], 'all');
  const id = await ask(`${url}/v1/batches/seven`, {headers: BEARER});
  t.is(id.status, 400);
  t.deepEqual(handle.requests, []);
});

test('bodies that are not JSON, not said to be JSON or too large are refused', async t => {
  const {url, handle} = await openRig(t);
  const post = (body: string, type?: string) =>
    ask(`${url}/v1/batches`, {
      method: 'POST',
      headers: {...BEARER, ...(type === undefined ? {} : {'content-type': type})},
      body,
    });
  const text = JSON.stringify(BATCH);
  t.is((await post('{', 'application/json')).status, 400);
  t.is((await post('', 'application/json')).status, 400);
  t.is((await post('{"__proto__": {"app": "x"}}', 'application/json')).status, 400);
  t.is((await post(text, 'text/plain')).status, 415);
  t.is((await post(text, 'application/x-www-form-urlencoded')).status, 415);
  t.is((await post(text)).status, 415);
  t.is((await post(text, 'application/octet-stream')).status, 415);
  const large = await post(' '.repeat(1_048_577), 'application/json');
  t.is(large.status, 413);
  t.is(codeOf(large), 'VOLLEY_TOO_LARGE');
  t.deepEqual(handle.requests, []);
});

test('a batch is submitted, shown, listed and cancelled', async t => {
  const {client, handle} = await openRig(t);
  handle.batchViews.set(1, batchView(1));
  const request = {...BATCH, name: 'n', args: ['a'], policy: {minQuorum: 1}} as never;
  t.deepEqual(await client.submit(request), {batchId: asBatchId(1)});
  t.deepEqual(handle.requests[0], {kind: 'submitBatch', batch: request});
  t.deepEqual(await client.batch(asBatchId(1)), batchView(1));
  t.deepEqual(await client.batches(), [batchView(1)]);
  t.deepEqual(await client.cancel(asBatchId(1)), batchView(1));
  t.deepEqual(handle.requests[1], {kind: 'cancelBatch', batchId: asBatchId(1)});
});

test('what is left out of a batch is filled in, not guessed from text', async t => {
  const {url, handle} = await openRig(t);
  t.is((await ask(`${url}/v1/batches`, json(BATCH))).status, 201);
  t.deepEqual(handle.requests as unknown[], [
    {kind: 'submitBatch', batch: {...BATCH, name: '', args: [], policy: {}}},
  ]);
});

test('a batch whose input blobs are not here is refused before the core sees it', async t => {
  const {client, handle, blobs} = await openRig(t);
  const blobId = await blobs.put(new Uint8Array([1]));
  const indexBlobId = asBlobId('0'.repeat(64));
  const input = {kind: 'lines', blobId, indexBlobId, count: 1} as const;
  const error = await t.throwsAsync(
    client.submit({name: '', app: 'primes', args: [], input, policy: {}}),
    {instanceOf: VolleyError},
  );
  t.is(error?.code, 'VOLLEY_UNKNOWN_BLOB');
  t.deepEqual(handle.requests, []);
});

test('what the core refuses comes back under its code', async t => {
  const {client, handle} = await openRig(t);
  handle.answer = {ok: false, code: 'VOLLEY_BAD_POLICY', fields: {reason: 'no'}};
  const submitted = client.submit({...BATCH, name: '', args: [], policy: {}} as never);
  const error = await t.throwsAsync(submitted, {instanceOf: VolleyError});
  t.is(error?.code, 'VOLLEY_BAD_POLICY');
  t.is(error?.message, 'policy refused: no');
});

test('an error nobody foresaw is an internal one and the server goes on', async t => {
  const {client, handle} = await openRig(t);
  handle.nodes = () => {
    throw new TypeError('oops');
  };
  const error = await t.throwsAsync(client.nodes(), {instanceOf: VolleyError});
  t.is(error?.code, 'VOLLEY_INTERNAL');
  t.is((await client.status()).version, '0.1.0');
});

test('captures are asked for and shown', async t => {
  const {client, handle} = await openRig(t);
  handle.captureViews.set(1, captureView(1));
  const target = {labels: ['ring1'], nodes: [NODE]};
  const capture = {action: 'camera', args: [], target, leadMs: 300, shots: 1, intervalMs: 0};
  t.deepEqual(await client.capture(capture), {captureId: asCaptureId(1)});
  t.deepEqual(handle.requests[0], {kind: 'capture', capture});
  t.deepEqual(await client.captureOf(asCaptureId(1)), captureView(1));
  t.deepEqual(await client.captures(), [captureView(1)]);
  t.deepEqual(await client.cancelCapture(asCaptureId(1)), captureView(1));
  t.deepEqual(handle.requests[1], {kind: 'cancelCapture', captureId: asCaptureId(1)});
});

test('files are pushed and shown; a blob that is not here is none', async t => {
  const {client, handle, blobs} = await openRig(t);
  handle.transferViews.set(1, transferView(1));
  const blobId = await blobs.put(new Uint8Array(3));
  const order = {fileName: 'file.bin', target: {labels: ['ring1'], nodes: []}, rate: 1e6};
  t.deepEqual(await client.push({...order, blob: blobId}), transferView(1));
  t.deepEqual(handle.requests[0], {kind: 'push', ...order, blobId, size: 3});
  t.deepEqual(await client.transfers(), [transferView(1)]);
  t.deepEqual(await client.transferOf(1), transferView(1));
  t.deepEqual(await client.cancelTransfer(1), transferView(1));
  t.deepEqual(handle.requests[1], {kind: 'cancelTransfer', transferId: 1});
  const unknown = client.push({...order, blob: asBlobId('0'.repeat(64))});
  await t.throwsAsync(unknown, {code: 'VOLLEY_UNKNOWN_BLOB'});
  t.is(handle.requests.length, 2);
});

test('a join token is made here, and only what derives from its secret goes to the core', async t => {
  const {client, handle} = await openRig(t, {wallNow: () => 1_000});
  const token = await client.token(3, 2);
  const secret = new Uint8Array(Buffer.from(token.secret, 'hex'));
  t.is(secret.length, 16);
  t.is(token.expiresAt, 1_000 + 2 * 3_600_000);
  t.deepEqual(handle.requests as unknown[], [
    {
      kind: 'addToken',
      psk: pskOf(crypto, secret),
      tokenId: tokenIdOf(crypto, secret),
      uses: 3,
      expiresAt: token.expiresAt,
    },
  ]);
  t.is(tokenIdOf(crypto, secret), token.tokenId);
});

test('an app is published only when its signature, its module and its limits are right', async t => {
  const key = crypto.ed25519KeyPair();
  const stranger = crypto.ed25519KeyPair();
  const {client, handle, blobs} = await openRig(t, {appKeys: [key.publicKey], wallNow: () => 5});
  const module = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  const manifest = (changes: Partial<AppManifest> = {}): AppManifest => ({
    format: 1,
    name: 'primes',
    version: '1.0.0',
    description: '',
    runtime: 'wasm',
    wasm: {blobId: idOf(module), size: module.length},
    limits: {timeSeconds: 1, memoryMib: 16, outputBytes: 1_000},
    ...changes,
  });
  const publish = async (secretKey: Uint8Array, app: AppManifest) =>
    client.publish(await blobs.put(signApp(crypto, secretKey, app)));
  const codeFor = async (secretKey: Uint8Array, app: AppManifest) =>
    (await t.throwsAsync(publish(secretKey, app), {instanceOf: VolleyError}))?.code;
  t.is(await codeFor(stranger.secretKey, manifest()), 'VOLLEY_BAD_APP');
  t.is(await codeFor(key.secretKey, manifest()), 'VOLLEY_UNKNOWN_BLOB');
  await blobs.put(module);
  t.is(await codeFor(key.secretKey, manifest()), 'VOLLEY_BAD_APP', 'a module without memory');
  t.deepEqual(handle.requests, []);

  const {wasm: _, ...rest} = manifest();
  const app: AppManifest = {...rest, runtime: 'exec', action: 'camera'};
  const row = await publish(key.secretKey, app);
  t.like(row, {name: 'primes', action: 'camera', runtime: 'exec', publishedAt: 5});
  t.deepEqual(handle.requests, [{kind: 'addApp', app: row}]);

  const files = encodeBundle([{path: 'main.py', bytes: toUtf8('print(1)')}]);
  const withFiles = (blob: Uint8Array, size = blob.length): AppManifest => ({
    ...app,
    bundle: {blobId: idOf(blob), size},
  });
  t.is(await codeFor(key.secretKey, withFiles(files)), 'VOLLEY_UNKNOWN_BLOB');
  await blobs.put(files);
  t.is(await codeFor(key.secretKey, withFiles(files, files.length + 1)), 'VOLLEY_BAD_APP');
  const escaping = toUtf8('volley-files 1\n[["../main.py",0]]\n');
  await blobs.put(escaping);
  t.is(await codeFor(key.secretKey, withFiles(escaping)), 'VOLLEY_BAD_APP');
  t.like(await publish(key.secretKey, withFiles(files)), {action: 'camera+files'});
  const image: AppManifest = {...rest, runtime: 'container', image: 'a:1'};
  t.like(await publish(key.secretKey, image), {runtime: 'container', action: 'container:a:1'});
});

test('GET /v1 describes every route that there is', async t => {
  const {client} = await openRig(t);
  const {paths} = (await client.describe()) as {paths: Record<string, Record<string, object>>};
  const summaries = Object.values(paths)
    .flatMap(methods => Object.values(methods))
    .map(operation => (operation as {summary: string}).summary);
  t.true(summaries.every(summary => summary.length > 0));
});

test('a port in use is named with the flag that changes it', async t => {
  const {url, handle, blobs} = await openRig(t);
  const port = Number(new URL(url).port);
  const indexed = async () => ({
    blobId: idOf(new Uint8Array()),
    indexBlobId: idOf(new Uint8Array()),
    count: 0,
  });
  const second = openOperatorServer({
    handle,
    blobs,
    token: TOKEN,
    access: OWNER_ALONE,
    crypto,
    appKeys: [],
    port,
    indexLines: indexed,
    indexFiles: indexed,
  });
  const error = await t.throwsAsync(second, {instanceOf: VolleyError});
  t.is(error?.code, 'VOLLEY_PORT_IN_USE');
  t.deepEqual(error?.fields, {port, host: '127.0.0.1', flag: '--http-port'});
});

test('closing twice is fine, and cuts those who watch', async t => {
  const handle = new FakeHandle();
  const {blobs} = await openFolder(t);
  const indexed = () => Promise.reject(new Error('not wanted'));
  const server = await openOperatorServer({
    handle,
    blobs,
    token: TOKEN,
    access: OWNER_ALONE,
    crypto,
    appKeys: [],
    port: 0,
    indexLines: indexed,
    indexFiles: indexed,
  });
  const client = new OperatorClient({url: server.url, token: TOKEN});
  const watched = client.events().next();
  await until(() => handle.listeners.size === 1);
  await Promise.all([server.close(), server.close()]);
  await t.throwsAsync(watched, {instanceOf: VolleyError});
  t.is(handle.listeners.size, 0);
  await server.close();
});

test('a master that is not there is called unreachable, with its address', async t => {
  const client = new OperatorClient({url: 'http://127.0.0.1:1', token: TOKEN});
  const error = await t.throwsAsync(client.status(), {instanceOf: VolleyError});
  t.is(error?.code, 'VOLLEY_MASTER_UNREACHABLE');
  t.deepEqual(error?.fields, {url: 'http://127.0.0.1:1', reason: 'connection refused'});
});

test('headers that are too long end the connection', async t => {
  const {url} = await openRig(t);
  const answer = await ask(`${url}/v1/status`, {headers: {...BEARER, 'x-long': 'x'.repeat(9_000)}});
  t.is(answer.status, 431);
});

test('headers that never end are cut after their time, which is ten seconds', async t => {
  t.is(HTTP_TIMES.headersMs, 10_000);
  const {url} = await openRig(t, {times: {headersMs: 200, checkMs: 50}});
  const {closed} = raw(Number(new URL(url).port), 'GET /v1/status HTTP/1.1\r\nhost: localhost\r\n');
  t.regex(await closed, /^HTTP\/1.1 408 .*the headers did not come in time/s);
});

test('one connection serves many requests of a client', async t => {
  const {client, url} = await openRig(t);
  await Promise.all(Array.from({length: 20}, () => client.status()));
  await sleep(0);
  const begun = performance.now();
  for (let i = 0; i < 100; i++) await client.status();
  t.log(`${((performance.now() - begun) / 100).toFixed(2)} ms a request at ${url}`);
  t.pass();
});
