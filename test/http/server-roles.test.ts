// What each role may, route by route. A new route must be put into the table here.

import test from 'ava';
import type {Role} from '../../src/core/access.ts';
import {ROLES} from '../../src/core/access.ts';
import {OperatorClient} from '../../src/http/client.ts';
import {makeOperatorApp} from '../../src/http/server.ts';
import {
  ask,
  batchView,
  crypto,
  FakeHandle,
  OWNER_ALONE,
  openFolder,
  openRig,
  TOKEN,
  until,
} from './rig.ts';

const ROUTES: Readonly<Record<string, Role>> = {
  'GET /v1': 'read',
  'GET /v1/access': 'admin',
  'POST /v1/access': 'admin',
  'POST /v1/access/{name}/revoke': 'admin',
  'GET /v1/apps': 'read',
  'POST /v1/apps': 'admin',
  'GET /v1/apps/{name}/versions': 'read',
  'GET /v1/batches': 'read',
  'POST /v1/batches': 'operate',
  'GET /v1/batches/{id}': 'read',
  'POST /v1/batches/{id}/cancel': 'operate',
  'POST /v1/batches/{id}/delete': 'operate',
  'GET /v1/batches/{id}/history': 'read',
  'POST /v1/batches/{id}/priority': 'operate',
  'POST /v1/batches/{id}/resume': 'operate',
  'POST /v1/batches/{id}/retry': 'operate',
  'POST /v1/batches/{id}/suspend': 'operate',
  'GET /v1/batches/{id}/results': 'read',
  'GET /v1/blobs/{id}': 'read',
  'HEAD /v1/blobs/{id}': 'read',
  'POST /v1/blobs': 'operate',
  'PUT /v1/blobs/{id}': 'operate',
  'GET /v1/captures': 'read',
  'POST /v1/captures': 'operate',
  'POST /v1/actions/{name}/settings': 'operate',
  'GET /v1/captures/{id}': 'read',
  'GET /v1/captures/{id}/record': 'read',
  'POST /v1/captures/{id}/cancel': 'operate',
  'POST /v1/captures/{id}/delete': 'operate',
  'GET /v1/transfers': 'read',
  'POST /v1/transfers': 'operate',
  'GET /v1/transfers/{id}': 'read',
  'POST /v1/transfers/{id}/cancel': 'operate',
  'GET /v1/events': 'read',
  'POST /v1/files': 'operate',
  'POST /v1/lines': 'operate',
  'GET /v1/nodes': 'read',
  'GET /v1/nodes/{id}/doubts': 'read',
  'POST /v1/nodes/{id}/drain': 'operate',
  'POST /v1/nodes/{id}/forget': 'admin',
  'POST /v1/nodes/{id}/label': 'operate',
  'POST /v1/nodes/{id}/quarantine': 'operate',
  'POST /v1/nodes/{id}/release': 'operate',
  'POST /v1/nodes/{id}/resume': 'operate',
  'POST /v1/nodes/{id}/preferences': 'operate',
  'POST /v1/nodes/{id}/revoke': 'admin',
  'POST /v1/nodes/{id}/suspend': 'operate',
  'POST /v1/resume': 'operate',
  'POST /v1/suspend': 'operate',
  'GET /v1/pending': 'read',
  'POST /v1/pending/approve': 'admin',
  'POST /v1/pending/deny': 'admin',
  'GET /v1/status': 'read',
  'GET /v1/tokens': 'read',
  'POST /v1/tokens': 'admin',
  'POST /v1/tokens/{id}/revoke': 'admin',
};

type Described = {paths: Record<string, Record<string, {'x-role': string}>>};

test('every route states its role, and it is the one that was decided', async t => {
  const {client} = await openRig(t);
  const {paths} = (await client.describe()) as Described;
  const stated = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, route]) => [
      `${method.toUpperCase()} ${path}`,
      route['x-role'],
    ]),
  );
  t.deepEqual(Object.fromEntries(stated), ROUTES);
});

/** What an answer to somebody with this role, on a route that takes `wanted`, must be. */
function isRight(role: Role | 'none', wanted: Role, status: number): boolean {
  if (role === 'none') return status === 401;
  return ROLES.indexOf(role) < ROLES.indexOf(wanted)
    ? status === 403
    : ![401, 403].includes(status);
}

