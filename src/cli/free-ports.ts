// Ports that nobody uses now, so that demos run side by side and beside a real cluster.

import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import {type AddressInfo, createServer} from 'node:net';

export type Ports = {
  readonly port: number;
  readonly groupPort: number;
  readonly httpPort: number;
  readonly blobPort: number;
};

type Held = {readonly port: number; close(): void};

/** All are held until all are known, so that they differ. */
export async function freePorts(host = '127.0.0.1'): Promise<Ports> {
  const held = await Promise.all([udp(host), udp(host), tcp(host), tcp(host)]);
  for (const each of held) each.close();
  const [port = 0, groupPort = 0, httpPort = 0, blobPort = 0] = held.map(each => each.port);
  return {port, groupPort, httpPort, blobPort};
}

async function udp(address: string): Promise<Held> {
  const socket = createSocket('udp4');
  socket.bind({port: 0, address, exclusive: true});
  await once(socket, 'listening');
  return {port: socket.address().port, close: () => socket.close()};
}

async function tcp(host: string): Promise<Held> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  return {port: (server.address() as AddressInfo).port, close: () => server.close()};
}
