// A body that hardly moves holds a connection and a half-written file: it must bring so much in each window.
// Only for bodies that come from a file; what a person types into a pipe takes as long as it takes.

import type {IncomingMessage} from 'node:http';
import {KIB} from '../base/units.ts';

/** Far under what any link of a cluster brings; 64 MiB would take half a day. */
const PACE_BYTES = 16 * KIB;

/** Ends the connection when its body falls behind. */
export function holdToPace(request: IncomingMessage, windowMs: number): void {
  const {socket} = request;
  let seen = socket.bytesRead;
  const timer = setInterval(() => {
    if (socket.bytesRead - seen < PACE_BYTES) request.destroy();
    seen = socket.bytesRead;
  }, windowMs);
  const stop = (): void => clearInterval(timer);
  request.once('end', stop).once('close', stop);
}