test('no role may what takes more, on any route, and what it may passes the door', async t => {
  const {url, client, handle} = await openRig(t);
  const tokens = new Map<string, string>();
  for (const role of ROLES) tokens.set(role, (await client.addAccess(role, role)).token);
  for (const [route, wanted] of Object.entries(ROUTES)) {
    const [method = '', path = ''] = route.split(' ');
    // An id that is none, and no body: whoever passes the door reads, or is refused behind it. The stream
    // of events is asked for a batch that is not there, so that it ends.
    const query = path === '/v1/events' ? '?batch=7' : '';
    const to = `${url}${path.replace('{id}', 'none').replace('{name}', 'nobody')}${query}`;
    for (const role of ['none', ...ROLES] as const) {
      const token = tokens.get(role);
      const headers: Record<string, string> = token ? {authorization: `Bearer ${token}`} : {};
      const {status} = await ask(to, {method, headers});
      t.true(isRight(role, wanted, status), `${role}: ${route} answered ${status}`);
    }
  }
  t.deepEqual(handle.requests, []);
});

test('a route that states no role does not register', async t => {
  const {blobs} = await openFolder(t);
  const none = () => Promise.reject(new Error('not wanted'));
  const handle = new FakeHandle();
  const app = makeOperatorApp({
    ...{handle, blobs, crypto, token: TOKEN, access: OWNER_ALONE, appKeys: []},
    ...{indexLines: none, indexFiles: none},
  });
  t.teardown(() => app.close());
  const answer = () => ({});
  t.throws(() => app.get('/v1/quiet', answer), {message: /GET \/v1\/quiet does not state a role/});
  const config = {summary: 'no role'} as never;
  t.throws(() => app.post('/v1/quiet', {config}, answer), {message: /does not state a role/});
});

test('who may not is told its role, what it takes and who can give it', async t => {
  const {url, client} = await openRig(t);
  const {token} = await client.addAccess('read', 'wall');
  const reader = new OperatorClient({url, token});
  t.teardown(() => reader.close());
  const error = await t.throwsAsync(reader.token(1, 1), {code: 'VOLLEY_FORBIDDEN'});
  t.is(
    error?.message,
    'the token "wall" may only read, and this takes admin; ask the owner for `volley access add admin --name NAME`',
  );
});

test('a revoked token is refused at once, and what it watched ends', async t => {
  const {url, client, hub} = await openRig(t);
  const {token} = await client.addAccess('read', 'wall');
  const reader = new OperatorClient({url, token});
  t.teardown(() => reader.close());
  const watched = reader.events().next();
  await until(() => hub.watcherCount === 1);
  t.deepEqual(
    (await client.access()).map(({name}) => name),
    ['wall'],
  );
  await client.revokeAccess('wall');
  await t.throwsAsync(watched, {code: 'VOLLEY_MASTER_UNREACHABLE'});
  await t.throwsAsync(reader.status(), {code: 'VOLLEY_UNAUTHORIZED'});
  await until(() => hub.watcherCount === 0);
});

test('event streams are bounded, and the last ones are kept for the owner', async t => {
  const {url, client, hub, handle} = await openRig(t);
  handle.batchViews.set(1, batchView(1));
  const {token} = await client.addAccess('read', 'wall');
  const reader = new OperatorClient({url, token});
  t.teardown(() => reader.close());
  const ends: AbortController[] = [];
  const streams: Promise<unknown>[] = [];
  const open = async (by: OperatorClient): Promise<void> => {
    const count = hub.watcherCount;
    const end = new AbortController();
    ends.push(end);
    streams.push(by.events({}, end.signal).next());
    await until(() => hub.watcherCount === count + 1);
  };
  for (let i = 0; i < 12; i++) await open(reader);
  await t.throwsAsync(reader.events().next(), {code: 'VOLLEY_BUSY'});
  for (let i = 0; i < 4; i++) await open(client);
  const error = await t.throwsAsync(client.events().next(), {code: 'VOLLEY_BUSY'});
  t.is(
    error?.message,
    'the master has 16 event streams and takes no more; end one, or try again later',
  );
  for (const end of ends) end.abort();
  await Promise.all(streams);
});
