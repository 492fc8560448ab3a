// The network: real UDP sockets, two for a node and three for a master.
//
//   master   unicast  address:6273      the door: sends commands to the group, hears who wants a session
//            group    group:6273        hears what nodes send to the group (Discover), never itself
//            members  address:ephemeral sends to nodes with a session, hears what they answer
//   node     unicast  address:ephemeral sends everything; hears the master
//            group    group:6272        hears commands; shared by all nodes of one machine
//
// The group ports differ so that a node's Discover does not wake every other node, and the master
// does not read its own commands (a bulk transfer would come back whole). The port of the members is known
// to who has heard the master in a session: junk at the door fills the buffer of the door.
//
// dgram-as-promised does bind, membership and close. We listen on the message callback, never with
// its recv() or iterator: they hear only while a call is pending (157 of 5,000 datagrams arrived).
// Interfaces come and go (USB, DHCP, late boot): the membership is asked for again every few
// seconds, as multicast-dns does.

import type {RemoteInfo} from 'node:dgram';
import {DgramAsPromised, type SocketAsPromised} from 'dgram-as-promised';
import {assert} from '../base/assert.ts';
import {VolleyError} from '../base/errors.ts';
import {type Address, asAddress} from '../base/types.ts';
import {MIB, SECOND_MS} from '../base/units.ts';
import type {MasterNetwork} from '../runtime/ports.ts';
import {DATAGRAM_BYTES_MAX} from '../wire/limits.ts';
import {knownInterfaces} from './interfaces.ts';
import {every} from './system-clock.ts';

/** The letters V O L in the organization-local scope. */
export const GROUP = '239.86.79.76';
/** Group port of commands: every node listens there. */
export const GROUP_PORT = 6_272;
/** Unicast port of the master; on the group, the port where nodes look for it. */
export const MASTER_PORT = 6_273;

/** Never leaves the local network. */
const TTL = 1;
/** The default buffer fills in 20 ms of a busy event loop, this one in 160 ms. */
const RECEIVE_BUFFER_BYTES = 4 * MIB;
const REJOIN_MS = 5 * SECOND_MS;
/** Datagrams that may wait here when the kernel's send buffer is full; the rest is dropped. */
const QUEUED_MAX = 1_024;
const TARGETS_MAX = 32_768;

export type UdpOptions = {
  readonly role: 'master' | 'node';
  /** IPv4 address of the interface to use, as chooseInterface gives it. */
  readonly address: string;
  /** Unicast port; 0 = any free one. Default 6273 for the master, 0 for a node. */
  readonly port?: number;
  readonly group?: string;
  readonly groupPort?: number;
  /** Group port where the master listens. Default 6273. */
  readonly masterPort?: number;
};

/** `bytes` belong to the listener. `way` tells which socket heard it. */
export type DatagramListener = (bytes: Uint8Array, from: Address, way: 'unicast' | 'group') => void;

/** Since the socket was opened. */
export type UdpCounts = {
  sent: number;
  received: number;
  /** Refused by the kernel: no route, no buffer, interface gone. */
  sendErrors: number;
  /** Dropped because too much waited already. */
  sendOverflows: number;
  socketErrors: number;
  /** Times that the membership had been lost and was taken again. */
  rejoins: number;
};

/** Binds both sockets. The listener may be set later; what comes before is lost, as UDP may. */
export async function openUdp(options: UdpOptions): Promise<Udp> {
  const group = options.group ?? GROUP;
  const masterPort = options.masterPort ?? MASTER_PORT;
  const groupPort = options.groupPort ?? GROUP_PORT;
  if (!/^(22[4-9]|23\d)\./.test(group))
    throw new VolleyError('VOLLEY_USAGE', {reason: `${group} is not an IPv4 multicast group`});
  const master = options.role === 'master';
  const udp = new Udp({
    address: options.address,
    group,
    multicastPort: master ? groupPort : masterPort,
  });
  const heardPort = master ? masterPort : groupPort;
  try {
    await udp.bindUnicast(options.port ?? (master ? MASTER_PORT : 0));
    await udp.bindGroup(heardPort);
    if (master) await udp.bindMembers();
  } catch (error) {
    await udp.close();
    throw error;
  }
  return udp;
}

type Ports = {readonly address: string; readonly group: string; readonly multicastPort: number};
type Target = {readonly host: string; readonly port: number};

export class Udp implements MasterNetwork {
  readonly counts: UdpCounts = {
    sent: 0,
    received: 0,
    sendErrors: 0,
    sendOverflows: 0,
    socketErrors: 0,
    rejoins: 0,
  };
  readonly #ports: Ports;
  readonly #unicast: SocketAsPromised;
  readonly #group: SocketAsPromised;
  #members: SocketAsPromised | undefined;
  readonly #targets = new Map<Address, Target>();
  readonly #sent: (error: Error | null) => void;
  #listener: DatagramListener = () => {};
  #pending = 0;
  #stopRejoining: () => void = () => {};
  #closed: Promise<void> | undefined;

