// A stranger on the wire: hears everything, holds no key of the cluster, and says what it likes from addresses
// of its own or under the names of others.

import {concat, toUtf8, viewOf} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {type Address, asAddress} from '../base/types.ts';
import {encodeBeacon} from '../wire/codec.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {NoiseInitiator} from '../wire/noise.ts';
import {FRAME, initiationHeader, macKeyOf, prologueOf, sealInitiation} from '../wire/session.ts';
import {signTrust} from '../wire/trust.ts';
import {between} from './dice.ts';
import {MASTER_ADDRESS} from './fabric.ts';

export type Heard = {readonly from: Address; readonly to: Address; readonly bytes: Uint8Array};

export type Street = {
  readonly crypto: Crypto;
  readonly dice: Prng;
  readonly clusterId: Uint8Array;
  /** What anybody can know: it is in every beacon. */
  readonly masterStatic: Uint8Array;
  /** Public keys of enrolled nodes. */
  readonly nodeStatics: readonly Uint8Array[];
  /** Unicast addresses of master and nodes, and the group's; the first is the master's. */
  readonly addresses: readonly Address[];
  readonly nodes: readonly Address[];
  /** To one address. */
  readonly send: (from: Address, to: Address, bytes: Uint8Array) => void;
};

const RECORDED_MAX = 256;
const CONVERSATION = 16;
/** More than a node verifies in a second. */
const FLOOD = 600;

export class Outsider {
  readonly #street: Street;
  readonly #dice: Prng;
  readonly #recorded: Heard[] = [];
  readonly #own: readonly Address[];
  readonly #deeds: readonly (() => void)[];
  #lastCommand: Uint8Array | undefined;

