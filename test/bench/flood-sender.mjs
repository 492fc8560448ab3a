// The stranger of the flood benchmark: sends junk as fast as it is told, from many addresses and ports of
// this machine. argv[2] is JSON: {targets: [{host, port, multicast}], frames: [base64], perSecond}.
// Says how many it sent each 100 ms, and ends when its parent does.
import {createSocket} from 'node:dgram';
import {once} from 'node:events';

const {targets, frames, perSecond} = JSON.parse(process.argv[2]);
const datagrams = frames.map(frame => Buffer.from(frame, 'base64'));
const SOCKETS = 48;
const BURST_MAX = 128;

const sockets = [];
for (let i = 0; i < SOCKETS; i++) {
  const {host, port, multicast} = targets[i % targets.length];
  const socket = createSocket('udp4');
  socket.on('error', () => {}); // ECONNREFUSED of a port that closed
  socket.bind(0, multicast ? '127.0.0.1' : `127.0.${1 + (i % 16)}.${1 + i}`);
  await once(socket, 'listening');
  if (multicast) socket.setMulticastInterface('127.0.0.1');
  socket.connect(port, host);
  await once(socket, 'connect');
  sockets.push(socket);
}

let sent = 0;
const since = performance.now();
function run() {
  const due = Math.floor(((performance.now() - since) * perSecond) / 1_000) - sent;
  const burst = Math.min(due, BURST_MAX);
  for (let i = 0; i < burst; i++, sent++)
    sockets[sent % SOCKETS].send(datagrams[sent % datagrams.length]);
  // A stranger of another machine takes none of our processor: no spinning while nothing is due.
  if (due > BURST_MAX) setImmediate(run);
  else setTimeout(run, 1);
}
process.on('disconnect', () => process.exit(0));
setInterval(() => process.send(sent), 100);
process.send('ready');
run();
