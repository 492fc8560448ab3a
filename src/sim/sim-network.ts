// A network that loses, doubles, delays, reorders, flips, truncates and replays. Multicast reaches each
// receiver or not on its own. What is larger than the MTU is gone: Volley never fragments. Cables come out,
// switches fall apart, eat multicast or carry one way only, queues stand still and then come all at once.

import {uint32At} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import type {Address} from '../base/types.ts';
import {exponential} from './dice.ts';
import {EVENT, type Timeline} from './timeline.ts';

export type NetworkFaults = {
  /** Chances, each for one datagram and one receiver. */
  loss: number;
  multicastLoss: number;
  duplicate: number;
  /** Comes again after up to ten minutes. */
  replay: number;
  flip: number;
  /** Loses its end. */
  truncate: number;
  /** Delayed by two seconds on average instead. */
  slow: number;
  delayMsMin: number;
  delayMsMean: number;
  mtu: number;
};

export const CALM: Readonly<NetworkFaults> = {
  loss: 0,
  multicastLoss: 0,
  duplicate: 0,
  replay: 0,
  flip: 0,
  truncate: 0,
  slow: 0,
  delayMsMin: 0.1,
  delayMsMean: 0.2,
  mtu: 1_472,
};

const SLOW_MS = 2_000;
const REPLAY_MS = 600_000;

type Deliver = (bytes: Uint8Array, from: Address) => void;
/** Hears a datagram on its way to one receiver; true = takes it away. */
export type Tap = (from: Address, to: Address, bytes: Uint8Array) => boolean;

/** What is wrong with one host's cable; every field goes back to its first value when the network is mended. */
type Cable = {
  /** The plug is out. */
  cut: boolean;
  /** Nothing comes in, or nothing goes out. */
  noIn: boolean;
  noOut: boolean;
  /** No multicast comes in: a switch that eats it. */
  deaf: boolean;
  /** Hosts of different sides do not hear each other. */
  side: number;
  /** What would arrive before waits until then. */
  cloggedUntil: number;
  /** Nine of ten datagrams are lost until then. */
  lossyUntil: number;
  /** Somebody in the cable; true = keeps this one to himself. */
  jam: ((bytes: Uint8Array) => boolean) | undefined;
};
type Host = {readonly no: number; readonly deliver: Deliver} & Cable;

const SOUND: Readonly<Cable> = {
  cut: false,
  noIn: false,
  noOut: false,
  deaf: false,
  side: 0,
  cloggedUntil: 0,
  lossyUntil: 0,
  jam: undefined,
};
const BURST_LOSS = 0.9;

export class SimNetwork {
  readonly #timeline: Timeline;
  readonly #prng: Prng;
  readonly #hosts = new Map<Address, Host>();
  faults: NetworkFaults;
  /** Datagrams sent, one for each receiver. */
  sent = 0;
  oversize = 0;
  /** An attacker on the wire, before all faults. */
  tap: Tap | undefined;

  constructor(timeline: Timeline, prng: Prng, faults: NetworkFaults) {
    this.#timeline = timeline;
    this.#prng = prng;
    this.faults = faults;
  }

  /** @param deliver does nothing while its process is dead */
  attach(address: Address, no: number, deliver: Deliver): void {
    this.#hosts.set(address, {no, deliver, ...SOUND});
  }

  /** The process at this address is gone for ever. */
  detach(address: Address): void {
    this.#hosts.delete(address);
  }

  /** Breaks the cable of a host in some way, or mends it. */
  set(address: Address, cable: Partial<Cable>): void {
    const host = this.#hosts.get(address);
    if (host) Object.assign(host, cable);
  }

  /** All cables are sound again. */
  mend(): void {
    for (const host of this.#hosts.values()) Object.assign(host, SOUND);
  }

  send(from: Address, to: Address, bytes: Uint8Array): void {
    if (this.tap?.(from, to, bytes)) return;
    const host = this.#hosts.get(to);
    if (host) this.#carry(from, host, bytes, this.faults.loss, false);
  }

  multicast(from: Address, bytes: Uint8Array): void {
    const loss = Math.max(this.faults.loss, this.faults.multicastLoss);
    const sender = this.#hosts.get(from)?.no;
    for (const [to, host] of this.#hosts)
      if (host.no !== sender && !this.tap?.(from, to, bytes))
        this.#carry(from, host, bytes, loss, true);
  }

  /** An attacker's datagram: no tap hears it and no fault touches it. */
  inject(from: Address, to: Address, bytes: Uint8Array, ms: number): void {
    const host = this.#hosts.get(to);
    if (host) this.#deliver(from, host, bytes, ms);
  }

  #carry(from: Address, host: Host, bytes: Uint8Array, loss: number, isGroup: boolean): void {
    const {faults} = this;
    this.sent += 1;
    if (bytes.length > faults.mtu) {
      this.oversize += 1;
      return;
    }
    const sender = this.#hosts.get(from);
    if (host.cut || host.noIn || (isGroup && host.deaf)) return;
    if (sender && (sender.cut || sender.noOut || sender.side !== host.side)) return;
    if (host.jam?.(bytes)) return;
    const {now} = this.#timeline;
    const isBurst = host.lossyUntil > now || (sender?.lossyUntil ?? 0) > now;
    if (!this.#happens(isBurst ? Math.max(loss, BURST_LOSS) : loss))
      this.#deliver(from, host, this.#damaged(bytes), this.#delay());
    if (this.#happens(faults.duplicate)) this.#deliver(from, host, bytes, this.#delay());
    if (this.#happens(faults.replay))
      this.#deliver(from, host, bytes, this.#prng.fraction() * REPLAY_MS);
  }

  /** Spends no dice on what cannot happen. */
  #happens(chance: number): boolean {
    return chance > 0 && this.#prng.chance(chance);
  }

  #delay(): number {
    const {delayMsMin, delayMsMean, slow} = this.faults;
    const mean = this.#happens(slow) ? SLOW_MS : delayMsMean;
    return delayMsMin + mean * exponential(this.#prng);
  }

  #damaged(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes;
    if (this.#happens(this.faults.truncate)) return bytes.slice(0, this.#prng.below(bytes.length));
    if (!this.#happens(this.faults.flip)) return bytes;
    const copy = bytes.slice();
    const bit = this.#prng.below(bytes.length * 8);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  }

  #deliver(from: Address, host: Host, bytes: Uint8Array, ms: number): void {
    // The last bytes are a seal's tag: they stand for the whole content in the digest.
    const tail = bytes.length >= 4 ? uint32At(bytes, bytes.length - 4) : 0;
    const clogMs = Math.max(0, host.cloggedUntil - this.#timeline.now);
    this.#timeline.after(ms + clogMs, EVENT.datagram, tail ^ (host.no << 8), () => {
      if (!host.cut) host.deliver(bytes, from);
    });
  }
}
