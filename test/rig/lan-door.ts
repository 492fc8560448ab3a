// A door into a host of a LAN rig: what connects to a port of ours ends at a TCP port of the host's own
// loopback. Between the two is a Unix socket, because files are seen from every network namespace.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import type {LanRig} from './lan-rig.ts';

/** The far side: a small program in the host's namespace that ends with its stdin. */
const FAR = `const {connect, createServer} = require('node:net');
const [path, port] = process.argv.slice(1);
createServer(near => {
  const far = connect(Number(port), '127.0.0.1');
  near.on('error', () => far.destroy()).on('close', () => far.destroy());
  far.on('error', () => near.destroy()).on('close', () => near.destroy());
  near.pipe(far).pipe(near);
}).listen(path, () => console.log('ready'));
process.stdin.on('end', () => process.exit()).resume();`;

export type LanDoor = {readonly port: number; close(): Promise<void>};

/** @param path where the socket is made; its folder is the caller's */
export async function openDoor(
  lan: LanRig,
  host: string,
  port: number,
  path: string,
): Promise<LanDoor> {
  const [program = '', ...args] = [
    ...lan.enter(host),
    process.execPath,
    '-e',
    FAR,
    path,
    `${port}`,
  ];
  const far = spawn(program, args, {stdio: ['pipe', 'pipe', 'inherit']});
  await Promise.race([once(far.stdout, 'data'), once(far, 'exit')]);
  if (far.exitCode !== null) throw new Error(`no door to ${host}`);
  const near = createServer(client => {
    const through = connect(path);
    client.on('error', () => through.destroy()).on('close', () => through.destroy());
    through.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.pipe(through).pipe(client);
  });
  near.listen(0, '127.0.0.1');
  await once(near, 'listening');
  return {
    port: (near.address() as {port: number}).port,
    close: async () => {
      near.close();
      const gone = once(far, 'exit');
      far.stdin.end();
      await gone;
    },
  };
}
