import test from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {makeGuard} from '../../src/http/guard.ts';
import {Refusal} from '../../src/http/problem.ts';

const OWNER = {name: 'owner', role: 'admin'} as const;

function guardAt(now: {ms: number}, seen: string[] = []) {
  const access = {find: (token: string) => (token === 'right' ? OWNER : undefined)};
  const onWrongToken = (source: string) => void seen.push(source);
  return makeGuard({access, hosts: ['localhost'], now: () => now.ms, onWrongToken});
}

/** Headers as node gives them, raw and joined. */
function asked(headers: [string, string][], remoteAddress = '10.0.0.1', localAddress = '10.0.0.9') {
  const joined = Object.fromEntries([...headers].reverse().map(([k, v]) => [k.toLowerCase(), v]));
  const socket = {remoteAddress, localAddress};
  return {method: 'GET', headers: joined, rawHeaders: headers.flat(), socket};
}

const host: [string, string] = ['Host', 'localhost:6271'];
const bearer = (token: string): [string, string] => ['Authorization', `Bearer ${token}`];

/** The status that a thrown refusal has. */
function statusOf(act: () => unknown): number {
  try {
    act();
    return 200;
  } catch (error) {
    if (error instanceof Refusal) return error.status;
    return error instanceof VolleyError ? error.httpStatus : 500;
  }
}

test('the address that was reached is a name of ours, a name nobody gave us is not', t => {
  const guard = guardAt({ms: 0});
  const status = (name: string, local: string) =>
    statusOf(() => guard(asked([['Host', name], bearer('right')], '10.0.0.1', local)));
  t.is(status('10.0.0.9:6271', '10.0.0.9'), 200);
  t.is(status('10.0.0.9', '::ffff:10.0.0.9'), 200);
  t.is(status('[fe80::1]:6271', 'fe80::1'), 200);
  t.is(status('10.0.0.8', '10.0.0.9'), 403);
  t.is(status('rebound.example', '10.0.0.9'), 403);
  t.is(status('', '10.0.0.9'), 403);
});

test('a host that is refused is told what to do', t => {
  const guard = guardAt({ms: 0});
  t.throws(() => guard(asked([['Host', 'rig.local'], bearer('right')])), {
    message: /not called "rig.local"; use its address, or start it with --http-name/,
  });
  t.throws(() => guard(asked([['Host', '<script>'], bearer('right')])), {
    message: /not called this name/,
  });
});

test('a header that came twice is refused', t => {
  const guard = guardAt({ms: 0});
  const twice: [string, string][] = [
    ['host', 'localhost'],
    ['ORIGIN', 'http://localhost:6271'],
    ['authorization', 'Bearer wrong'],
    ['Content-Length', '1'],
  ];
  for (const [name, value] of twice) {
    const headers: [string, string][] = [host, bearer('right'), [name, value], [name, value]];
    t.is(
      statusOf(() => guard(asked(headers))),
      400,
      name,
    );
  }
  t.is(
    statusOf(() => guard(asked([host, bearer('right'), ['X-A', '1'], ['x-a', '2']]))),
    200,
  );
});

test('after five wrong tokens in a minute an address is told to wait, and a right one is heard', t => {
  const now = {ms: 1_000};
  const seen: string[] = [];
  const guard = guardAt(now, seen);
  const status = (token: string, from?: string) =>
    statusOf(() => guard(asked([host, bearer(token)], from)));
  for (let i = 0; i < 5; i++) t.is(status(`wrong${i}`), 401);
  t.is(status('wrong'), 429);
  t.is(status('right'), 200, 'the owner shares the address with whoever tries');
  t.is(status('wrong', '10.0.0.2'), 401, 'another address has its own count');
  const refusal = t.throws(() => guard(asked([host, bearer('wrong')])), {instanceOf: Refusal});
  t.is(refusal?.headers['retry-after'], '60');
  now.ms += 60_000;
  t.is(status('wrong'), 401);
  t.is(seen.length, 9);
});

test('no token at all is not counted as a wrong one', t => {
  const guard = guardAt({ms: 0});
  for (let i = 0; i < 20; i++)
    t.is(
      statusOf(() => guard(asked([host]))),
      401,
    );
});

test('a token is shown in one way only', t => {
  const guard = guardAt({ms: 0});
  for (const shown of ['right', 'bearer right', 'Basic right', 'Bearer  right', 'Bearer right x'])
    t.is(statusOf(() => guard(asked([host, ['Authorization', shown]]))) >= 401, true, shown);
});
