// `--tofu`: the first master that is heard is the one from then on. Nothing is sent but a Discover, and
// nothing is believed but that the root which a beacon names has signed it; whose root that is, is for a
// person to compare.

import {randomBytes} from 'node:crypto';
import {toHex} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {Prng} from '../base/prng.ts';
import {asAddress} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {NodeCrypto} from '../io/crypto.ts';
import {chooseInterface} from '../io/interfaces.ts';
import {makeSecretDirectory} from '../io/key-files.ts';
import {readMembership, writeMembership} from '../io/node-files.ts';
import {every, SystemClock} from '../io/system-clock.ts';
import {GROUP, MASTER_PORT, openUdp} from '../io/udp.ts';
import {fingerprintText} from '../wire/identity.ts';
import {NodeLink} from '../wire/session-node.ts';
import {fingerprintOf} from '../wire/trust.ts';
import {print, tell} from './output.ts';

export type FirstMasterOptions = {
  readonly data: string;
  readonly interface?: string;
  readonly groupPort?: number;
  readonly masterPort?: number;
  /** Gives up after so long; 0 = never. */
  readonly seconds: number;
  /** The process is to end. */
  readonly ended: Promise<unknown>;
};

const TICK_MS = 100;

/** Does nothing when this node has a cluster already. */
export async function pinFirstMaster(options: FirstMasterOptions): Promise<void> {
  const known = readMembership(options.data);
  if (known !== undefined) {
    const fingerprint = fingerprintText(toHex(known.rootFingerprint));
    tell(`volley: this node trusts the root ${fingerprint} already; --tofu changes nothing`);
    return;
  }
  const rootFingerprint = await hearRoot(options);
  if (rootFingerprint === undefined) return; // asked to end meanwhile
  makeSecretDirectory(options.data);
  writeMembership(options.data, {
    rootFingerprint,
    address: undefined,
    join: undefined,
    asking: true,
  });
  print('This node trusts the first master that it heard, from now on. Its root fingerprint is');
  print(`  ${fingerprintText(toHex(rootFingerprint))}`);
  print('Compare it with what `volley init` showed on the master.');
}

async function hearRoot(options: FirstMasterOptions): Promise<Uint8Array | undefined> {
  const {groupPort, masterPort, seconds, ended} = options;
  const crypto = new NodeCrypto();
  const clock = new SystemClock();
  const {address} = chooseInterface(options.interface);
  const link = new NodeLink({
    crypto,
    prng: new Prng(randomBytes(6).readUIntBE(0, 6)),
    staticKey: crypto.x25519KeyPair(),
    bootId: crypto.random(8),
    group: asAddress(`${GROUP}:${masterPort ?? MASTER_PORT}`),
  });
  const udp = await openUdp({
    role: 'node',
    address,
    ...(groupPort === undefined ? {} : {groupPort}),
    ...(masterPort === undefined ? {} : {masterPort}),
  });
  let stop = (): void => {};
  try {
    return await new Promise((resolve, reject) => {
      let leftMs = seconds === 0 ? Number.POSITIVE_INFINITY : seconds * SECOND_MS;
      udp.onDatagram((bytes, from) => {
        link.receive(bytes, from, clock.now().mono);
        const root = link.trustDocument()?.rootKey;
        if (root) resolve(fingerprintOf(crypto, root));
      });
      const look = (): void => {
        link.tick(clock.now().mono);
        if (link.trustDocument() === undefined)
          for (const {to, datagram} of link.takeOutgoing()) udp.send(to, datagram);
        leftMs -= TICK_MS;
        if (leftMs > 0) return;
        const limit = `${seconds} s (--join-timeout)`;
        reject(new VolleyError('VOLLEY_TIMEOUT', {what: 'hearing a master', limit}));
      };
      stop = every(TICK_MS, look);
      look();
      void ended.then(() => resolve(undefined));
    });
  } finally {
    stop();
    await udp.close();
  }
}
