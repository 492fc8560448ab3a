// The master's end of all sessions. It answers strangers with at most as many bytes as they sent, keeps
// nothing for them, and spends no more on them than the gate lets through (gate.ts).
//
// A peer has at most two sessions: the confirmed one, which everything uses, and one half-session that
// an initiation made. The half-session takes over with the first data frame that opens under it: until
// then nothing that the peer (or someone who replays its initiation) did has any effect. The same
// initiation again is answered by the same response, so a lost response costs no second handshake.

import {assert} from '../base/assert.ts';
import {EMPTY, toHex, viewOf} from '../base/bytes.ts';
import {type Address, addMono, asPeerId, type MonoMs, NEVER, type PeerId} from '../base/types.ts';
import {decodeMessage, encodeBeacon, encodeMessage} from './codec.ts';
import type {Crypto, KeyPair} from './crypto.ts';
import {Gate} from './gate.ts';
import {
  DISCOVER_BYTES,
  HALF_SESSIONS_MAX,
  INITIATION_BYTES,
  PLAINTEXT_BYTES_MAX,
  SESSION_DATAGRAMS_PER_SECOND,
  SESSIONS_MAX,
} from './limits.ts';
import type {Link, Outgoing, Received} from './link.ts';
import type {Message} from './message.ts';
import {NoiseResponder} from './noise.ts';
import {
  discoveredRoot,
  drop,
  FRAME,
  HALF_SESSION_LIFE_MS,
  type Initiation,
  isInitiation,
  mac1Fits,
  macKeyOf,
  readInitiation,
  receiverIndexOf,
  Session,
  sealResponse,
  wrongDataFrame,
  wrongLength,
} from './session.ts';
import {Strangers} from './strangers.ts';
import {TokenBucket} from './token-bucket.ts';
import {previousRootOf} from './trust.ts';

export type MasterLinkOptions = {
  readonly crypto: Crypto;
  readonly staticKey: KeyPair;
  /** SignedTrust, encoded: what beacons show. */
  readonly signedTrust: Uint8Array;
  /** The documents in which the root changed: each is for nodes that know the root before it. */
  readonly rootSteps?: readonly Uint8Array[] | undefined;
  /** The unicast port that beacons name. */
  readonly port: number;
  /** Is this an enrolled node's static key? Others that come without a join token are strangers. */
  readonly knows: (peer: PeerId) => boolean;
  /** Strangers get a session, to ask to be let in (strangers.ts); without it they are not answered. */
  readonly strangersMayAsk?: boolean;
  /** The 32-byte psk of a join token that is live; wire/token.ts makes it from the secret. */
  readonly pskOf: (tokenId: number) => Uint8Array | undefined;
};

/** A handshake that the node has not yet shown to have finished. */
type Half = {
  readonly session: Session;
  /** mac1 of the initiation: it covers all of the frame before it. */
  readonly initiation: string;
  readonly response: Uint8Array;
};
type Sessions = {
  current: Session | undefined;
  /** Name of the initiation that made `current`: its replay is told from a new handshake. */
  currentInitiation: string;
  half: Half | undefined;
  /** Of the peer, not of a session: a new handshake brings no new budget. */
  readonly budget: TokenBucket;
};

const SWEEP_MS = 10_000;
const BOOT_ID_BYTES = 8;

export class MasterLink implements Link {
  readonly #options: MasterLinkOptions;
  readonly #crypto: Crypto;
  readonly #macKey: Uint8Array;
  readonly #beacon: Uint8Array;
  readonly #gate: Gate;
  /** By the fingerprint of the root that each leads away from. */
  readonly #steps: ReadonlyMap<string, Uint8Array>;
  readonly #peers = new Map<PeerId, Sessions>();
  /** Peers with a half-session, oldest first. */
  readonly #halves = new Set<PeerId>();
  readonly #byIndex = new Map<number, Session>();
  /** Peers by the initiations that made their present sessions. */
  readonly #byInitiation = new Map<string, PeerId>();
  readonly #strangers: Strangers;
  #outgoing: Outgoing[] = [];
  #sweepAt: MonoMs = NEVER;

