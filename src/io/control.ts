// How somebody at a node speaks to it: a Unix socket in its folder, which only its user can open. No port, no
// token: who may open the folder is the owner. One line of JSON each way, then the connection ends.
//
//   > {"do":"status"}                                     < {"ok":true,"status":{…}}
//   > {"do":"suspend"} {"do":"resume"} {"do":"drain"}      < {"ok":false,"reason":"…"}
//   > {"do":"abort","replica":"3/17/0"}                   < {"ok":false,"reason":"…","isUsage":true}

import {chmodSync, closeSync, existsSync, openSync, rmSync} from 'node:fs';
import {createConnection, createServer, type Socket} from 'node:net';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {type ReplicaId, readReplica, type WorkunitId} from '../base/types.ts';
import {KIB, MIB, SECOND_MS} from '../base/units.ts';

const NAME = 'control.sock';
/** What the system takes for the path of a socket. */
const PATH_BYTES_MAX = 100;
const REQUEST_BYTES_MAX = 4 * KIB;
const ANSWER_BYTES_MAX = MIB;
const CONNECTIONS_MAX = 8;
const PATIENCE_MS = 5 * SECOND_MS;

export const CONTROL_WORDS = ['status', 'suspend', 'resume', 'drain', 'abort'] as const;
export type ControlRequest =
  | {
      readonly do: Exclude<(typeof CONTROL_WORDS)[number], 'abort'>;
      /** Of a drain: it ends the process when all is done. */
      readonly exit?: boolean;
    }
  | {readonly do: 'abort'; readonly replica: ReplicaId | WorkunitId};
/** `isUsage`: what was asked for makes no sense here. */
export type ControlRefusal = {
  readonly ok: false;
  readonly reason: string;
  readonly isUsage?: boolean;
};
export type ControlAnswer = {readonly ok: true; readonly status: object} | ControlRefusal;

const UNKNOWN: ControlRefusal = {
  ok: false,
  reason: `it takes one of ${CONTROL_WORDS.join(', ')}`,
};
const NO_REPLICA: ControlRefusal = {
  ok: false,
  reason: 'abort takes a replica such as 3/17/0',
  isUsage: true,
};

/** Closes what it had to open. */
type Path = {readonly path: string; readonly close: () => void};

/** A folder with a long name is reached through a descriptor of it. */
function socketPath(dir: string): Path {
  const path = join(dir, NAME);
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX || !existsSync('/proc/self/fd'))
    return {path, close: () => {}};
  const fd = openSync(dir, 'r');
  return {path: `/proc/self/fd/${fd}/${NAME}`, close: () => closeSync(fd)};
}

/** Anybody of this user may write to the socket by hand. */
function requestOf(line: string): ControlRequest | ControlRefusal {
  try {
    const value = JSON.parse(line) as ControlRequest;
    if (!CONTROL_WORDS.includes(value.do)) return UNKNOWN;
    if (value.do !== 'abort') return value;
    const {replica: text} = value as {readonly replica?: unknown};
    const replica = typeof text === 'string' ? readReplica(text) : undefined;
    return replica === undefined ? NO_REPLICA : {do: 'abort', replica};
  } catch {
    return UNKNOWN;
  }
}

/**
 * Listens until it is closed. The store of the folder is open, so no other node has this socket: one that is
 * there was left by an earlier life.
 */
export async function openControl(
  dir: string,
  answer: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<{close(): Promise<void>}> {
  const place = socketPath(dir);
  rmSync(join(dir, NAME), {force: true});
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveOne(socket, answer);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(place.path, resolve);
  });
  chmodSync(join(dir, NAME), 0o600);
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => {
          rmSync(join(dir, NAME), {force: true});
          place.close();
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function serveOne(
  socket: Socket,
  answer: (request: ControlRequest) => Promise<ControlAnswer>,
): void {
  let line = '';
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    line += chunk;
    if (line.length > REQUEST_BYTES_MAX) socket.destroy();
    else if (line.includes('\n')) {
      const request = requestOf(line.slice(0, line.indexOf('\n')));
      socket.removeAllListeners('data');
      void ('do' in request ? answer(request) : Promise.resolve(request)).then(said =>
        socket.end(`${JSON.stringify(said)}\n`),
      );
    }
  });
}

/** Throws VOLLEY_NODE_UNREACHABLE when no node runs in this folder. */
export async function askNode(dir: string, request: ControlRequest): Promise<ControlAnswer> {
  let place: Path | undefined;
  try {
    place = socketPath(dir);
    const text = await exchange(place.path, `${JSON.stringify(request)}\n`);
    return JSON.parse(text) as ControlAnswer;
  } catch (cause) {
    throw new VolleyError('VOLLEY_NODE_UNREACHABLE', {path: dir, reason: reasonOf(cause)}, cause);
  } finally {
    place?.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no node running',
  ECONNREFUSED: 'there is no node running',
  EACCES: 'it belongs to another user; run this as the user of the node',
};

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
}

function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = createConnection(path, () => socket.write(request));
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('it does not answer')));
    socket.on('error', reject);
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > ANSWER_BYTES_MAX) socket.destroy(new Error('it says too much'));
    });
    socket.on('close', () => (text === '' ? reject(new Error('it hung up')) : resolve(text)));
  });
}
