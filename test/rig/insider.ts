// `node --import=tsx test/rig/insider.ts JOINING ADDRESS MASTER`: a member of the cluster that turned bad. It joins,
// prints the group's key and the first command that it hears, each as a line of JSON with bytes as hex, and then
// multicasts whatever is written to it as lines of hex. Ends with its stdin.

import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fromHex, toHex} from '../../src/base/bytes.ts';
import type {MonoMs} from '../../src/base/types.ts';
import {GROUP} from '../../src/io/udp.ts';
import {
  CommandReceiver,
  type CommandWay,
  type Membership,
  type ReceivedCommand,
} from '../../src/wire/command.ts';
import {openMember} from './crowd.ts';

const say = (what: object): void => {
  const hex = (_: string, value: unknown): unknown =>
    value instanceof Uint8Array ? toHex(value) : value;
  console.log(JSON.stringify(what, hex));
};

/** Hears all that a member hears, and tells it. */
class Gossip extends CommandReceiver {
  override join(membership: Membership, now: MonoMs): void {
    super.join(membership, now);
    say({membership});
  }

  override open(datagram: Uint8Array, now: MonoMs, way?: CommandWay): ReceivedCommand {
    const received = super.open(datagram, now, way);
    if (received.kind === 'command') say({...received, datagram});
    return received;
  }
}

const [joining = '{}', address = '', master = ''] = process.argv.slice(2);
const {group} = JSON.parse(joining) as {readonly group: number};
const member = await openMember(
  JSON.parse(joining),
  {no: 999, address, master},
  () => {},
  crypto => new Gossip(crypto),
);
member.runtime.start();
const mouth = createSocket('udp4');
mouth.bind(0, address);
await once(mouth, 'listening');
mouth.setMulticastInterface(address);
for await (const line of createInterface({input: process.stdin}))
  mouth.send(fromHex(line) ?? new Uint8Array(), group, GROUP);
process.exit(0);