  constructor(options: MasterLinkOptions) {
    this.#options = options;
    this.#crypto = options.crypto;
    this.#strangers = new Strangers(options.knows);
    this.#macKey = macKeyOf(options.crypto, options.staticKey.publicKey);
    this.#gate = new Gate(options.crypto, options.staticKey.publicKey);
    this.#beacon = beaconFrame(options.signedTrust, options.port);
    this.#steps = new Map(
      (options.rootSteps ?? []).map(step => [
        toHex(previousRootOf(options.crypto, step) ?? EMPTY),
        beaconFrame(step, options.port),
      ]),
    );
  }

  /** The frame to multicast now and then; the caller does not change it. */
  beacon(): Uint8Array {
    return this.#beacon;
  }

  /** Peers with a confirmed session, half-sessions left out. */
  get linkedCount(): number {
    let count = 0;
    for (const sessions of this.#peers.values()) if (sessions.current !== undefined) count += 1;
    return count;
  }

  /** Peers with a session or a half-session. */
  get peerCount(): number {
    return this.#peers.size;
  }

  /** Half-sessions, and peers that ask to be let in: what strangers may fill. */
  get strangersHold(): {readonly halves: number; readonly strangers: number} {
    return {halves: this.#halves.size, strangers: this.#strangers.size};
  }

  receive(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    switch (datagram[0]) {
      case FRAME.data:
        return this.#onData(datagram, from, now);
      case FRAME.initiation:
        return this.#onInitiation(datagram, from, now);
      case FRAME.discover:
        return this.#onDiscover(datagram, from, now);
      case FRAME.response:
      case FRAME.cookie:
      case FRAME.beacon:
      case FRAME.command:
        return drop('notForUs');
      case undefined:
        return drop('tooSmall');
      default:
        return drop('unknownType');
    }
  }

  seal(peer: PeerId, message: Message, now: MonoMs): Outgoing | undefined {
    const session = this.#peers.get(peer)?.current;
    if (session === undefined || session.expired(now)) return undefined;
    const plaintext = encodeMessage(message);
    assert(plaintext.length <= PLAINTEXT_BYTES_MAX, `${message.type} of ${plaintext.length} bytes`);
    return {to: session.address, datagram: session.seal(plaintext)};
  }

  tick(now: MonoMs): void {
    if (now < this.#sweepAt) return;
    for (const peer of this.#strangers.sweep(now)) this.forget(peer, now);
    for (const [peer, sessions] of this.#peers) {
      const {current, half} = sessions;
      if (half !== undefined && now - half.session.createdAt >= HALF_SESSION_LIFE_MS) {
        this.#endHalf(sessions);
      }
      if (current?.expired(now)) this.#endCurrent(sessions);
      if (sessions.current !== undefined || sessions.half !== undefined) continue;
      this.#peers.delete(peer);
      this.#strangers.forget(peer);
    }
    this.#sweepAt = this.#peers.size > 0 ? addMono(now, SWEEP_MS) : NEVER;
  }

  wakeAt(): MonoMs {
    return this.#sweepAt;
  }

  takeOutgoing(): readonly Outgoing[] {
    if (this.#outgoing.length === 0) return this.#outgoing;
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    return outgoing;
  }

  /** Ends all sessions with this peer at once: it was revoked, or is to come again. */
  forget(peer: PeerId, _now: MonoMs): void {
    const sessions = this.#peers.get(peer);
    if (sessions === undefined) return;
    this.#endHalf(sessions);
    this.#endCurrent(sessions);
    this.#peers.delete(peer);
    this.#strangers.forget(peer);
  }

  #endHalf(sessions: Sessions): void {
    if (sessions.half === undefined) return;
    this.#halves.delete(sessions.half.session.peer);
    this.#byIndex.delete(sessions.half.session.localIndex);
    this.#byInitiation.delete(sessions.half.initiation);
    sessions.half = undefined;
  }

  #endCurrent(sessions: Sessions): void {
    if (sessions.current === undefined) return;
    this.#byIndex.delete(sessions.current.localIndex);
    this.#byInitiation.delete(sessions.currentInitiation);
    sessions.current = undefined;
  }

  #onDiscover(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    const wrong = wrongLength(datagram, DISCOVER_BYTES);
    if (wrong !== undefined) return drop(wrong);
    if (datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return drop('malformed');
    if (!this.#gate.mayAnswer(from, now)) return drop('rateLimited');
    const step = this.#steps.get(toHex(discoveredRoot(datagram)));
    this.#outgoing.push({to: from, datagram: step ?? this.#beacon});
    return [];
  }

  #onInitiation(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    const wrong = wrongLength(datagram, INITIATION_BYTES);
    if (wrong !== undefined) return drop(wrong);
    if (!isInitiation(datagram)) return drop('malformed');
    if (this.#gate.mayIgnore(datagram, from, now)) return drop('rateLimited');
    if (!mac1Fits(this.#crypto, this.#macKey, datagram)) return drop('badMac');
    const verdict = this.#gate.onInitiation(datagram, from, now);
    if (verdict.kind === 'refused') return drop(verdict.reason);
    if (verdict.kind === 'cookie') {
      this.#outgoing.push({to: from, datagram: verdict.reply});
      return drop('cookieWanted');
    }
    const name = toHex(datagram.subarray(INITIATION_BYTES - 32, INITIATION_BYTES - 16));
    const known = this.#byInitiation.get(name);
    if (known !== undefined) return this.#onRepeat(known, name, from);
    if (!this.#gate.mayShakeHands(now)) return drop('tooManyHandshakes');
    return this.#onHandshake(readInitiation(datagram), name, from, now);
  }

  /** An initiation whose session still lives: its response was lost, or someone replays it. */
  #onRepeat(peer: PeerId, name: string, from: Address): readonly Received[] {
    const half = this.#peers.get(peer)?.half;
    if (half?.initiation !== name) return drop('replayed');
    this.#outgoing.push({to: from, datagram: half.response});
    return [];
  }

  #onHandshake(
    initiation: Initiation,
    name: string,
    from: Address,
    now: MonoMs,
  ): readonly Received[] {
    const {pattern, prologue, senderIndex} = initiation;
    const {staticKey} = this.#options;
    const noise = new NoiseResponder(this.#crypto, {pattern, prologue, staticKey});
    const first = noise.readFirst(initiation.noise);
    if (first === undefined) return drop('badHandshake');
    const peer = asPeerId(toHex(first.remoteStatic));
    const tokenId = viewOf(first.payload).getUint32(BOOT_ID_BYTES);
    const psk = pattern === 'IKpsk2' && tokenId !== 0 ? this.#options.pskOf(tokenId) : undefined;
    const plain = pattern === 'IK' && tokenId === 0;
    const asks = plain && !this.#options.knows(peer) && this.#options.strangersMayAsk === true;
    const allowed = plain ? asks || this.#options.knows(peer) : psk !== undefined;
    if (!allowed) return drop('unknownPeer');
    const members = this.#peers.size - this.#strangers.size;
    if (!this.#peers.has(peer) && members >= SESSIONS_MAX) return drop('tooManySessions');
    const second = noise.writeSecond(EMPTY, psk);
    if (second === undefined) return drop('badHandshake');
    if (asks && !this.#strangers.admit(peer, from, now)) return drop('tooManySessions');

    const localIndex = this.#freeIndex();
    const session = new Session({
      crypto: this.#crypto,
      peer,
      localIndex,
      remoteIndex: senderIndex,
      keys: second.keys,
      tokenId,
      createdAt: now,
      address: from,
    });
    const response = sealResponse(this.#crypto, macKeyOf(this.#crypto, first.remoteStatic), {
      senderIndex: localIndex,
      receiverIndex: senderIndex,
      noise: second.message,
    });
    this.#keepHalf(peer, {session, initiation: name, response}, now);
    this.#outgoing.push({to: from, datagram: response});
    return [];
  }

  #keepHalf(peer: PeerId, half: Half, now: MonoMs): void {
    let sessions = this.#peers.get(peer);
    if (sessions === undefined) {
      const budget = new TokenBucket(SESSION_DATAGRAMS_PER_SECOND);
      sessions = {current: undefined, currentInitiation: '', half: undefined, budget};
      this.#peers.set(peer, sessions);
    }
    this.#endHalf(sessions);
    if (this.#halves.size >= HALF_SESSIONS_MAX) this.#endOldestHalf();
    this.#halves.add(peer);
    sessions.half = half;
    this.#byIndex.set(half.session.localIndex, half.session);
    this.#byInitiation.set(half.initiation, peer);
    if (this.#sweepAt === NEVER) this.#sweepAt = addMono(now, SWEEP_MS);
  }

  #endOldestHalf(): void {
    for (const peer of this.#halves) {
      const sessions = this.#peers.get(peer);
      assert(sessions?.half !== undefined, 'a half-session without its peer');
      this.#endHalf(sessions);
      if (sessions.current !== undefined) return;
      this.#peers.delete(peer);
      this.#strangers.forget(peer);
      return;
    }
  }

  #freeIndex(): number {
    for (;;) {
      const index = viewOf(this.#crypto.random(4)).getUint32(0);
      if (!this.#byIndex.has(index)) return index;
    }
  }

  #onData(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    const wrong = wrongDataFrame(datagram);
    if (wrong !== undefined) return drop(wrong);
    const session = this.#byIndex.get(receiverIndexOf(datagram));
    if (session === undefined) return drop('unknownSession');
    const sessions = this.#peers.get(session.peer);
    assert(sessions !== undefined, 'a session without its peer');
    const isHalf = sessions.half?.session === session;
    const age = now - session.createdAt;
    if (isHalf ? age >= HALF_SESSION_LIFE_MS : session.expired(now)) return drop('expiredSession');
    const plaintext = session.open(datagram);
    if (typeof plaintext === 'string') return drop(plaintext);
    const received: Received[] = [];
    if (isHalf) received.push(this.#confirm(sessions, session, from));
    if (!sessions.budget.take(now)) {
      received.push({kind: 'drop', reason: 'rateLimited'});
      return received;
    }
    const message = decodeMessage(plaintext);
    if (typeof message === 'string') {
      received.push({kind: 'drop', reason: message});
      return received;
    }
    session.address = from; // it has moved, perhaps; a packet that is dropped moves nobody
    received.push({kind: 'message', peer: session.peer, message});
    return received;
  }

  /** The first authentic data: the half-session is the session now, the old one is gone. */
  #confirm(sessions: Sessions, session: Session, from: Address): Received {
    const {half} = sessions;
    session.address = from;
    assert(half?.session === session, 'only a half-session is confirmed');
    this.#endCurrent(sessions);
    this.#halves.delete(session.peer);
    sessions.half = undefined;
    sessions.current = session;
    sessions.currentInitiation = half.initiation;
    return {
      kind: 'linked',
      peer: session.peer,
      handshakeHash: session.handshakeHash,
      tokenId: session.tokenId,
      from,
    };
  }
}

function beaconFrame(trust: Uint8Array, port: number): Uint8Array {
  const body = encodeBeacon({trust, port});
  const frame = new Uint8Array(4 + body.length);
  frame[0] = FRAME.beacon;
  frame.set(body, 4);
  assert(frame.length <= DISCOVER_BYTES, 'a beacon is larger than a discover');
  return frame;
}
