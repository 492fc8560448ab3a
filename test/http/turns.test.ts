import {createServer, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {inTurn} from '../../src/http/turns.ts';
import {raw, requestText, statusesIn} from './hostile.ts';
import {until} from './rig.ts';

async function open(t: ExecutionContext, answer: (path: string, response: ServerResponse) => void) {
  const server = createServer(inTurn((request, response) => answer(request.url ?? '', response)));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('requests of one packet are begun one after the other, in their order', async t => {
  const begun: string[] = [];
  const waiting: ServerResponse[] = [];
  const port = await open(t, (path, response) => {
    begun.push(path);
    waiting.push(response);
  });
  const {closed} = raw(
    port,
    requestText('GET /1') + requestText('GET /2') + requestText('GET /3', {connection: 'close'}),
  );
  for (const count of [1, 2, 3]) {
    await until(() => waiting.length === count);
    await new Promise(resolve => setImmediate(resolve));
    t.is(begun.length, count);
    waiting[count - 1]?.end('x');
  }
  t.deepEqual(statusesIn(await closed), [200, 200, 200]);
  t.deepEqual(begun, ['/1', '/2', '/3']);
});

test('what comes behind a refusal is never begun', async t => {
  const begun: string[] = [];
  const port = await open(t, (path, response) => {
    begun.push(path);
    response.writeHead(401, {connection: 'close'}).end();
  });
  const {closed} = raw(port, requestText('GET /1').repeat(500));
  t.deepEqual(statusesIn(await closed), [401]);
  t.deepEqual(begun, ['/1']);
});

test('connections do not wait for each other', async t => {
  const port = await open(t, (path, response) => {
    if (path !== '/stuck') response.end();
  });
  const stuck = raw(port, requestText('GET /stuck'));
  const other = raw(port, requestText('GET /', {connection: 'close'}));
  t.deepEqual(statusesIn(await other.closed), [200]);
  stuck.socket.destroy();
  await stuck.closed;
});
