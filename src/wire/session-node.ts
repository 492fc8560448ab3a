// The node's end: it looks for the master, makes a session, and keeps it alive.
//
//   discovering ── a beacon whose trust document the root signed ──▶ handshaking ── response ──▶ linked
//        ▲                                                              ▲  │ no answer, or forget()  │
//        └───────── (start, when nothing is known yet)                  └──┴─────────────────────────┘
//
// While linked, new keys are made in the background (by age, by count, or because the master has been
// silent after we spoke: it may have restarted) and the old session serves until they are there. A beacon
// moves a handshake to where the master is now; it never moves a session: only an authentic packet does.
// Retries of one handshake send the same initiation, which the master answers by the same response; a master
// under load answers by a cookie, and the initiation goes again with it (cookie.ts).

import {assert, assertNever} from '../base/assert.ts';
import {
  type Address,
  addMono,
  asAddress,
  asMonoMs,
  type MonoMs,
  NEVER,
  type PeerId,
} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {JoinSecret} from './attempt.ts';
import {AttemptMaker, sessionOf} from './attempt-maker.ts';
import {decodeBeacon, decodeMessage, encodeMessage} from './codec.ts';
import {CookieJar} from './cookie.ts';
import type {Crypto} from './crypto.ts';
import {
  COOKIE_REPLY_BYTES,
  DISCOVER_BYTES,
  INITIATION_BYTES,
  PLAINTEXT_BYTES_MAX,
  REKEY_AFTER_MS,
  RESPONSE_BYTES,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from './limits.ts';
import type {Link, Outgoing, Received} from './link.ts';
import {
  type Handshaking,
  handshakingAt,
  type Linked,
  type LinkState,
  linkedBy,
  linkedWith,
  type NodeLinkOptions,
  type Retry,
  retryOf,
  silenceMsOf,
  silentAt,
  wakeAtOf,
} from './link-state.ts';
import type {Message, TrustDocument, Welcome} from './message.ts';
import {
  discoverFrame,
  drop,
  FRAME,
  hasNoMac2,
  mac1Fits,
  macKeyOf,
  readResponse,
  receiverIndexOf,
  type Session,
  wrongDataFrame,
  wrongLength,
} from './session.ts';
import {TokenBucket} from './token-bucket.ts';
import {hasSameMaster, TrustPin} from './trust.ts';

/** From this try on a handshake also asks for a beacon: the master may have moved, or have new keys. */
const TRIES_BEFORE_DISCOVER = 3;
/** A beacon, and no answer for so long: the master lives and may have forgotten us. */
const DEAF_MS = SECOND_MS / 2;
/** So long after a silence a node speaks only where handshakes are answered, wherever the master speaks from. */
const DOOR_ONLY_MS = MINUTE_MS;
/** Beacons whose trust document is looked at in a second; one with the document we hold is free. */
const BEACONS_PER_SECOND = 5;

export class NodeLink implements Link {
  readonly #options: NodeLinkOptions;
  readonly #crypto: Crypto;
  readonly #macKey: Uint8Array;
  readonly #beacons = new TokenBucket(BEACONS_PER_SECOND);
  readonly #trust: TrustPin;
  readonly #cookies: CookieJar;
  readonly #attempts: AttemptMaker;
  #silenceMs = silenceMsOf(0);
  #doorOnlyUntil = asMonoMs(-NEVER);
  #state: LinkState;
  #outgoing: Outgoing[] = [];

  constructor(options: NodeLinkOptions) {
    this.#options = options;
    this.#crypto = options.crypto;
    this.#macKey = macKeyOf(options.crypto, options.staticKey.publicKey);
    this.#trust = new TrustPin(options.crypto, options.rootFingerprint);
    this.#cookies = new CookieJar(options.crypto);
    this.#attempts = new AttemptMaker(options, this.#trust, options.token);
    if (options.trust !== undefined) this.#trust.learn(options.trust);
    const {address} = options;
    this.#state =
      this.#trust.document !== undefined && address !== undefined
        ? handshakingAt(address, asMonoMs(0))
        : {kind: 'discovering', sent: 0, nextAt: asMonoMs(0)};
  }

  get state(): LinkState['kind'] {
    return this.#state.kind;
  }

  /** The SignedTrust with the highest version so far, to be stored for the next start. */
  trust(): Uint8Array | undefined {
    return this.#trust.bytes;
  }

  trustDocument(): TrustDocument | undefined {
    return this.#trust.document;
  }

  /** The master, while there is a session with it. */
  peer(): PeerId | undefined {
    return this.#state.kind === 'linked' ? this.#state.session.peer : undefined;
  }

  /** From now on handshakes do without the join token. */
  enrolled(): void {
    this.#attempts.token = undefined;
  }

  /** From now on handshakes show this token, or none; one begins. */
  joinBy(token: JoinSecret | undefined, now: MonoMs): void {
    this.#attempts.token = token;
    if (this.#state.kind === 'linked') this.#state = handshakingAt(this.#state.door, now);
  }

  receive(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    switch (datagram[0]) {
      case FRAME.data:
        return this.#onData(datagram, from, now);
      case FRAME.response:
        return this.#onResponse(datagram, from, now);
      case FRAME.cookie:
        return this.#onCookie(datagram, from, now);
      case FRAME.beacon:
        return this.#onBeacon(datagram, from, now);
      case FRAME.initiation:
      case FRAME.discover:
      case FRAME.command:
        return drop('notForUs');
      case undefined:
        return drop('tooSmall');
      default:
        return drop('unknownType');
    }
  }

  seal(peer: PeerId, message: Message, now: MonoMs, only?: Uint8Array): Outgoing | undefined {
    const state = linkedWith(this.#state, peer, now, only);
    if (state === undefined) return undefined;
    const plaintext = encodeMessage(message);
    assert(plaintext.length <= PLAINTEXT_BYTES_MAX, `${message.type} of ${plaintext.length} bytes`);
    const datagram = state.session.seal(plaintext);
    // Everything is answered but an acknowledgement.
    if (state.unansweredSince === NEVER && message.type !== 'commandAck')
      state.unansweredSince = now;
    if (state.session.worn && state.rekeyAt > now) state.rekeyAt = now;
    return {to: state.session.address, datagram};
  }

  tick(now: MonoMs): void {
    const state = this.#state;
    if (now < this.wakeAt()) return;
    switch (state.kind) {
      case 'discovering':
        state.nextAt = addMono(now, this.#delay(state.sent));
        state.sent += 1;
        this.#sendDiscover();
        return;
      case 'handshaking':
        state.lastAt = now;
        state.asked = state.places.take();
        this.#initiate(state.retry, state.asked, now);
        return;
      case 'linked':
        this.#keepAlive(state, now);
        return;
      default:
        assertNever(state);
    }
  }

  wakeAt(): MonoMs {
    return wakeAtOf(this.#state, this.#silenceMs);
  }

  takeOutgoing(): readonly Outgoing[] {
    if (this.#outgoing.length === 0) return this.#outgoing;
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    return outgoing;
  }

  /** The session is no good: search anew, first where the master was. */
  forget(peer: PeerId, now: MonoMs): void {
    const state = this.#state;
    if (state.kind !== 'linked' || state.session.peer !== peer) return;
    this.#state = handshakingAt(state.door, this.#soon(now));
  }

  #delay(sent: number): number {
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(sent, 16));
    return this.#options.prng.jitter(delayMs, 0.5, 1);
  }

  #keepAlive(state: Linked, now: MonoMs): void {
    const silent = now >= silentAt(state, this.#silenceMs);
    const gaveUp = silent && (state.rekey?.sent ?? 0) >= TRIES_BEFORE_DISCOVER;
    if (gaveUp || state.session.expired(now)) {
      const search = handshakingAt(state.door, now, state.rekey);
      this.#state = search;
      search.lastAt = now;
      search.asked = search.places.take();
      this.#initiate(search.retry, search.asked, now);
      return;
    }
    if (silent) this.#speakAtDoor(state, now);
    state.rekey ??= {sent: 0, nextAt: now, attempt: undefined};
    this.#initiate(state.rekey, [state.door], now);
  }

  /** A firewall may let nothing but the door through: the present session goes on there. */
  #speakAtDoor(state: Linked, now: MonoMs): void {
    if (state.session.address === state.door) return;
    state.session.address = state.door;
    this.#doorOnlyUntil = addMono(now, DOOR_ONLY_MS);
  }

  #sendDiscover(): void {
    const {address, group} = this.#options;
    const datagram = discoverFrame(DISCOVER_BYTES, this.#trust.fingerprint);
    if (address !== undefined) this.#outgoing.push({to: address, datagram});
    if (group !== undefined) this.#outgoing.push({to: group, datagram});
  }

  #initiate(retry: Retry, places: readonly Address[], now: MonoMs): void {
    retry.nextAt = addMono(now, this.#delay(retry.sent));
    retry.sent += 1;
    if (retry.sent > TRIES_BEFORE_DISCOVER || places.length === 0) this.#sendDiscover();
    const attempt = this.#attempts.next(retry.attempt, now);
    retry.attempt = attempt;
    retry.shown = false;
    if (attempt === undefined) return;
    const datagram = this.#cookies.stamped(attempt, now);
    for (const to of places) this.#outgoing.push({to, datagram});
  }

  #onBeacon(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    if (datagram.length > DISCOVER_BYTES) return drop('tooLarge');
    if (datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return drop('malformed');
    const beacon = decodeBeacon(datagram.subarray(4));
    if (beacon === undefined) return drop('malformed');
    if (datagram.length < INITIATION_BYTES) return drop('tooSmall');
    if (!this.#trust.holds(beacon.trust) && !this.#beacons.take(now)) return drop('rateLimited');
    const root = this.#trust.fingerprint;
    const learnt = this.#learn(beacon.trust, now);
    // Who has our session may be a thief of keys that the root has replaced since: that is over (#learn).
    if (learnt === undefined) return drop('badTrust');
    if (this.#state.kind === 'linked') this.#onBeaconWhileLinked(this.#state, now);
    else this.#knockAt(asAddress(`${from.slice(0, from.lastIndexOf(':'))}:${beacon.port}`), now);
    // One step along the rotations of the root: perhaps there is another.
    if (root !== undefined && root !== this.#trust.fingerprint) this.#sendDiscover();
    return learnt;
  }

  /** Takes a newer document; undefined = it is not one. Other keys of the master end the session. */
  #learn(signedTrust: Uint8Array, now: MonoMs): readonly Received[] | undefined {
    const before = this.#trust.document;
    if (this.#trust.holds(signedTrust)) return [];
    if (!this.#trust.learn(signedTrust)) return undefined;
    const {document, fingerprint} = this.#trust;
    assert(document !== undefined && fingerprint !== undefined, 'a document was learnt');
    const rekeyed = before !== undefined && !hasSameMaster(before, document);
    const state = this.#state;
    if (rekeyed && state.kind === 'linked') {
      const startAt = addMono(now, this.#options.prng.jitter(RETRY_MS_MIN, 0, 2));
      this.#state = handshakingAt(state.door, startAt);
    }
    const {version} = document;
    return [{kind: 'trust', signedTrust, rootFingerprint: fingerprint, version, rekeyed}];
  }

  /** Whoever sent it, the worst that it brings about is one handshake beside a session that is silent. */
  #onBeaconWhileLinked(state: Linked, now: MonoMs): void {
    if (now - state.unansweredSince < DEAF_MS || state.rekey !== undefined) return;
    state.rekey = {sent: 0, nextAt: this.#soon(now), attempt: undefined};
  }

  /** Spread out: all nodes may have come to this at the same time. */
  #soon(now: MonoMs): MonoMs {
    return addMono(now, this.#options.prng.jitter(RETRY_MS_MIN, 0, 2));
  }

  #knockAt(at: Address, now: MonoMs): void {
    if (this.#state.kind === 'discovering') this.#state = handshakingAt(undefined, now);
    const {places, retry, lastAt} = this.#state as Handshaking;
    if (!places.hint(at)) return;
    // After a long absence the whole room hears the first beacon of a new life at once.
    const soon = retry.sent > TRIES_BEFORE_DISCOVER ? this.#soon(now) : now;
    // Whoever was asked last gets the time to answer, whatever beacons say meanwhile.
    retry.nextAt = asMonoMs(Math.min(retry.nextAt, Math.max(soon, lastAt + RETRY_MS_MIN)));
    this.tick(now);
  }

  /** The master is under load: what it gave us shows that we are where we say, for 120 s. */
  #onCookie(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    const wrong = wrongLength(datagram, COOKIE_REPLY_BYTES);
    if (wrong !== undefined) return drop(wrong);
    const state = this.#state;
    const retry = retryOf(state);
    if (state.kind === 'discovering' || retry?.attempt === undefined) return drop('unknownSession');
    const fault = this.#cookies.learn(datagram, retry.attempt, now);
    if (fault !== undefined) return drop(fault);
    if (retry.shown) return drop('replayed');
    retry.shown = true;
    const asked = state.kind === 'linked' ? [state.door] : state.asked;
    // A cookie may be replayed from anywhere; what it asks for goes only where the initiation went.
    if (asked.includes(from))
      this.#outgoing.push({to: from, datagram: this.#cookies.stamped(retry.attempt, now)});
    return [];
  }

  #onResponse(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    const wrong = wrongLength(datagram, RESPONSE_BYTES);
    if (wrong !== undefined) return drop(wrong);
    const state = this.#state;
    const attempt = retryOf(state)?.attempt;
    const response = readResponse(datagram);
    if (response === undefined) return drop('malformed');
    if (attempt?.localIndex !== response.receiverIndex) return drop('unknownSession');
    if (!(hasNoMac2(datagram) && mac1Fits(this.#crypto, this.#macKey, datagram)))
      return drop('badMac');
    const session = sessionOf(this.#crypto, attempt, response, from, now);
    if (session === undefined) return drop('badHandshake');
    const previous = state.kind === 'linked' ? state.session : undefined;
    const rekeyAt = addMono(now, this.#options.prng.jitter(REKEY_AFTER_MS, 0.9, 1));
    this.#state = linkedBy(session, previous, rekeyAt);
    const {peer, handshakeHash, tokenId} = session;
    return [{kind: 'linked', peer, handshakeHash, tokenId, from}];
  }

  #onData(datagram: Uint8Array, from: Address, now: MonoMs): readonly Received[] {
    const wrong = wrongDataFrame(datagram);
    if (wrong !== undefined) return drop(wrong);
    const state = this.#state;
    if (state.kind !== 'linked') return drop('unknownSession');
    const index = receiverIndexOf(datagram);
    const {session: current, previous} = state;
    const session = current.localIndex === index ? current : previous;
    if (session?.localIndex !== index) return drop('unknownSession');
    if (session.expired(now)) return drop('expiredSession');
    const plaintext = session.open(datagram);
    if (typeof plaintext === 'string') return drop(plaintext);
    if (session === current) this.#onHeard(state, from, now);
    const message = decodeMessage(plaintext);
    if (typeof message === 'string') return drop(message);
    if (message.type !== 'welcome') return [{kind: 'message', peer: session.peer, message}];
    if (session !== current) return drop('unknownSession'); // of a Hello that was said anew
    return this.#onWelcome(session, message, now);
  }

  #onWelcome(session: Session, message: Welcome, now: MonoMs): readonly Received[] {
    const learnt = this.#learn(message.trust, now);
    if (learnt === undefined) {
      this.#contradict(session, now);
      return drop('badTrust');
    }
    this.#silenceMs = silenceMsOf(message.heartbeatMs);
    return [...learnt, {kind: 'message', peer: session.peer, message}];
  }

  /** The master holds an older trust document than we, or one of a root that we cannot follow to. */
  #contradict(session: Session, now: MonoMs): void {
    const {bytes, fingerprint} = this.#trust;
    if (bytes === undefined || fingerprint === undefined) return;
    const answer = this.seal(session.peer, {type: 'trustUpdate', trust: bytes}, now);
    if (answer !== undefined) this.#outgoing.push(answer);
    this.#sendDiscover();
  }

  #onHeard(state: Linked, from: Address, now: MonoMs): void {
    if (now >= this.#doorOnlyUntil) state.session.address = from;
    state.heard = true;
    state.unansweredSince = NEVER;
    if (state.session.worn && state.rekeyAt > now) state.rekeyAt = now;
    // Keys that were to be renewed for silence alone need not be.
    if (state.rekey !== undefined && now < state.rekeyAt) state.rekey = undefined;
  }
}
