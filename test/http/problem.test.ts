// What people read when a request is refused: which field, what is wrong with it, what to do.

import test from 'ava';
import {ask, BEARER, codeOf, JSON_BEARER, openRig} from './rig.ts';

const INPUT = {kind: 'range', start: 0, end: 100, chunk: 10};
const BATCH = {app: 'primes', input: INPUT};
const CAPTURE = {action: 'camera', leadMs: 100};
const messageOf = (body: string): string => JSON.parse(body).error.message;

const BODIES: readonly [string, unknown, string][] = [
  ['batches', {...BATCH, name: 'x'.repeat(65)}, 'name is longer than 64 characters'],
  ['batches', {...BATCH, app: ''}, 'app is empty'],
  [
    'batches',
    {...BATCH, prioirty: 1},
    'prioirty is not a known field; known are name, app, args, input, policy, clonedFrom, target, strict, stages, shared',
  ],
  [
    'batches',
    {...BATCH, policy: {minQuorom: 1}},
    'policy.minQuorom is not a known field; did you mean "minQuorum"?',
  ],
  ['batches', {...BATCH, policy: {minQuorum: 0}}, 'policy.minQuorum must be at least 1'],
  ['batches', {...BATCH, policy: {minQuorum: 17}}, 'policy.minQuorum must be at most 16'],
  ['batches', {...BATCH, policy: {minQuorum: 1.5}}, 'policy.minQuorum must be a whole number'],
  ['batches', {...BATCH, policy: {leaseSeconds: 0}}, 'policy.leaseSeconds must be at least 1'],
  ['tokens', {uses: 1, hours: 0}, 'hours must be more than 0'],
  ['batches', {...BATCH, policy: []}, 'policy must be an object'],
  [
    'batches',
    {...BATCH, policy: {compare: {kind: 'numeric', rtol: 1}}},
    'policy.compare.rtol must be less than 1',
  ],
  ['batches', {...BATCH, args: 'one'}, 'args must be a list'],
  ['batches', {...BATCH, args: [1]}, 'args.0 must be text'],
  ['batches', {...BATCH, args: Array(1_000).fill('')}, 'args has more than 16 entries'],
  ['batches', {app: 'primes'}, 'input is missing'],
  ['batches', {...BATCH, input: {kind: 'other'}}, 'input.kind must be range, lines or files'],
  ['batches', {...BATCH, input: {...INPUT, kind: 'lines'}}, 'input.blobId is missing'],
  ['batches', [], 'the body must be an object'],
  [
    'batches',
    {...BATCH, ['<b>'.repeat(50)]: 1},
    'a field is not a known field; known are name, app, args, input, policy, clonedFrom, target, strict, stages, shared',
  ],
  ['captures', {...CAPTURE, leadMs: '1'}, 'leadMs must be a number'],
  ['captures', {...CAPTURE, target: {nodes: ['x']}}, 'target.nodes.0 must be 32 hex digits'],
  ['files', {files: []}, 'files is empty'],
  ['access', {role: 'root', name: 'a'}, 'role must be read, operate or admin'],
  [
    'access',
    {role: 'read', name: 'a b'},
    'name must be up to 32 letters, digits, ".", "-" and "_"',
  ],
];

test('a body that is not as described is refused in words that say what to change', async t => {
  const {url, handle} = await openRig(t);
  for (const [route, body, message] of BODIES) {
    const options = {method: 'POST', headers: JSON_BEARER, body: JSON.stringify(body)};
    const answer = await ask(`${url}/v1/${route}`, options);
    t.is(answer.status, 400, message);
    t.is(messageOf(answer.body), message);
  }
  t.deepEqual(handle.requests, []);
});

test('what is wrong in a path or a query says where', async t => {
  const {url} = await openRig(t);
  const cases = [
    ['/v1/batches/seven', 'in the path: id must be a whole number of at most 10 digits'],
    ['/v1/blobs/xyz', 'in the path: id must be 64 hex digits'],
    ['/v1/batches?all=1', 'in the query: all is not a known field; leave it out'],
    ['/v1/batches/1/results?state=lost', 'in the query: state must be done or failed'],
    [
      '/v1/batches/1/results?form=1',
      'in the query: form is not a known field; did you mean "from"?',
    ],
  ] as const;
  for (const [path, message] of cases) {
    const answer = await ask(`${url}${path}`, {headers: BEARER});
    t.is(answer.status, 400, path);
    t.is(messageOf(answer.body), message);
  }
});

test('other refusals say what to do too', async t => {
  const {url} = await openRig(t);
  const post = (headers: Record<string, string>, body: string) =>
    ask(`${url}/v1/batches`, {method: 'POST', headers: {...BEARER, ...headers}, body});
  const json = {'content-type': 'application/json'};
  t.regex(
    messageOf((await post({'content-type': 'text/plain'}, '{}')).body),
    /^send the body as GET \/v1 says/,
  );
  t.regex(
    messageOf((await post(json, '{"a": 1,}')).body),
    /^the body is not JSON; GET \/v1 says what/,
  );
  t.regex(messageOf((await post(json, '')).body), /^the body is empty; GET \/v1 says what/);
  t.regex(
    messageOf((await post(json, '['.repeat(500_000))).body),
    /^the body is not JSON; GET \/v1 says what/,
  );
  const nowhere = await ask(`${url}/v1/nowhere?x=1`, {headers: BEARER});
  t.is(messageOf(nowhere.body), 'there is no GET /v1/nowhere; see GET /v1');
});

test('every answer, good or bad, carries the headers that keep browsers out', async t => {
  const {url} = await openRig(t);
  const asks = [
    ['/v1/status', {headers: BEARER}],
    ['/v1/status', {}],
    ['/v1/nowhere', {headers: BEARER}],
    ['/v1/batches', {method: 'POST', headers: BEARER, body: 'x'}],
    ['/v1/status', {headers: {...BEARER, 'x-long': 'x'.repeat(9_000)}}],
    ['/v1/status', {headers: {...BEARER, origin: 'null'}}],
    ['/%ff', {headers: BEARER}],
    ['/%ff', {}],
    [`/v1/batches/${'1'.repeat(200)}`, {headers: BEARER}],
  ] as const;
  for (const [path, options] of asks) {
    const {status, headers} = await ask(`${url}${path}`, options);
    t.is(headers['x-content-type-options'], 'nosniff', `${status}`);
    t.is(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'");
    t.is(headers['referrer-policy'], 'no-referrer');
    t.is(headers['cache-control'], 'no-store');
    t.is(headers['set-cookie'], undefined);
  }
});

test('a path that cannot be read tells a stranger no more than any other', async t => {
  const {url} = await openRig(t);
  for (const path of ['/%ff', '/v1/%', `/v1/batches/${'1'.repeat(200)}`]) {
    const stranger = await ask(`${url}${path}`, {});
    t.deepEqual([stranger.status, codeOf(stranger)], [401, 'VOLLEY_UNAUTHORIZED'], path);
    const foreign = await ask(`${url}${path}`, {headers: {...BEARER, origin: 'null'}});
    t.is(foreign.status, 403, path);
    const known = await ask(`${url}${path}`, {headers: BEARER});
    t.deepEqual([known.status, codeOf(known)], [400, 'VOLLEY_USAGE'], path);
  }
});
