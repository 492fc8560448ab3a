// The floor of a shot: hears one multicast packet, checks its signature if it is given a key, says when it was done.
import {createPublicKey, verify} from 'node:crypto';
import {createSocket} from 'node:dgram';

const [group, port, address, key = ''] = process.argv.slice(2);
const publicKey =
  key && createPublicKey({key: Buffer.from(key, 'hex'), format: 'der', type: 'spki'});
const socket = createSocket({type: 'udp4', reuseAddr: true});
socket.on('message', packet => {
  const isGood = !publicKey || verify(null, packet.subarray(64), publicKey, packet.subarray(0, 64));
  if (isGood) console.log(Number(process.hrtime.bigint()) / 1e6);
});
socket.bind(Number(port), () => {
  socket.addMembership(group, address);
  console.log('ready');
});
process.stdin.on('end', () => process.exit()).resume();
