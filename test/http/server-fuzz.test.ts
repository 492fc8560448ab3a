// Bodies nobody foresaw, on every route that writes: never a bug of ours, and nothing reaches the core that
// is not as described.

import test from 'ava';
import fc from 'fast-check';
import type {OperatorAnswer, OperatorRequest} from '../../src/core/operator-request.ts';
import type {Actor} from '../../src/core/operator-rows.ts';
import {changedPreferences, isFault} from '../../src/core/preferences.ts';
import {makeOperatorApp} from '../../src/http/server.ts';
import {
  batchView,
  crypto,
  FakeHandle,
  JSON_BEARER,
  NODE,
  OWNER_ALONE,
  openFolder,
  TOKEN,
} from './rig.ts';

const RUNS = 1_000;

const HEX = 'a'.repeat(64);
/** A good body for each route, to be broken. */
const GOOD: Readonly<Record<string, object>> = {
  '/v1/access': {role: 'read', name: 'wall'},
  '/v1/actions/{name}/settings': {settings: {gain: '2'}, target: {labels: ['ring1'], nodes: []}},
  '/v1/apps': {appId: HEX},
  '/v1/batches': {
    name: 'n',
    app: 'primes',
    args: ['a'],
    input: {kind: 'range', start: 0, end: 100, chunk: 10},
    policy: {minQuorum: 2, leaseSeconds: 60, memoryLimitMib: 64},
  },
  '/v1/batches/{id}/delete': {force: true},
  '/v1/batches/{id}/priority': {priority: 3},
  '/v1/batches/{id}/suspend': {reason: 'lunch'},
  '/v1/captures': {
    action: 'camera',
    args: [],
    target: {labels: ['ring1'], nodes: ['0'.repeat(32)]},
    leadMs: 300,
    shots: 1,
    intervalMs: 0,
    needs: '95%',
    sweepMs: 20,
    toleranceMs: 2,
    burst: 2,
    burstMs: 40,
    dryRun: true,
    steps: [{atMs: 10, action: 'lights', args: ['on'], target: {labels: ['ring1'], nodes: []}}],
  },
  '/v1/captures/{id}/delete': {force: true},
  '/v1/files': {files: [{name: 'a', blob: HEX, size: 1}]},
  '/v1/nodes/{id}/drain': {reason: 'lunch'},
  '/v1/nodes/{id}/label': {add: ['a'], remove: ['b']},
  '/v1/nodes/{id}/preferences': {cores: 2, cpuPercent: 50},
  '/v1/nodes/{id}/quarantine': {reason: 'lunch'},
  '/v1/nodes/{id}/suspend': {reason: 'lunch'},
  '/v1/pending/approve': {fingerprint: '0'.repeat(32)},
  '/v1/pending/deny': {fingerprint: '0'.repeat(32)},
  '/v1/resume': {reason: 'lunch'},
  '/v1/suspend': {reason: 'lunch'},
  '/v1/tokens': {uses: 1, hours: 1},
  '/v1/transfers': {
    blob: HEX,
    fileName: 'file.bin',
    target: {labels: ['ring1'], nodes: []},
    rate: 1e6,
  },
};

const strange = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(-1, 0.5, 1e308, 2 ** 53, '', '\0', 'x'.repeat(70), HEX, null, [], {}),
  fc.constantFrom('__proto__', 'constructor', 'toString', '\ud800', '\u202e', '../../etc/passwd'),
);

/** Every place in a value, as a list of keys. */
const placesIn = (value: unknown): string[][] =>
  typeof value !== 'object' || value === null
    ? [[]]
    : [[], ...Object.entries(value).flatMap(([k, v]) => placesIn(v).map(rest => [k, ...rest]))];

function replaced(value: unknown, [first, ...rest]: readonly string[], by: unknown): unknown {
  if (first === undefined) return by;
  const copy: Record<string, unknown> = Object.assign(Array.isArray(value) ? [] : {}, value);
  copy[first] = replaced(copy[first], rest, by);
  return copy;
}

/** The good body with something else at one or two of its places, or something else altogether. */
const broken = (good: object): fc.Arbitrary<unknown> => {
  const place = fc.constantFrom(...placesIn(good));
  const once = fc.tuple(place, strange).map(([at, by]) => replaced(good, at, by));
  const more = fc
    .tuple(once, fc.string(), strange)
    .map(([body, name, by]) =>
      typeof body === 'object' && body !== null && !Array.isArray(body)
        ? {...body, [name]: by}
        : body,
    );
  return fc.oneof({weight: 4, arbitrary: once}, {weight: 2, arbitrary: more}, strange);
};