  /** @param no tells its addresses from those of other outsiders */
  constructor(no: number, street: Street) {
    this.#street = street;
    this.#dice = street.dice;
    this.#own = [1, 2, 3].map(host => asAddress(`10.66.${no}.${host}:4444`));
    this.#deeds = [
      () => this.#spray(),
      () => this.#mutate(),
      () => this.#replay(1),
      () => this.#replay(CONVERSATION),
      () => this.#forgeBeacon(),
      () => this.#replayBeacon(),
      () => this.#discover(),
      () => this.#initiate(),
      () => this.#forgeCommand(1),
    ];
  }

  hear(heard: Heard): void {
    const {bytes} = heard;
    if (bytes[0] === FRAME.command) this.#lastCommand = bytes;
    if (this.#recorded.length < RECORDED_MAX) this.#recorded.push(heard);
    else this.#recorded[this.#dice.below(RECORDED_MAX)] = heard;
  }

  deed(): void {
    if (this.#dice.chance(0.001)) this.#forgeCommand(FLOOD);
    else this.#dice.pick(this.#deeds)();
  }

  #anyone(): Address {
    return this.#dice.pick(this.#street.addresses);
  }

  #from(): Address {
    return this.#dice.chance(0.7) ? this.#dice.pick(this.#own) : this.#anyone();
  }

  /** Multicast reaches everybody; what is for the master's ear on the group goes there too. */
  #toAll(from: Address, bytes: Uint8Array): void {
    for (const to of this.#street.addresses) this.#street.send(from, to, bytes);
  }

  #random(length: number): Uint8Array {
    return Uint8Array.from({length}, () => this.#dice.below(256));
  }

  #spray(): void {
    const bytes = this.#random(this.#dice.below(1_472));
    if (bytes.length > 0 && this.#dice.chance(0.8)) bytes[0] = this.#dice.below(9);
    if (this.#dice.chance(0.3)) this.#toAll(this.#from(), bytes);
    else this.#street.send(this.#from(), this.#anyone(), bytes);
  }

  #mutate(): void {
    const heard = this.#any();
    if (!heard) return;
    const {dice} = this;
    const bytes = heard.bytes.slice();
    const kind = dice.below(3);
    if (kind === 0)
      for (let i = between(dice, 1, 4); i > 0; i--) {
        const at = dice.below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ between(dice, 1, 255);
      }
    const cut = kind === 1 ? bytes.slice(0, dice.below(bytes.length)) : bytes;
    const longer = kind === 2 ? concat(cut, this.#random(between(dice, 1, 40))) : cut;
    const from = dice.chance(0.5) ? heard.from : this.#from();
    this.#street.send(from, dice.chance(0.7) ? heard.to : this.#anyone(), longer);
  }

  get dice(): Prng {
    return this.#dice;
  }

  #any(): Heard | undefined {
    return this.#recorded.length > 0 ? this.#dice.pick(this.#recorded) : undefined;
  }

  /** What one host said, in its order, from somewhere else or under its own name. */
  #replay(atMost: number): void {
    const first = this.#any();
    if (!first) return;
    const asItself = this.#dice.chance(0.3);
    const from = asItself ? first.from : this.#from();
    const said = this.#recorded.filter(heard => heard.from === first.from).slice(0, atMost);
    for (const {to, bytes} of said) this.#street.send(from, to, bytes);
  }

  /** Of a root of its own: for the same cluster, with the master's key or its own. */
  #forgeBeacon(): void {
    const {crypto, clusterId, masterStatic} = this.#street;
    const root = crypto.ed25519KeyPair();
    const own = this.#dice.chance(0.5);
    const trust = signTrust(crypto, root.secretKey, {
      rootKey: root.publicKey,
      clusterId,
      version: between(this.#dice, 1, 9),
      commandKey: root.publicKey,
      masterStatic: own ? crypto.x25519KeyPair().publicKey : masterStatic,
      appKeys: [],
    });
    const body = encodeBeacon({trust, port: 4_444});
    this.#toAll(this.#from(), concat(new Uint8Array([FRAME.beacon, 0, 0, 0]), body));
  }

  /** A true one, as if the master were here. */
  #replayBeacon(): void {
    const beacon = this.#recorded.find(({bytes}) => bytes[0] === FRAME.beacon);
    if (!beacon) return;
    const from = this.#dice.pick(this.#own);
    for (const to of this.#street.nodes) this.#street.send(from, to, beacon.bytes);
  }

  #discover(): void {
    const bytes = new Uint8Array(this.#dice.pick([512, 512, 511, 513, 4, 1]));
    bytes[0] = FRAME.discover;
    // Also from where nothing else ever came: what was sent before must not pay for the answer.
    const fresh = asAddress(`10.66.${this.#dice.below(256)}.${10 + this.#dice.below(240)}:4444`);
    const from = this.#dice.chance(0.5) ? fresh : this.#from();
    this.#street.send(from, this.#dice.chance(0.5) ? MASTER_ADDRESS : this.#anyone(), bytes);
  }

  /** With keys of its own, or with a public key whose secret it does not have. */
  #initiate(): void {
    const {crypto, masterStatic, nodeStatics} = this.#street;
    const {dice} = this;
    const own = crypto.x25519KeyPair();
    const stolen = dice.chance(0.5) && nodeStatics.length > 0;
    const staticKey: KeyPair = stolen ? {...own, publicKey: dice.pick(nodeStatics)} : own;
    const withToken = dice.chance(0.5);
    const pattern = withToken ? 'IKpsk2' : 'IK';
    const header = initiationHeader(pattern, dice.uint32());
    const noise = new NoiseInitiator(crypto, {
      pattern,
      prologue: prologueOf(header),
      staticKey,
      remoteStatic: masterStatic,
      ...(withToken ? {psk: this.#random(32)} : {}),
    });
    const token = new Uint8Array(4);
    viewOf(token).setUint32(0, withToken && dice.chance(0.8) ? dice.uint32() : 0);
    const first = noise.writeFirst(concat(toUtf8('stranger'), token));
    if (!first) return;
    const frame = sealInitiation(crypto, macKeyOf(crypto, masterStatic), header, first);
    this.#street.send(this.#from(), this.#street.addresses[0] ?? this.#anyone(), frame);
  }

  /** The header of a command that was heard, later numbers, and noise for a body. */
  #forgeCommand(count: number): void {
    const heard = this.#lastCommand;
    if (!heard) return;
    const from = this.#from();
    for (let i = 1; i <= count; i++) {
      const bytes = concat(heard.subarray(0, 24), this.#random(120));
      const seq = this.#dice.chance(0.1) ? 2 ** 32 - 1 : viewOf(heard).getUint32(16) + i;
      viewOf(bytes).setUint32(16, seq);
      for (const to of this.#street.nodes) this.#street.send(from, to, bytes);
    }
  }
}
