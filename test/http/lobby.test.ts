import {createServer} from 'node:http';
import {type AddressInfo, connect, type Socket} from 'node:net';
import test, {type ExecutionContext} from 'ava';
import {Lobby, type LobbyLimits} from '../../src/http/lobby.ts';
import {raw, requestText, statusesIn} from './hostile.ts';
import {until} from './rig.ts';

const LIMITS: LobbyLimits = {strangers: 8, strangersPerSource: 2, perName: 3, known: 5};

/** A server that knows whoever asks for /<name>, and lets the answer wait when it asks for /<name>/wait. */
async function openLobby(t: ExecutionContext, limits = LIMITS) {
  const lobby = new Lobby(limits);
  const server = createServer((request, response) => {
    const [, name = '', wait] = (request.url ?? '').split('/');
    if (!lobby.welcome(request.socket, name, name === 'owner' ? 2 : 0)) {
      response.writeHead(503, {connection: 'close'}).end();
      return;
    }
    if (wait === undefined) response.end(name);
  });
  lobby.attach(server);
  await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {lobby, port: (server.address() as AddressInfo).port};
}

const hold = (port: number, path: string): Socket => raw(port, requestText(`GET ${path}`)).socket;

test('of strangers those who wait longest go, and who speaks at once is heard', async t => {
  const {lobby, port} = await openLobby(t);
  const first = Array.from({length: 8}, () => raw(port));
  await until(() => lobby.strangerCount === 8);
  const later = Array.from({length: 200}, () => raw(port));
  const {closed} = raw(port, requestText('GET /ada', {connection: 'close'}));
  t.deepEqual(statusesIn(await closed), [200]);
  await Promise.all(first.map(each => each.closed));
  await until(() => lobby.strangerCount === 8);
  for (const {socket} of later) socket.destroy();
  await until(() => lobby.strangerCount === 0);
  t.is(lobby.knownCount, 0);
});

test('an address of the network has fewer places than the whole room', async t => {
  const own = Object.values((await import('node:os')).networkInterfaces())
    .flatMap(list => list ?? [])
    .find(({family, internal}) => family === 'IPv4' && !internal)?.address;
  if (own === undefined) {
    t.log('skipped: this machine has no address but loopback');
    return t.pass();
  }
  const {lobby, port} = await openLobby(t);
  const sockets = Array.from({length: 6}, () => connect(port, own));
  for (const socket of sockets) socket.on('error', () => undefined).resume();
  const local = Array.from({length: 6}, () => raw(port));
  await until(() => lobby.strangerCount === 8);
  t.is(sockets.filter(({destroyed}) => !destroyed).length >= 2, true);
  for (const socket of [...sockets, ...local.map(each => each.socket)]) socket.destroy();
});

test('a name has its share, all have theirs, and a reserve is for one alone', async t => {
  const {lobby, port} = await openLobby(t);
  const refused = async (name: string): Promise<number[]> =>
    statusesIn(await raw(port, requestText(`GET /${name}/wait`)).closed);
  for (let i = 0; i < 3; i++) hold(port, '/ada/wait');
  await until(() => lobby.knownCount === 3);
  t.deepEqual(await refused('ada'), [503]);
  for (let i = 0; i < 2; i++) hold(port, '/bob/wait');
  await until(() => lobby.knownCount === 5);
  t.deepEqual(await refused('bob'), [503], 'all have five');
  for (let i = 0; i < 2; i++) hold(port, '/owner/wait');
  await until(() => lobby.knownCount === 7);
  t.deepEqual(await refused('owner'), [503]);
});

test('a name that is cut loses its connections, others keep theirs', async t => {
  const {lobby, port} = await openLobby(t);
  const ada = raw(port, requestText('GET /ada/wait'));
  const bob = raw(port, requestText('GET /bob/wait'));
  await until(() => lobby.knownCount === 2);
  lobby.cut('ada');
  await ada.closed;
  lobby.cut('nobody');
  await until(() => lobby.knownCount === 1);
  t.false(bob.socket.destroyed);
});

test('a connection that speaks for another name is counted for that one', async t => {
  const {lobby, port} = await openLobby(t);
  const {socket} = raw(port, requestText('GET /ada') + requestText('GET /bob/wait'));
  await until(() => lobby.knownCount === 1);
  for (let i = 0; i < 3; i++) hold(port, '/ada/wait');
  await until(() => lobby.knownCount === 4);
  socket.destroy();
  await until(() => lobby.knownCount === 3);
  t.is(lobby.strangerCount, 0);
});
