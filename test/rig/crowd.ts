// Many nodes in one process, for storms of handshakes: real sessions, cores and sockets of their own on
// 127.0.0.1, and a disk that is memory. They compute nothing; a crowd for work is a Cluster.

import {Prng} from '../../src/base/prng.ts';
import {asAddress} from '../../src/base/types.ts';
import {EMPTY_HEAD} from '../../src/core/journal.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {SystemClock} from '../../src/io/system-clock.ts';
import {openUdp} from '../../src/io/udp.ts';
import {NodeRestore} from '../../src/node/restore.ts';
import {NodeRuntime} from '../../src/runtime/node-runtime.ts';
import {CommandReceiver} from '../../src/wire/command.ts';
import {NodeLink} from '../../src/wire/session-node.ts';
import {decodeToken, pskOf, tokenIdOf} from '../../src/wire/token.ts';
import type {Cluster} from './cluster.ts';

export type Crowd = {readonly joined: () => number; close(): Promise<void>};

const nothing = (): void => {};
const MACHINE = {
  labels: [],
  arch: 'x64',
  engine: 'none',
  cores: 1,
  slots: 1,
  memoryMib: 64,
  sandboxLevel: 0,
  runtimes: ['wasm'],
  actions: [],
  version: '0',
};

/** All of them start at once and keep to the cluster until closed. */
export async function openCrowd(cluster: Cluster, count: number): Promise<Crowd> {
  const nodes: Awaited<ReturnType<typeof openMember>>[] = [];
  let joined = 0;
  const {joining} = cluster;
  for (let no = 0; no < count; no++) {
    const place = {no, address: addressOf(no), master: '127.0.0.1'};
    nodes.push(await openMember(joining, place, () => (joined += 1)));
  }
  for (const {runtime} of nodes) runtime.start();
  return {
    joined: () => joined,
    close: async () => {
      for (const {runtime} of nodes) runtime.stop();
      await Promise.all(nodes.map(({udp}) => udp.close()));
    },
  };
}

/** Each board has an address of its own: the master takes so many handshakes of one address in a second. */
const addressOf = (no: number): string => `127.${1 + (no >> 8)}.${no & 255}.1`;

/** Where a member is, and where its master. */
export type MemberPlace = {readonly no: number; readonly address: string; readonly master: string};

/** @param receiverOf what opens its commands */
export async function openMember(
  {token, unicast, group}: Cluster['joining'],
  {no, address, master}: MemberPlace,
  onJoined: () => void,
  receiverOf = (crypto: NodeCrypto) => new CommandReceiver(crypto),
) {
  const crypto = new NodeCrypto();
  const clock = new SystemClock();
  const udp = await openUdp({
    role: 'node',
    address,
    masterPort: unicast,
    groupPort: group,
  });
  const decoded = decodeToken(token);
  if (decoded.kind === 'bad') throw new Error(decoded.reason);
  const staticKey = crypto.x25519KeyPair();
  const prng = new Prng(no + 1);
  const config = {
    ...MACHINE,
    name: `crowd${no}`,
    identity: crypto.ed25519KeyPair(),
    staticKey: staticKey.publicKey,
    rootFingerprint: decoded.fingerprint,
    bootId: crypto.random(8),
  };
  const link = new NodeLink({
    crypto,
    prng: prng.fork(),
    staticKey,
    bootId: config.bootId,
    rootFingerprint: decoded.fingerprint,
    address: asAddress(`${master}:${unicast}`),
    token: {id: tokenIdOf(crypto, decoded.secret), psk: pskOf(crypto, decoded.secret)},
  });
  const runtime = new NodeRuntime({
    core: new NodeRestore(config, crypto, prng, clock.now().mono).finish(),
    link,
    commands: receiverOf(crypto),
    ports: {
      clock,
      network: udp,
      store: {commit: (_ops, done) => setImmediate(done)},
      journal: {note: nothing, count: nothing},
      runner: {run: nothing, stop: nothing, pace: nothing},
      blobs: {access: nothing, upload: nothing, drop: nothing},
      bulkEar: {order: nothing},
      actions: {fire: nothing, cancel: nothing, set: nothing},
      crypto,
      fatal: error => {
        throw error;
      },
    },
    head: EMPTY_HEAD,
    onJoined,
  });
  udp.onDatagram((bytes, from) => runtime.datagram(bytes, from));
  return {runtime, udp};
}
