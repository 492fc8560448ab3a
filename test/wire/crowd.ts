// Many nodes, each with an address of its own, before one master whose socket takes so many datagrams a
// second and loses the rest, whoever sent them: what a flood does to a kernel's buffer.

import {toHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {type Address, asAddress, asMonoMs, asPeerId} from '../../src/base/types.ts';
import {RETRY_MS_MIN} from '../../src/wire/limits.ts';
import type {NodeLink} from '../../src/wire/session-node.ts';
import {bytes} from './samples.ts';
import {kinds, MASTER_AT, PROBE, World} from './session-world.ts';

export type Arrival = {readonly datagram: Uint8Array; readonly from: Address};

const STEP_MS = 20;

export class Crowd {
  readonly world = new World();
  readonly nodes = new Map<Address, NodeLink>();
  /** Outcomes at the master, by kind; `answered` = neither a drop nor an event. */
  readonly outcomes = new Map<string, number>();
  readonly #confirmed = new Set<Address>();
  readonly #helloAt = new Map<Address, number>();
  readonly #prng = new Prng(11);
  readonly #trust = this.world.signedTrust();
  readonly #perStep: number;

  /** @param perSecond datagrams that the master's socket takes in a second */
  constructor(count: number, perSecond: number) {
    this.#perStep = (perSecond * STEP_MS) / 1_000;
    for (let no = 0; no < count; no++) this.#add(no);
  }

  #add(no: number): void {
    const {crypto, known, fingerprint} = this.world;
    const staticKey = crypto.x25519KeyPair();
    known.add(asPeerId(toHex(staticKey.publicKey)));
    const address = asAddress(`10.2.${no >> 8}.${no & 255}:40000`);
    const node = this.world.newNode({
      prng: new Prng(no),
      staticKey,
      bootId: bytes(8),
      rootFingerprint: fingerprint,
      trust: this.#trust,
    });
    this.nodes.set(address, node);
  }

  get linked(): number {
    return this.world.master.linkedCount;
  }

  /** Until all nodes have a confirmed session, or so many milliseconds; the milliseconds it took. */
  run(msMax: number, junk: (count: number) => Arrival[] = () => []): number {
    const {world} = this;
    const since = world.now;
    while (world.now - since < msMax && this.linked < this.nodes.size) {
      const arrivals = this.#knocks();
      arrivals.push(...junk(STEP_MS));
      for (const {datagram, from} of this.#throughSocket(arrivals)) this.#atMaster(datagram, from);
      if (world.master.wakeAt() <= world.now) world.master.tick(world.now);
      this.#toNodes();
      world.now = asMonoMs(world.now + STEP_MS);
    }
    return world.now - since;
  }

  #knocks(): Arrival[] {
    const arrivals: Arrival[] = [];
    for (const [from, node] of this.nodes) {
      if (node.wakeAt() <= this.world.now) node.tick(this.world.now);
      for (const {datagram} of node.takeOutgoing()) arrivals.push({datagram, from});
      const hello = this.#hello(from, node);
      if (hello) arrivals.push({datagram: hello, from});
    }
    return arrivals;
  }

  /** A core says Hello until it is welcomed. */
  #hello(from: Address, node: NodeLink): Uint8Array | undefined {
    const {world} = this;
    const isDue = world.now - (this.#helloAt.get(from) ?? Number.NEGATIVE_INFINITY) >= RETRY_MS_MIN;
    if (this.#confirmed.has(from) || node.state !== 'linked' || !isDue) return undefined;
    this.#helloAt.set(from, world.now);
    return node.seal(world.masterPeer, PROBE, world.now)?.datagram;
  }

  #throughSocket(arrivals: Arrival[]): Arrival[] {
    for (let i = arrivals.length - 1; i > 0; i--) {
      const other = this.#prng.below(i + 1);
      [arrivals[i], arrivals[other]] = [arrivals[other] as Arrival, arrivals[i] as Arrival];
    }
    return arrivals.slice(0, this.#perStep);
  }

  #atMaster(datagram: Uint8Array, from: Address): void {
    const received = this.world.master.receive(datagram, from, this.world.now);
    const names = received.length === 0 ? ['answered'] : kinds(received);
    if (names.includes('linked')) this.#confirmed.add(from);
    for (const name of names) this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
  }

  #toNodes(): void {
    for (const {to, datagram} of this.world.master.takeOutgoing())
      this.nodes.get(to)?.receive(datagram, MASTER_AT, this.world.now);
  }
}
