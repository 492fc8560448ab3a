// One request at a time on each connection. Node hands over every request of a packet at once, and HTTP
// allows to send many before the first answer: hundreds of downloads or submissions would be begun for one
// packet. Here the next one begins when the answer before it is out, after others had their turn; what came
// behind a refusal is dropped.

import type {IncomingMessage, ServerResponse} from 'node:http';
import type {Socket} from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** The same handler, called for one request of a connection at a time. */
export function inTurn(handler: Handler): Handler {
  const lines = new WeakMap<Socket, (() => void)[]>();
  const next = (socket: Socket): void => {
    const begin = lines.get(socket)?.shift();
    if (begin === undefined) lines.delete(socket);
    else if (socket.destroyed || socket.writableEnded) lines.set(socket, []);
    else setImmediate(begin);
  };
  return (request, response) => {
    const {socket} = request;
    const line = lines.get(socket);
    const begin = (): void => {
      response.once('close', () => next(socket));
      handler(request, response);
    };
    if (line !== undefined) line.push(begin);
    else if (!socket.destroyed && !socket.writableEnded) {
      lines.set(socket, []);
      begin();
    }
  };
}
