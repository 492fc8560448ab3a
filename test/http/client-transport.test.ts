// The transport of the operator client against servers that end connections.

import {createServer, type Server, type Socket} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {Transport} from '../../src/http/client-transport.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}';

type Rig = {
  readonly transport: Transport;
  /** Requests that came, over all connections. */
  readonly heard: string[];
};

/** `onRequest` is told which request of its connection, and which connection, both from 1. */
async function rigOf(
  t: ExecutionContext,
  onRequest: (socket: Socket, no: number, connection: number) => void,
): Promise<Rig> {
  const heard: string[] = [];
  let connections = 0;
  const server: Server = createServer(socket => {
    connections += 1;
    const connection = connections;
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', data => {
      requests += 1;
      heard.push(String(data).split(' ').slice(0, 2).join(' '));
      onRequest(socket, requests, connection);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const {port} = server.address() as {port: number};
  const transport = new Transport({url: `http://127.0.0.1:${port}`, token: 't'});
  t.teardown(() => {
    transport.close();
    server.close();
  });
  return {transport, heard};
}

/** Answers the first request of each connection, and ends it at the second without a word. */
const once = (socket: Socket, no: number): void => {
  if (no === 1) socket.write(ANSWER);
  else socket.destroy();
};

test('a question is asked again when a kept connection was closed before it was read', async t => {
  const {transport, heard} = await rigOf(t, once);
  t.deepEqual(await transport.json({method: 'GET', path: '/a'}), {});
  t.deepEqual(await transport.json({method: 'GET', path: '/b'}), {});
  t.deepEqual(heard, ['GET /a', 'GET /b', 'GET /b']);
});

test('an order is not given again: whether it was taken nobody knows', async t => {
  const {transport, heard} = await rigOf(t, once);
  await transport.json({method: 'GET', path: '/a'});
  const error = await t.throwsAsync(transport.json({method: 'POST', path: '/b', json: {}}));
  t.like(error, {code: 'VOLLEY_MASTER_UNREACHABLE'});
  t.regex(error?.message ?? '', /the connection was lost/);
  t.deepEqual(heard.slice(0, 2), ['GET /a', 'POST /b']);
  t.true(heard.length === 2);
});

test('a master that closes a new connection is not asked for ever', async t => {
  const {transport, heard} = await rigOf(t, (socket, no, connection) => {
    if (no === 1 && connection === 1) socket.write(ANSWER);
    else socket.destroy();
  });
  await transport.json({method: 'GET', path: '/a'});
  const error = await t.throwsAsync(transport.json({method: 'GET', path: '/b'}));
  t.like(error, {code: 'VOLLEY_MASTER_UNREACHABLE'});
  t.is(heard.length, 3);
});
