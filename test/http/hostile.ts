// What somebody with a socket can send: raw bytes, as slowly or as many as they like.

import {connect, type Socket} from 'node:net';

export type Raw = {
  readonly socket: Socket;
  /** All that came, once the server has closed the connection. */
  readonly closed: Promise<string>;
};

/** A server that refuses before it has read all resets the connection, and what it said is lost to whoever is writing. */
const PIECE_BYTES = 16_384;

/** Opens a connection and sends `bytes`, until an answer comes. */
export function raw(port: number, bytes: string | Uint8Array = ''): Raw {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket
    .on('error', () => undefined)
    .on('data', part => {
      text += part.toString('latin1');
    });
  const closed = new Promise<string>(resolve => socket.once('close', () => resolve(text)));
  const sendFrom = (at: number): void => {
    if (at >= bytes.length || text !== '' || !socket.writable) return;
    const next = (): unknown => setImmediate(sendFrom, at + PIECE_BYTES); // it looks for an answer first
    socket.write(bytes.slice(at, at + PIECE_BYTES), next);
  };
  sendFrom(0);
  return {socket, closed};
}

/** Sends one more byte whenever `everyMs` has passed, for as long as the server lets it. */
export function dribble({socket, closed}: Raw, byte: string, everyMs: number): Promise<string> {
  const timer = setInterval(() => socket.writable && socket.write(byte), everyMs);
  return closed.finally(() => clearInterval(timer));
}

export const requestText = (
  line: string,
  headers: Readonly<Record<string, string | number>> = {},
  body = '',
): string => {
  const lines = Object.entries({host: '127.0.0.1', ...headers}).map(([k, v]) => `${k}: ${v}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
};

/** The status of each answer in a text of answers. */
export const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
