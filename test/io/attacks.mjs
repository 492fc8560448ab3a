// Code that has broken out of the engine and does what it likes: each attempt says whether the system let
// it. Started as `node attacks.mjs SETTINGS`; prints one JSON object, attempt → "allowed" or why not.

import {spawnSync} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {Resolver} from 'node:dns/promises';
import {closeSync, openSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {homedir} from 'node:os';

const {secret, nodePid, tcpPort, udpPort} = JSON.parse(process.argv[2]);

const tcp = (host, port) =>
  new Promise((resolve, reject) => {
    const socket = connect({host, port}, () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });

const udp = (host, port) =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('error', reject);
    socket.send('stolen', port, host, error => {
      socket.close();
      if (error) reject(error);
      else resolve();
    });
  });

const spawned = (file, ...args) => {
  const {error, status} = spawnSync(file, args);
  if (error) throw error;
  if (status !== 0) throw new Error(`exit code ${status}`);
};

const ATTEMPTS = {
  'read the node key': () => readFileSync(secret),
  'read /etc/shadow': () => readFileSync('/etc/shadow'),
  'list the home folder': () => readdirSync(homedir()),
  'list /home': () => readdirSync('/home'),
  'read /proc/1/environ': () => readFileSync('/proc/1/environ'),
  "read the node's environment": () => readFileSync(`/proc/${nodePid}/environ`),
  "open the node's memory": () => openSync(`/proc/${nodePid}/mem`, 'r'),
  'signal the node': () => process.kill(nodePid, 0),
  'connect to loopback by TCP': () => tcp('127.0.0.1', tcpPort),
  'send to loopback by UDP': () => udp('127.0.0.1', udpPort),
  'multicast to the cluster': () => udp('239.86.79.76', udpPort),
  'ask a name server': async () => {
    const resolver = new Resolver({timeout: 500, tries: 1});
    resolver.setServers([`127.0.0.1:${udpPort}`]);
    await resolver.resolve4('example.org');
  },
  'start a shell': () => spawned('/bin/sh', '-c', 'exit 0'),
  'start the engine again': () => spawned(process.execPath, '--version'),
  'open 200 files': () => {
    const files = [];
    try {
      for (let i = 0; i < 200; i++) files.push(openSync(process.execPath, 'r'));
    } finally {
      files.forEach(closeSync);
    }
  },
  'take 3 GiB of memory': () => {
    const parts = [];
    for (let i = 0; i < 48; i++) parts.push(Buffer.alloc(64 * 1_024 * 1_024));
  },
  'write a file here': () => writeFileSync('filled', Buffer.alloc(4_096)),
  'write a file in /tmp': () => writeFileSync('/tmp/volley-filled', Buffer.alloc(4_096)),
};

const results = {};
for (const [name, attempt] of Object.entries(ATTEMPTS)) {
  try {
    await attempt();
    results[name] = 'allowed';
  } catch (error) {
    results[name] = error.code ?? error.message;
  }
}
process.stdout.write(JSON.stringify(results), () => process.exit(0));
