// A master's link, a node's link and the wire between them, one datagram at a time.

import {toHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {type Address, asAddress, asMonoMs, asPeerId, type PeerId} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import type {KeyPair} from '../../src/wire/crypto.ts';
import type {Link, Outgoing, Received} from '../../src/wire/link.ts';
import type {NodeLinkOptions} from '../../src/wire/link-state.ts';
import type {Message, TrustDocument} from '../../src/wire/message.ts';
import {MasterLink} from '../../src/wire/session-master.ts';
import {NodeLink} from '../../src/wire/session-node.ts';
import {pskOf, tokenIdOf} from '../../src/wire/token.ts';
import {fingerprintOf, signTrust} from '../../src/wire/trust.ts';
import {bytes} from './samples.ts';

export const MASTER_AT = asAddress('10.0.0.1:6273');
export const NODE_AT = asAddress('10.0.0.2:40000');
export const STRANGER_AT = asAddress('10.0.0.66:6666');
export const PROBE: Message = {type: 'timeProbe', nonce: 7};
const PORT = 6_273;

export type Direction = 'toMaster' | 'toNode';
/** Says how often a datagram arrives: 0 = lost, 2 = twice. */
export type Wire = (datagram: Uint8Array, direction: Direction, count: number) => number;

export class World {
  readonly crypto = new NodeCrypto();
  readonly root = this.crypto.ed25519KeyPair();
  readonly command = this.crypto.ed25519KeyPair();
  readonly masterKey = this.crypto.x25519KeyPair();
  readonly nodeKey: KeyPair = this.crypto.x25519KeyPair();
  readonly secret = this.crypto.random(16);
  readonly tokenId = tokenIdOf(this.crypto, this.secret);
  readonly known = new Set<PeerId>();
  readonly fingerprint = fingerprintOf(this.crypto, this.root.publicKey);
  tokenIsLive = true;
  /** The node speaks first in each new session, as a core does with its Hello. */
  saysHello = false;
  now = asMonoMs(1_000);
  master = this.newMaster();
  /** All that the links reported, in order. */
  readonly atMaster: Received[] = [];
  readonly atNode: Received[] = [];
  /** Every datagram that was sent, in order. */
  readonly sent: {readonly direction: Direction; readonly datagram: Uint8Array}[] = [];
  nodeAt: Address = NODE_AT;
  masterAt: Address = MASTER_AT;

  get nodePeer(): PeerId {
    return asPeerId(toHex(this.nodeKey.publicKey));
  }

  get masterPeer(): PeerId {
    return asPeerId(toHex(this.masterKey.publicKey));
  }

  document(version = 1): TrustDocument {
    return {
      rootKey: this.root.publicKey,
      clusterId: bytes(16),
      version,
      commandKey: this.command.publicKey,
      masterStatic: this.masterKey.publicKey,
      appKeys: [],
    };
  }

  signedTrust(version = 1): Uint8Array {
    return signTrust(this.crypto, this.root.secretKey, this.document(version));
  }

  newMaster(more: {strangersMayAsk?: boolean} = {}): MasterLink {
    return new MasterLink({
      ...more,
      crypto: this.crypto,
      staticKey: this.masterKey,
      signedTrust: this.signedTrust(),
      port: PORT,
      knows: peer => this.known.has(peer),
      pskOf: id =>
        this.tokenIsLive && id === this.tokenId ? pskOf(this.crypto, this.secret) : undefined,
    });
  }

  newNode(options: Partial<NodeLinkOptions> = {}): NodeLink {
    return new NodeLink({
      crypto: this.crypto,
      prng: new Prng(1),
      staticKey: this.nodeKey,
      bootId: bytes(8),
      rootFingerprint: this.fingerprint,
      address: MASTER_AT,
      ...options,
    });
  }

  /** A node that trusts the first root it meets. */
  newTofuNode(): NodeLink {
    const prng = new Prng(1);
    return new NodeLink({crypto: this.crypto, prng, staticKey: this.nodeKey, bootId: bytes(8)});
  }

  get token() {
    return {id: this.tokenId, psk: pskOf(this.crypto, this.secret)};
  }

  /** A node that is enrolled, with its trust document from an earlier run. */
  enrolledNode(options: Partial<NodeLinkOptions> = {}): NodeLink {
    this.known.add(this.nodePeer);
    return this.newNode({trust: this.signedTrust(), ...options});
  }

  /** Lets both ends talk until they are silent; `now` stands still. */
  exchange(node: NodeLink, wire: Wire = () => 1): void {
    for (let round = 0; round < 20; round++) {
      if (node.wakeAt() <= this.now) node.tick(this.now);
      if (this.master.wakeAt() <= this.now) this.master.tick(this.now);
      const up = this.#carry(node.takeOutgoing(), 'toMaster', wire);
      for (const datagram of up) this.toMaster(datagram);
      const down = this.#carry(this.master.takeOutgoing(), 'toNode', wire);
      for (const datagram of down) this.toNode(node, datagram);
      if (up.length + down.length === 0) return;
    }
  }

  /** Moves time in steps to where something is due, and exchanges, until `ms` have passed. */
  run(node: NodeLink, ms: number, wire: Wire = () => 1): void {
    const end = this.now + ms;
    for (;;) {
      this.exchange(node, wire);
      const next = Math.max(this.now + 1, Math.min(node.wakeAt(), this.master.wakeAt()));
      if (next > end) break;
      this.now = asMonoMs(next);
    }
    this.now = asMonoMs(end);
  }

  #carry(outgoing: readonly Outgoing[], direction: Direction, wire: Wire): Uint8Array[] {
    return outgoing.flatMap(({datagram}) => {
      this.sent.push({direction, datagram});
      const times = wire(datagram, direction, this.sent.length);
      return Array.from({length: times}, () => datagram.slice());
    });
  }

  toMaster(datagram: Uint8Array, from = this.nodeAt): readonly Received[] {
    const received = this.master.receive(datagram, from, this.now);
    this.atMaster.push(...received);
    return received;
  }

  toNode(node: NodeLink, datagram: Uint8Array, from = this.masterAt): readonly Received[] {
    const received = node.receive(datagram, from, this.now);
    this.atNode.push(...received);
    if (this.saysHello && kinds(received).includes('linked')) {
      this.toMaster(this.sealed(node, this.masterPeer));
    }
    return received;
  }

  /** Seals a message at one end and gives the datagram. */
  sealed(link: Link, peer: PeerId, message: Message = PROBE): Uint8Array {
    const outgoing = link.seal(peer, message, this.now);
    if (outgoing === undefined) throw new Error('there is no session');
    return outgoing.datagram;
  }

  /** Handshake and first data both ways. */
  link(node: NodeLink): void {
    this.exchange(node);
    this.talk(node);
  }

  /** One message each way; says whether both came through. */
  talk(node: NodeLink): boolean {
    const up = node.seal(this.masterPeer, PROBE, this.now);
    if (up === undefined) return false;
    const heard = kinds(this.toMaster(up.datagram)).includes('message');
    const down = this.master.seal(this.nodePeer, PROBE, this.now);
    if (down === undefined) return false;
    return heard && kinds(this.toNode(node, down.datagram)).includes('message');
  }
}

export const kinds = (received: readonly Received[]): readonly string[] =>
  received.map(one => (one.kind === 'drop' ? one.reason : one.kind));
