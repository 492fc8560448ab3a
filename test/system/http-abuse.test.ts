// A real master under HTTP abuse, with short times so that offenders need not be waited for. Figures are
// printed, not judged: another program on the machine may be slow at any moment.

import {type ChildProcess, fork} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import type {OperatorClient} from '../../src/http/client.ts';
import {OperatorClient as Client} from '../../src/http/client.ts';
import type {HttpTimes} from '../../src/http/listen.ts';
import {dribble, raw, requestText, statusesIn} from '../http/hostile.ts';
import {ask} from '../http/rig.ts';
import type {Look, Ready} from './master-child.ts';

const TIMES: Partial<HttpTimes> = {
  headersMs: 1_000,
  requestMs: 1_500,
  keepAliveMs: 1_000,
  idleMs: 3_000,
  paceMs: 500,
  checkMs: 200,
};

type Victim = Ready & {
  readonly url: string;
  readonly client: OperatorClient;
  readonly bearer: {readonly authorization: string};
  /** @param tidy collects garbage first, so that what is left is held */
  look(tidy?: boolean): Promise<Look>;
};

/** Another program may take a port between its choice and its use; then the child ends, and a new one chooses anew. */
async function startChild(tries = 3): Promise<{child: ChildProcess; ready: Ready}> {
  const program = fileURLToPath(new URL('master-child.ts', import.meta.url));
  const child: ChildProcess = fork(program, [JSON.stringify(TIMES)], {
    execArgv: ['--import=tsx', '--expose-gc'],
  });
  const first = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (child.exitCode === null && child.signalCode === null) return {child, ready: first[0]};
  if (tries > 1) return startChild(tries - 1);
  throw new Error(`the master ended before it was ready: ${child.signalCode ?? child.exitCode}`);
}

async function openVictim(t: ExecutionContext): Promise<Victim> {
  const {child, ready} = await startChild();
  const url = `http://127.0.0.1:${ready.httpPort}`;
  const client = new Client({url, token: ready.token});
  // Its start is over when its epoch is stored.
  while ((await client.status()).journalNo === 0);
  t.teardown(async () => {
    client.close();
    const gone = once(child, 'exit');
    child.disconnect();
    await gone;
  });
  const look = async (tidy = false): Promise<Look> => {
    const answer = once(child, 'message');
    child.send(tidy ? 'tidy' : 'look');
    return ((await answer) as [Look])[0];
  };
  const bearer = {authorization: `Bearer ${ready.token}`};
  return {...ready, url, client, bearer, look};
}

/** All that an operator can see of what is stored. */
async function stateOf({client}: Victim): Promise<string> {
  const {journalNo} = await client.status();
  const lists = [client.batches(), client.captures(), client.nodes(), client.apps()];
  return JSON.stringify([journalNo, await Promise.all(lists), await client.access()]);
}

/** Asks on new connections, one after the other, until `done`; answers how long each took. */
async function honest({url, bearer}: Victim, done: Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  let isOver = false;
  const stop = (): void => {
    isOver = true;
  };
  done.then(stop, stop);
  do {
    const begun = performance.now();
    const {status} = await ask(`${url}/v1/status`, {headers: bearer});
    if (status !== 200) throw new Error(`an honest request was answered ${status}`);
    took.push(performance.now() - begun);
  } while (!isOver);
  return took.sort((a, b) => a - b);
}

async function under(
  t: ExecutionContext,
  victim: Victim,
  name: string,
  attack: () => Promise<unknown>,
): Promise<void> {
  const before = await victim.look(true);
  const begun = performance.now();
  const attacked = attack();
  const took = await honest(victim, attacked);
  await attacked;
  const seconds = (performance.now() - begun) / 1_000;
  const after = await victim.look(true);
  const p99 = took[Math.floor(took.length * 0.99)] ?? 0;
  t.log(
    `${name}: over after ${seconds.toFixed(1)} s; ${took.length} honest requests, p99 ` +
      `${p99.toFixed(1)} ms; the master stood still ${after.stillMs.toFixed(0)} ms at most; RSS ${(after.rssMib - before.rssMib).toFixed(1)} MiB more`,
  );
}

const many = <T>(count: number, make: (no: number) => T): T[] =>
  Array.from({length: count}, (_, no) => make(no));

test.serial('whoever holds connections is closed, and the owner is heard meanwhile', async t => {
  const victim = await openVictim(t);
  const state = await stateOf(victim);
  const {httpPort, blobPort} = victim;
  for (const [name, port] of [
    ['operator interface', httpPort],
    ['blob server', blobPort],
  ] as const) {
    await under(t, victim, `500 silent connections, ${name}`, () =>
      Promise.all(many(500, () => raw(port).closed)),
    );
    await under(t, victim, `500 half-sent headers, ${name}`, () =>
      Promise.all(many(500, () => raw(port, 'GET / HTTP/1.1\r\nhost: x\r\n').closed)),
    );
    await under(t, victim, `60 headers byte by byte, ${name}`, () =>
      Promise.all(many(60, () => dribble(raw(port, 'GET / HTTP/1.1\r\nx-a: '), 'a', 50))),
    );
  }
  t.is(await stateOf(victim), state);
});

