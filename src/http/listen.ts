// Ports and connections of both servers: how one is opened, how few it keeps, what its failures are called.

import {once} from 'node:events';
import type {Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {VolleyError} from '../base/errors.ts';
import {KIB, SECOND_MS} from '../base/units.ts';

/** Node's own limits are 60 s, 300 s and no end of connections. */
export const HEADERS_TIMEOUT_MS = 10 * SECOND_MS;
export const REQUEST_TIMEOUT_MS = 30 * SECOND_MS;
export const KEEP_ALIVE_MS = 5 * SECOND_MS;
/** A connection on which nothing moves for this long is cut, in the middle of a blob too. */
export const IDLE_TIMEOUT_MS = 60 * SECOND_MS;
export const HEADER_BYTES_MAX = 8 * KIB;
/** Node looks for slow headers this often; its default of 30 s would make 10 s mean 40. */
export const CHECK_INTERVAL_MS = 2 * SECOND_MS;

export type PortFlag = {readonly host: string; readonly port: number; readonly flag: string};

/** What a failed listen is called; other errors are given back as they are. */
export function listenError(error: unknown, {host, port, flag}: PortFlag): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return new VolleyError('VOLLEY_PORT_IN_USE', {port, host, flag}, error);
    case 'EACCES':
    case 'EPERM':
      return new VolleyError(
        'VOLLEY_NO_PERMISSION',
        {what: `port ${port} on ${host}`, reason: `ports below 1024 need root; choose ${flag}`},
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new VolleyError(
        'VOLLEY_USAGE',
        {reason: `${host} is not an address of this machine`},
        error,
      );
    default:
      return error;
  }
}

export async function listen(server: Server, where: PortFlag): Promise<number> {
  server.listen(where.port, where.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, where);
  }
  return (server.address() as AddressInfo).port;
}

/** One address may hold this many connections of `all`: the rest stay for others. */
export function limitConnections(server: Server, all: number, perSource: number): void {
  const held = new Map<string, number>();
  server.maxConnections = all;
  server.on('connection', socket => {
    const source = socket.remoteAddress ?? '';
    const count = (held.get(source) ?? 0) + 1;
    held.set(source, count);
    socket.once('close', () => {
      const left = (held.get(source) ?? 1) - 1;
      if (left === 0) held.delete(source);
      else held.set(source, left);
    });
    if (count > perSource) socket.destroy();
  });
}

/** `host:port` as it stands in a URL. */
export const urlOf = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
