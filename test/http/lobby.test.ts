import {EventEmitter} from 'node:events';
import {createServer} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
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
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
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

/** A connection as far as a lobby sees it. */
class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly remoteAddress: string;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.destroyed = true;
    queueMicrotask(() => this.emit('close'));
  }
}

test('an address of the network has fewer places than the whole room, this machine all of it', async t => {
  const lobby = new Lobby(LIMITS);
  const server = new EventEmitter();
  lobby.attach(server as never);
  const enter = (from: string): FakeSocket => {
    const socket = new FakeSocket(from);
    server.emit('connection', socket);
    return socket;
  };
  const far = Array.from({length: 6}, () => enter('10.0.0.7'));
  await until(() => lobby.strangerCount === 2);
  t.deepEqual(
    far.map(({destroyed}) => destroyed),
    [true, true, true, true, false, false],
  );
  const near = [...'123456'].map(last => enter(`::ffff:127.0.0.${last}`));
  const local = enter('::1');
  await until(() => lobby.strangerCount === 8);
  t.is(far[4]?.destroyed, true, 'who waited longest');
  t.true([...near, local].every(({destroyed}) => !destroyed));
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
