import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {holdToPace} from '../../src/http/pace.ts';
import {dribble, raw, requestText, statusesIn} from './hostile.ts';

async function open(t: ExecutionContext, windowMs: number): Promise<number> {
  const server = createServer((request, response) => {
    holdToPace(request, windowMs);
    request.on('error', () => undefined).on('end', () => response.end());
    request.resume();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const put = (size: number, body = ''): string =>
  requestText('PUT /', {'content-length': size, connection: 'close'}, body);

test('a body that stands still or dribbles is cut without an answer', async t => {
  const port = await open(t, 100);
  t.deepEqual(statusesIn(await raw(port, put(1_000, 'x')).closed), []);
  t.deepEqual(statusesIn(await dribble(raw(port, put(1_000)), 'x', 10)), []);
});

test('a body that is here is not held to anything, be it small', async t => {
  const port = await open(t, 30_000);
  t.deepEqual(statusesIn(await raw(port, put(1, 'x')).closed), [200]);
});

test('a body that moves takes as many windows as it needs', async t => {
  const port = await open(t, 1_500);
  const pieces = 4;
  const {socket, closed} = raw(port, put(pieces * 65_536));
  const begun = performance.now();
  for (let i = 0; i < pieces; i++) {
    socket.write(Buffer.alloc(65_536));
    await new Promise(resolve => setTimeout(resolve, 500));
  }
  t.deepEqual(statusesIn(await closed), [200]);
  t.log(`${Math.round(performance.now() - begun)} ms, windows of 1,500 ms`);
});