  /** Use openUdp. */
  constructor(ports: Ports) {
    this.#ports = ports;
    this.#unicast = this.#socket('unicast', false);
    this.#group = this.#socket('group', true);
    this.#sent = error => {
      this.#pending--;
      if (error) this.counts.sendErrors++;
    };
  }

  /** Where peers reach this end. */
  get address(): Address {
    const {address, port} = this.#unicast.address();
    return asAddress(`${address}:${port}`);
  }

  onDatagram(listener: DatagramListener): void {
    this.#listener = listener;
  }

  /** The datagram must not be changed afterwards: it may wait for the kernel. */
  send(to: Address, datagram: Uint8Array): void {
    this.#sendFrom(this.#unicast, to, datagram);
  }

  sendToMember(to: Address, datagram: Uint8Array): void {
    this.#sendFrom(this.#members ?? this.#unicast, to, datagram);
  }

  multicast(datagram: Uint8Array): void {
    this.#transmit(this.#unicast, datagram, this.#ports.multicastPort, this.#ports.group);
  }

  /** Twice is fine. */
  close(): Promise<void> {
    this.#stopRejoining();
    const sockets = [this.#unicast, this.#group, this.#members];
    this.#closed ??= Promise.all(sockets.map(closeSocket)).then(() => {});
    return this.#closed;
  }

  /** Part of openUdp. */
  async bindUnicast(port: number): Promise<void> {
    await bindSocket(this.#unicast, port, this.#ports.address, '--port');
    this.#unicast.setMulticastTTL(TTL);
    this.#unicast.setMulticastLoopback(true);
    const {address} = this.#ports;
    attempt(address, () => this.#unicast.setMulticastInterface(address));
    largeBuffer(this.#unicast);
  }

  /** Part of openUdp. */
  async bindGroup(port: number): Promise<void> {
    // Bound to the group, not to any address: datagrams of other groups on this port stay out.
    // Windows cannot bind to a group.
    const host = process.platform === 'win32' ? this.#ports.address : this.#ports.group;
    await bindSocket(this.#group, port, host, '--group-port');
    const {group, address} = this.#ports;
    attempt(address, () => this.#group.addMembership(group, address));
    largeBuffer(this.#group);
    this.#stopRejoining = every(REJOIN_MS, () => this.#joinAgain());
  }

  /** Part of openUdp. */
  async bindMembers(): Promise<void> {
    this.#members = this.#socket('unicast', false);
    await bindSocket(this.#members, 0, this.#ports.address, '--interface');
    largeBuffer(this.#members);
  }

  #socket(way: 'unicast' | 'group', reuseAddr: boolean): SocketAsPromised {
    const created = DgramAsPromised.createSocket(
      {type: 'udp4', reuseAddr, lookup: literalOnly},
      (bytes, from) => this.#received(bytes, from, way),
    );
    // Without a listener an error event would end the process; a peer could then cause it.
    created.socket.on('error', () => this.counts.socketErrors++);
    return created;
  }

  #received(bytes: Buffer, from: RemoteInfo, way: 'unicast' | 'group'): void {
    this.counts.received++;
    // Node gives each datagram a Buffer of its own: this view takes it over.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#listener(view, asAddress(`${from.address}:${from.port}`), way);
  }

  #sendFrom(from: SocketAsPromised, to: Address, datagram: Uint8Array): void {
    const target = this.#targetOf(to);
    if (target) this.#transmit(from, datagram, target.port, target.host);
    else this.counts.sendErrors++;
  }

  #transmit(from: SocketAsPromised, datagram: Uint8Array, port: number, host: string): void {
    assert(datagram.length <= DATAGRAM_BYTES_MAX, `a datagram of ${datagram.length} bytes`);
    if (this.#closed !== undefined) return;
    const {socket} = from;
    // Counted here first: asking the socket is slower, and most sends end at once.
    if (this.#pending >= QUEUED_MAX && socket.getSendQueueCount() >= QUEUED_MAX) {
      this.counts.sendOverflows++;
      return;
    }
    this.#pending++;
    this.counts.sent++;
    // The callback costs 0.2 µs. Without it dgram keeps errors to itself and nobody could count
    // them.
    socket.send(datagram, port, host, this.#sent);
  }

  #targetOf(to: Address): Target | undefined {
    const known = this.#targets.get(to);
    if (known) return known;
    const colon = to.lastIndexOf(':');
    const port = Number(to.slice(colon + 1));
    if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
    if (this.#targets.size >= TARGETS_MAX) this.#targets.clear();
    const target = {host: to.slice(0, colon), port};
    this.#targets.set(to, target);
    return target;
  }

  /** Joining what is joined fails with EADDRINUSE; it works only after the interface was gone. */
  #joinAgain(): void {
    const {group, address} = this.#ports;
    try {
      this.#unicast.setMulticastInterface(address);
      this.#group.addMembership(group, address);
      this.counts.rejoins++;
    } catch {
      // Still joined, or the interface is not there now: next time.
    }
  }
}

/** Hosts are literal IPv4: answers at once, where dns.lookup would defer each send by a tick. */
function literalOnly(
  hostname: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, hostname, 4);
}

async function bindSocket(
  socket: SocketAsPromised,
  port: number,
  host: string,
  flag: string,
): Promise<void> {
  try {
    await socket.bind({port, address: host, exclusive: true});
  } catch (error) {
    throw bindFailure(error, port, host, flag);
  }
}

function attempt(host: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw bindFailure(error, 0, host, '--interface');
  }
}

function bindFailure(error: unknown, port: number, host: string, flag: string): VolleyError {
  const {code, message} = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return new VolleyError('VOLLEY_PORT_IN_USE', {port, host, flag}, error);
    case 'EACCES':
    case 'EPERM':
      return new VolleyError(
        'VOLLEY_NO_PERMISSION',
        {what: `UDP port ${port} on ${host}`, reason: `${code}; choose another with ${flag}`},
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENODEV':
      return new VolleyError('VOLLEY_NO_INTERFACE', {name: host, known: knownInterfaces()}, error);
    default:
      return new VolleyError(
        'VOLLEY_INTERNAL',
        {reason: `UDP on ${host}:${port}: ${message}`},
        error,
      );
  }
}

function largeBuffer(socket: SocketAsPromised): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The kernel's limit is lower; a smaller buffer only loses more when we are busy.
  }
}

async function closeSocket(socket: SocketAsPromised | undefined): Promise<void> {
  await socket?.close().catch(() => {}); // never bound, or closed already
}
