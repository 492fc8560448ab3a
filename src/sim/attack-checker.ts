// What no attacker may achieve, whoever it is:
//
//   S6   nobody obeys a command that the master did not issue, word for word
//   S11  a datagram that changes anything was sealed by the one it names, and counts once; a handshake alone
//        ends no session; a stranger's address gets no more bytes than came from it
//   S12  strangers leave nothing in any table

import {assert} from '../base/assert.ts';
import {toHex} from '../base/bytes.ts';
import type {Address, PeerId} from '../base/types.ts';
import type {MasterEffect} from '../core/core.ts';
import {encodeCommand} from '../wire/codec.ts';
import {HALF_SESSIONS_MAX, SESSIONS_MAX, STRANGERS_MAX} from '../wire/limits.ts';
import type {Link, Outgoing, Received} from '../wire/link.ts';
import type {Command} from '../wire/message.ts';
import {holds} from './fabric.ts';
import {getOr} from './get-or.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';

const INITIATION = 1;
const DATA = 4;
const MASTER = 'master';

/** 53 bits over all bytes: tells one datagram from another. */
export function fingerprintOf(bytes: Uint8Array): number {
  let a = 0x811c9dc5;
  let b = 0x1b873593;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul((b << 5) ^ byte ^ (b >>> 2), 0x85ebca6b);
  }
  return (a >>> 0) * 2 ** 21 + (b >>> 11);
}

/** What came from a stranger to one host, and what went back. */
type Account = {heard: number; said: number; validated: boolean};

export class AttackChecker {
  readonly #isStranger: (address: Address) => boolean;
  /** Who sealed a datagram that nobody has taken yet: MASTER or the peer id of a node. */
  readonly #sealed = new Map<number, string>();
  readonly #issued = new Set<string>();
  readonly #accounts = new Map<string, Account>();
  /** Datagrams and commands that were taken: a checker that looked at nothing proves nothing. */
  taken = 0;
  obeyed = 0;

  constructor(isStranger: (address: Address) => boolean) {
    this.#isStranger = isStranger;
  }

  watchNode({link, core, keys, address, no}: SimNode): void {
    assert(link && core, 'a node that starts has a process');
    const peer = toHex(keys.staticKey.publicKey);
    this.#watchLink(link, peer, address, () => MASTER);
    const handle = core.handle.bind(core);
    core.handle = (event, now) => {
      if (event.type === 'command') this.#obeyed(no, event);
      return handle(event, now);
    };
  }

  watchMaster({link, core}: SimMaster, address: Address, nodes: number): void {
    assert(link && core, 'a master that starts has a process');
    this.#watchLink(link, MASTER, address, peer => peer);
    const receive = link.receive.bind(link);
    link.receive = (datagram, from, at) => {
      if (datagram[0] !== INITIATION) return receive(datagram, from, at);
      const before = link.linkedCount;
      const received = receive(datagram, from, at);
      const story = () => `a handshake from ${from} that nothing followed ends a session`;
      holds(link.linkedCount === before, 'S11', story);
      const {halves, strangers} = link.strangersHold;
      holds(halves <= HALF_SESSIONS_MAX, 'S12', () => `${halves} half-sessions`);
      holds(strangers <= STRANGERS_MAX, 'S12', () => `${strangers} strangers have sessions`);
      return received;
    };
    const handle = core.handle.bind(core);
    const endTurn = core.endTurn.bind(core);
    core.handle = (event, now) => this.#issues(handle(event, now));
    core.endTurn = now => {
      const {roster} = core.context;
      holds(roster.size <= nodes, 'S12', () => `${roster.size} nodes on the roster`);
      // Whoever asks to be let in may have a session; there are only so many.
      holds(link.peerCount <= SESSIONS_MAX, 'S12', () => `sessions for ${link.peerCount} peers`);
      for (const {row, shots} of core.captures.all())
        holds(shots.size <= row.shots * nodes, 'S12', () => `${shots.size} shots in ${row.id}`);
      return this.#issues(endTurn(now));
    };
  }

  #watchLink(link: Link, name: string, at: Address, sealedBy: (peer: PeerId) => string): void {
    const seal = link.seal.bind(link);
    const receive = link.receive.bind(link);
    const takeOutgoing = link.takeOutgoing.bind(link);
    const log = ({datagram}: Outgoing): number | Map<number, string> =>
      this.#sealed.set(fingerprintOf(datagram), name);
    link.seal = (...args) => {
      const outgoing = seal(...args);
      if (outgoing) log(outgoing);
      return outgoing;
    };
    link.takeOutgoing = () => {
      const outgoing = takeOutgoing();
      for (const one of outgoing) log(one);
      return outgoing;
    };
    link.receive = (datagram, from, now) => {
      const received = receive(datagram, from, now);
      for (const one of received)
        if (one.kind === 'message' || one.kind === 'linked')
          this.#taken(datagram, one, sealedBy(one.peer), at, from);
        // The master's own word, and its document is not believed.
        else if (one.kind === 'drop' && one.reason === 'badTrust' && datagram[0] === DATA)
          this.#validated(at, from);
      return received;
    };
  }

  /** A response is for a node what its first data is for the master: both say that there is a session. */
  #taken(
    datagram: Uint8Array,
    received: Exclude<Received, {kind: 'drop'}>,
    sealedBy: string,
    at: Address,
    from: Address,
  ): void {
    const name = fingerprintOf(datagram);
    const by = this.#sealed.get(name);
    const what = `a ${received.kind} from ${from}`;
    holds(by !== undefined, 'S11', () => `${at} took ${what} that nobody sealed, or took it twice`);
    holds(by === sealedBy, 'S11', () => `${at} took ${what} of ${by} for one of ${sealedBy}`);
    if (received.kind === 'message' || datagram[0] !== DATA) this.#sealed.delete(name);
    this.taken += 1;
    this.#validated(at, from);
  }

  #validated(at: Address, from: Address): void {
    if (this.#isStranger(from)) this.#account(at, from).validated = true;
  }

  #issues(effects: MasterEffect[]): MasterEffect[] {
    for (const effect of effects)
      if (effect.type === 'multicast' || effect.type === 'repair')
        this.#issued.add(nameOf(effect.epoch, effect.seq, effect.command));
    return effects;
  }

  #obeyed(
    no: number,
    event: {readonly epoch: number; readonly seq: number; command: Command},
  ): void {
    const {epoch, seq, command} = event;
    const isOurs = this.#issued.has(nameOf(epoch, seq, command));
    holds(isOurs, 'S6', () => `node ${no} obeys ${epoch}/${seq} (${command.what.kind}), a forgery`);
    this.obeyed += 1;
  }

  #account(host: Address, stranger: Address): Account {
    const fresh = (): Account => ({heard: 0, said: 0, validated: false});
    // A beacon names the port: what counts is the machine.
    return getOr(this.#accounts, `${host} ${stranger.split(':')[0]}`, fresh);
  }

  /** A stranger's datagram reaches a host. */
  heard(host: Address, from: Address, bytes: number): void {
    if (this.#isStranger(from)) this.#account(host, from).heard += bytes;
  }

  /** A host sends to a stranger. */
  said(host: Address, to: Address, bytes: number): void {
    const account = this.#account(host, to);
    if (account.validated) return; // an authentic packet came from there
    account.said += bytes;
    const {heard, said} = account;
    holds(said <= heard, 'S11', () => `${host} sent ${said} bytes to ${to}, which sent ${heard}`);
  }
}

const nameOf = (epoch: number, seq: number, command: Command): string =>
  `${epoch}/${seq}/${toHex(encodeCommand(command))}`;
