// Somebody in the cable of one node: every datagram from and to it passes through here. Without a key of the
// cluster all it can do, whatever it tries, is drop and delay.

import {concat} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {type Address, asAddress} from '../base/types.ts';
import type {Crypto} from '../wire/crypto.ts';
import {FRAME, macKeyOf, readInitiation, sealResponse} from '../wire/session.ts';
import {between, exponential} from './dice.ts';

export type Cable = {
  readonly crypto: Crypto;
  readonly dice: Prng;
  /** The node at its end, and the public key that everybody may know of it. */
  readonly node: Address;
  readonly nodeStatic: Uint8Array;
  /** Where datagrams of other hosts may be turned to. */
  readonly others: readonly Address[];
  readonly pass: (from: Address, to: Address, bytes: Uint8Array, ms: number) => void;
  readonly now: () => number;
};

const KEPT_MAX = 64;
/** Longer than a shot at once lives. */
const CLOG_MS_LEAST = 5_500;
const CLOG_MS_MOST = 12_000;
const LATE_MS = 700;

type Held = {readonly from: Address; readonly to: Address; readonly bytes: Uint8Array};

export class ManInTheMiddle {
  readonly #cable: Cable;
  readonly #kept: Held[] = [];
  #held: Held[] = [];
  #clogUntil = 0;
  #isNew = false;

  constructor(cable: Cable) {
    this.#cable = cable;
  }

  /** true = the datagram is ours now. */
  takes(from: Address, to: Address, bytes: Uint8Array): boolean {
    const {node, dice} = this.#cable;
    if (from !== node && to !== node) return false;
    const held = {from, to, bytes};
    this.#keep(held);
    this.#watchStart(held);
    if (this.#cable.now() < this.#clogUntil) {
      this.#held.push(held);
      return true;
    }
    this.#release();
    if (dice.chance(0.6)) return false;
    this.#spoil(held);
    return true;
  }

  #keep(held: Held): void {
    if (this.#kept.length < KEPT_MAX) this.#kept.push(held);
    else this.#kept[this.#cable.dice.below(KEPT_MAX)] = held;
  }

  /** The worst moment to stand still: the first words of the master in a new session. */
  #watchStart({to, bytes}: Held): void {
    const {dice, node, now} = this.#cable;
    if (to !== node) return;
    if (bytes[0] === FRAME.response) this.#isNew = true;
    if (bytes[0] !== FRAME.data || !this.#isNew) return;
    this.#isNew = false;
    if (dice.chance(0.4)) this.#clogUntil = now() + between(dice, CLOG_MS_LEAST, CLOG_MS_MOST);
  }

  /** Called now and then: what was held back goes on, all at once. */
  tend(): void {
    if (this.#cable.now() >= this.#clogUntil) this.#release();
  }

  end(): void {
    this.#clogUntil = 0;
    this.#release();
  }

  #release(): void {
    const held = this.#held;
    this.#held = [];
    held.forEach(({from, to, bytes}, i) => {
      this.#cable.pass(from, to, bytes, i * 1e-3);
    });
  }

  #spoil(held: Held): void {
    const {dice, pass} = this.#cable;
    const {from, to, bytes} = held;
    const late = (): number => LATE_MS * exponential(dice);
    switch (dice.below(8)) {
      case 0:
        return; // dropped
      case 1:
        return pass(from, to, bytes, late());
      case 2:
        for (let i = between(dice, 2, 4); i > 0; i--) pass(from, to, bytes, late());
        return;
      case 3:
        return pass(from, to, this.#flipped(bytes), 0);
      case 4:
        return pass(from, to, bytes.slice(0, dice.below(bytes.length)), 0);
      case 5:
        return this.#splice(held);
      case 6:
        return this.#swap(held);
      default:
        return this.#answer(held);
    }
  }

  #flipped(bytes: Uint8Array): Uint8Array {
    const {dice} = this.#cable;
    const copy = bytes.slice();
    const bit = dice.below(Math.max(1, copy.length * 8));
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  }

  /** The header of this one with the body of another. */
  #splice({from, to, bytes}: Held): void {
    const {dice, pass} = this.#cable;
    const other = dice.pick(this.#kept).bytes;
    const at = dice.pick([4, 8, 12, 16, 24]);
    pass(from, to, concat(bytes.slice(0, at), other.slice(at)), 0);
  }

  /** From or to somebody else. */
  #swap({from, to, bytes}: Held): void {
    const {dice, pass, others} = this.#cable;
    const stranger = dice.chance(0.3) ? asAddress('10.77.0.1:4444') : dice.pick(others);
    if (dice.chance(0.5)) pass(stranger, to, bytes, 0);
    else pass(from, stranger, bytes, 0);
  }

  /** In the master's place, with what is public: the right length and mac, and keys of its own. */
  #answer({from, to, bytes}: Held): void {
    const {crypto, dice, node, nodeStatic, pass} = this.#cable;
    const initiation = from === node && bytes[0] === FRAME.initiation && readInitiation(bytes);
    if (!initiation) return pass(from, to, bytes, 0);
    const response = sealResponse(crypto, macKeyOf(crypto, nodeStatic), {
      senderIndex: dice.uint32(),
      receiverIndex: initiation.senderIndex,
      noise: Uint8Array.from({length: 48}, () => dice.below(256)),
    });
    pass(to, from, response, 0);
  }
}
