// A bare receiver for the fan-out benchmark: says when a datagram of the group came.
import {createSocket} from 'node:dgram';

const [group, port] = process.argv.slice(2);
const socket = createSocket({type: 'udp4', reuseAddr: true});
socket.on('message', () => process.send(Number(process.hrtime.bigint()) / 1e6));
socket.bind(Number(port), group, () => {
  socket.addMembership(group, '127.0.0.1');
  process.send('ready');
});
process.on('disconnect', () => process.exit(0));