test.serial('a body that hardly moves is cut, even one of the owner', async t => {
  const victim = await openVictim(t);
  const state = await stateOf(victim);
  const {httpPort, bearer} = victim;
  const sized = {...bearer, 'content-length': 1_000_000};
  const json = requestText('POST /v1/batches', {...sized, 'content-type': 'application/json'}, '{');
  const bytes = {...sized, 'content-type': 'application/octet-stream'};
  await under(t, victim, '20 JSON bodies byte by byte', () =>
    Promise.all(many(20, () => dribble(raw(httpPort, json), ' ', 50))),
  );
  await under(t, victim, '20 uploads byte by byte', () =>
    Promise.all(
      many(20, () => dribble(raw(httpPort, requestText('POST /v1/blobs', bytes)), 'x', 50)),
    ),
  );
  // A connection is cut before the file of its draft is gone.
  while ((await victim.look()).drafts > 0);
  t.is(await stateOf(victim), state);
});

/** A reset may overtake what was said before it, on a busy machine: then it is asked again. */
async function answered(port: number, bytes: string): Promise<number[]> {
  for (let left = 20; left > 0; left--) {
    const text = await raw(port, bytes).closed;
    if (text !== '') return statusesIn(text);
  }
  return [];
}

test.serial('what is too large is refused before it is read', async t => {
  const victim = await openVictim(t);
  const state = await stateOf(victim);
  const {httpPort, blobPort, bearer} = victim;
  const gib = {'content-length': 2 ** 30, 'content-type': 'application/json'};
  await under(t, victim, 'a body of 1 GiB from a stranger, 20 times', async () => {
    for (const port of many(20, no => (no % 2 === 0 ? httpPort : blobPort))) {
      const {socket, closed} = raw(port, requestText('POST /v1/batches', gib));
      const chunk = Buffer.alloc(65_536, 32);
      const pump = (): void => {
        while (socket.writable && socket.write(chunk));
      };
      socket.on('drain', pump);
      pump();
      await closed;
      t.true(socket.bytesWritten < 64 * 1_048_576, 'it was cut early');
    }
  });
  const owner = raw(httpPort, requestText('POST /v1/batches', {...gib, ...bearer}));
  t.deepEqual(statusesIn(await owner.closed), [413]);
  const url = `/v1/${'x'.repeat(1_000_000)}`;
  const headers = many(10_000, no => `x-${no}: ${no}\r\n`).join('');
  for (const port of [httpPort, blobPort]) {
    t.deepEqual(await answered(port, requestText(`GET ${url}`)), [431]);
    const crowd = `GET /v1 HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}\r\n`;
    t.deepEqual(await answered(port, crowd), [431]);
  }
  t.is(await stateOf(victim), state);
});

