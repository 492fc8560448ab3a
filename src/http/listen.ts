// Ports and connections of both servers: how one is opened, how few it keeps, what its failures are called.

import {once} from 'node:events';
import type {Server} from 'node:http';
import {STATUS_CODES} from 'node:http';
import {type AddressInfo, Socket} from 'node:net';
import type {Duplex} from 'node:stream';
import {VolleyError} from '../base/errors.ts';
import {KIB, SECOND_MS} from '../base/units.ts';
import {problemJson, usage} from './problem.ts';

/** How long the other end may take. Node's own limits are 60 s, 300 s and no end of connections. */
export type HttpTimes = {
  /** From the first byte, or from connecting, to the end of the headers. */
  readonly headersMs: number;
  /** For a body that is read whole. */
  readonly requestMs: number;
  /** Between two requests. */
  readonly keepAliveMs: number;
  /** A connection on which nothing moves for this long is cut, in the middle of a blob too. */
  readonly idleMs: number;
  /** The window of pace.ts. */
  readonly paceMs: number;
  /** How often slow headers are looked for; node's default of 30 s would make 10 s mean 40. */
  readonly checkMs: number;
};

export const HTTP_TIMES: HttpTimes = {
  headersMs: 10 * SECOND_MS,
  requestMs: 30 * SECOND_MS,
  keepAliveMs: 5 * SECOND_MS,
  idleMs: 60 * SECOND_MS,
  paceMs: 15 * SECOND_MS,
  checkMs: 2 * SECOND_MS,
};
export const HEADER_BYTES_MAX = 8 * KIB;

/** On every answer: none of them is a page, none is to be kept or guessed at. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

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

/** What is not HTTP, or not in time, gets one answer and the end of its connection. */
export function answerBroken(error: Error, socket: Duplex): void {
  const [status, reason] = brokenBy('code' in error ? error.code : undefined);
  // In the middle of an answer another one would be read as a part of it.
  if (!(socket instanceof Socket) || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(problemJson(usage(reason)));
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
  socket.destroySoon();
}

function brokenBy(code: unknown): [number, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        431,
        `the URL and the headers take more than ${HEADER_BYTES_MAX} bytes; shorten them`,
      ];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'the headers did not come in time; send them at once'];
    default:
      return [400, 'this is not a request of HTTP/1.1; use `volley` or a program that speaks it'];
  }
}

/** `host:port` as it stands in a URL. */
export const urlOf = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