/** Only the core can judge preferences, by those that the node has: what it refuses does not count as heard. */
class JudgingHandle extends FakeHandle {
  override operator(request: OperatorRequest, actor?: Actor): Promise<OperatorAnswer> {
    if (request.kind !== 'preferNode') return super.operator(request, actor);
    const preferences = changedPreferences({}, request.changes);
    if (isFault(preferences)) {
      const fields = {reason: preferences.fault};
      return Promise.resolve({ok: false, code: 'VOLLEY_USAGE', fields});
    }
    this.answer = {...this.answer, ok: true, preferences};
    return super.operator(request, actor);
  }
}

async function openApp(t: import('ava').ExecutionContext) {
  const handle = new JudgingHandle();
  handle.batchViews.set(7, batchView(7));
  handle.answer = {...handle.answer, nodes: []} as OperatorAnswer;
  const {blobs} = await openFolder(t);
  const saved: unknown[] = [];
  const indexed = {blobId: HEX as never, indexBlobId: HEX as never, count: 1};
  const app = makeOperatorApp({
    ...{handle, blobs, crypto, token: TOKEN, appKeys: []},
    access: {...OWNER_ALONE, save: rows => saved.push(rows)},
    indexLines: async () => indexed,
    indexFiles: async () => indexed,
  });
  t.teardown(() => app.close());
  return {app, handle, saved};
}

const headers = {...JSON_BEARER, host: 'localhost'};
/** One that is there. */
const urlOf = (path: string): string =>
  path.replace('{id}', path.startsWith('/v1/batches') ? '7' : NODE);

for (const [path, good] of Object.entries(GOOD)) {
  const url = urlOf(path);
  test(`${path}: a strange body is refused in words, and the core hears of good ones only`, async t => {
    const {app, handle, saved} = await openApp(t);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(broken(good), async body => {
        const before = [handle.requests.length, saved.length];
        const payload = JSON.stringify(body) ?? '';
        const answer = await app.inject({method: 'POST', url, headers, payload});
        if (answer.statusCode < 400) return;
        refused++;
        const {error} = answer.json<{error: {code: string; message: string}}>();
        t.true(answer.statusCode < 500, `${answer.statusCode} ${error.message} for ${payload}`);
        t.true(error.message.length > 0 && error.message.length < 600, error.message);
        t.deepEqual([handle.requests.length, saved.length], before);
      }),
      {numRuns: RUNS},
    );
    t.true(refused > RUNS / 2, `${refused} of ${RUNS} were refused`);
  });
}

test('bytes that are no JSON, and JSON with bytes changed, are refused in words', async t => {
  const {app, handle} = await openApp(t);
  const urls = fc.constantFrom(
    ...Object.entries(GOOD).map(([path, good]) => [urlOf(path), good] as const),
  );
  const cut = fc
    .tuple(urls, fc.nat(400), fc.uint8Array({maxLength: 8}))
    .map(([[url, good], at, by]) => {
      const bytes = Buffer.from(JSON.stringify(good));
      bytes.set(by.subarray(0, Math.max(0, bytes.length - (at % bytes.length))), at % bytes.length);
      return {url, payload: bytes};
    });
  const junk = fc.tuple(urls, fc.uint8Array({maxLength: 200})).map(([[url], bytes]) => ({
    url,
    payload: Buffer.from(bytes),
  }));
  await fc.assert(
    fc.asyncProperty(fc.oneof(cut, junk), async ({url, payload}) => {
      const before = handle.requests.length;
      const {statusCode} = await app.inject({method: 'POST', url, headers, payload});
      t.true(statusCode < 500, `${statusCode} for ${url} ${payload.toString('hex')}`);
      if (statusCode >= 400) t.is(handle.requests.length, before);
    }),
    {numRuns: RUNS},
  );
});

test('every write route that takes JSON is tried', async t => {
  const {app} = await openApp(t);
  const answer = await app.inject({url: '/v1', headers});
  const {paths} = answer.json<{paths: Record<string, {post?: {requestBody?: object}}>}>();
  const writes = Object.entries(paths).filter(([, {post}]) => post?.requestBody !== undefined);
  t.deepEqual(writes.map(([path]) => path).sort(), Object.keys(GOOD));
});