test.serial(
  'a page of another site changes nothing, whatever it can make a browser send',
  async t => {
    const victim = await openVictim(t);
    const state = await stateOf(victim);
    const {url, bearer} = victim;
    const port = new URL(url).port;
    const json = {...bearer, 'content-type': 'application/json'};
    // Even if it knew the token: none of these may pass.
    const asks: [Record<string, string>, number][] = [
      [{...json, host: 'evil.example'}, 403],
      // DNS rebinding: the name is the page's own, the address is ours, and the browser sees one origin.
      [{...json, host: `rebound.example:${port}`, origin: `http://rebound.example:${port}`}, 403],
      [{...json, origin: 'https://evil.example'}, 403],
      [{...json, origin: 'null'}, 403],
      [{...json, 'sec-fetch-site': 'cross-site'}, 403],
      [{...json, 'sec-fetch-site': 'same-site'}, 403],
      [{...bearer, 'content-type': 'text/plain'}, 415],
      [{...bearer, 'content-type': 'application/x-www-form-urlencoded'}, 415],
      [{...bearer, 'content-type': 'multipart/form-data; boundary=x'}, 415],
      [bearer, 415],
      [{'content-type': 'application/json', cookie: `token=${victim.token}`}, 401],
    ];
    const body = JSON.stringify({uses: 1, hours: 1});
    for (const [headers, status] of asks) {
      const answer = await ask(`${url}/v1/tokens`, {method: 'POST', headers, body});
      t.is(answer.status, status, JSON.stringify(headers));
      t.false(Object.keys(answer.headers).some(name => /^access-control|^set-cookie/.test(name)));
    }
    const preflight = {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const answer = await ask(`${url}/v1/tokens`, {method: 'OPTIONS', headers: preflight});
    t.is(answer.status, 403);
    const inUrl = await ask(`${url}/v1/tokens?token=${victim.token}`, {method: 'POST', body});
    t.is(inUrl.status, 401, 'a token in a URL opens nothing');
    t.is(await stateOf(victim), state);
    t.is((await ask(`${url}/v1/tokens`, {method: 'POST', headers: json, body})).status, 201);
    t.not(await stateOf(victim), state, 'what may pass is seen in the state');
  },
);

test.serial('requests that two readers could read differently are refused whole', async t => {
  const victim = await openVictim(t);
  const state = await stateOf(victim);
  const {httpPort, blobPort, bearer} = victim;
  const head = `POST /v1/batches HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\ncontent-type: application/json\r\n`;
  const hidden = requestText('POST /v1/tokens', {...bearer, 'content-length': 0});
  const shapes: Record<string, string> = {
    'length and chunks': `${head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'chunks and length': `${head}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n${hidden}`,
    'two lengths': `${head}content-length: 4\r\ncontent-length: 0\r\n\r\n${hidden}`,
    'a length with a sign': `${head}content-length: +4\r\n\r\n${hidden}`,
    'a coding nobody knows': `${head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
    'chunked twice': `${head}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'a space before the colon': `${head}content-length : 4\r\n\r\n${hidden}`,
    'a folded header': `${head}x-a: b\r\n content-length: 4\r\n\r\n${hidden}`,
    'bare line ends': `${head.replaceAll('\r\n', '\n')}content-length: 0\n\n`,
    'a chunk size that is none': `${head}transfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n`,
    'a chunk longer than said': `${head}transfer-encoding: chunked\r\n\r\n1\r\n{}}}\r\n0\r\n\r\n`,
    'a NUL in a header': `${head}x-a: \0\r\n\r\n`,
    'two hosts': `${head}host: evil.example\r\ncontent-length: 2\r\n\r\n{}`,
    'two tokens': `${head}authorization: Bearer x\r\ncontent-length: 2\r\n\r\n{}`,
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'the hello of TLS': '\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003',
    'HTTP/0.9': 'GET /v1/status\r\n\r\n',
  };
  for (const [name, bytes] of Object.entries(shapes)) {
    for (const port of [httpPort, blobPort]) {
      const [first, ...more] = statusesIn(await raw(port, bytes).closed);
      t.true(first === undefined || (first >= 400 && first < 500), `${name}: ${first}`);
      t.deepEqual(more, [], name);
      t.is(await stateOf(victim), state, name);
    }
  }
  t.is(await stateOf(victim), state);
});

test.serial(
  'a thousand requests in one write are answered one after the other, a stranger once',
  async t => {
    const victim = await openVictim(t);
    const {httpPort, blobPort, bearer} = victim;
    const asked = requestText('GET /v1/status', bearer);
    const last = requestText('GET /v1/status', {...bearer, connection: 'close'});
    await under(t, victim, '1,000 requests in one write', async () => {
      const text = await raw(httpPort, asked.repeat(999) + last).closed;
      t.deepEqual(
        statusesIn(text),
        many(1_000, () => 200),
      );
    });
    await under(t, victim, '1,000 requests of a stranger in one write, 50 times', async () => {
      for (const port of many(50, no => (no % 2 === 0 ? httpPort : blobPort))) {
        const text = await raw(port, requestText('GET /v1/status').repeat(1_000)).closed;
        t.deepEqual(statusesIn(text).slice(0, 2), [401]);
      }
    });
  },
);

test.serial('a thousand uploads that break leave no file and no descriptor', async t => {
  const victim = await openVictim(t);
  const {httpPort, bearer, look} = victim;
  const headers = {
    ...bearer,
    'content-length': 1_000_000,
    'content-type': 'application/octet-stream',
  };
  const begun = requestText('POST /v1/blobs', headers, 'x'.repeat(10_000));
  const before = await look();
  await under(t, victim, '1,000 broken uploads', async () => {
    for (let round = 0; round < 50; round++) {
      const uploads = many(20, () => raw(httpPort, begun));
      await Promise.all(uploads.map(({socket}) => once(socket, 'connect')));
      // Some while their file is written, some before it is open.
      do {} while ((await look()).drafts === 0 && round % 2 === 0);
      for (const {socket} of uploads) socket.destroy();
      await Promise.all(uploads.map(({closed}) => closed));
    }
  });
  let after = await look();
  while (after.drafts > 0 || after.fds > before.fds) after = await look();
  t.is(after.drafts, 0);
  t.true(after.fds <= before.fds);
});
