// A bare receiver for the flood benchmark: a socket that does nothing but count what it is given.
import {createSocket} from 'node:dgram';

let received = 0;
const socket = createSocket({type: 'udp4', recvBufferSize: 4 * 2 ** 20});
socket.on('message', () => received++);
socket.bind(0, '127.0.0.1', () => process.send({port: socket.address().port}));
process.on('message', () => process.send({received, cpuUs: process.cpuUsage()}));
process.on('disconnect', () => process.exit(0));
