// Makes initiations, and keeps one for its retries: the master answers the same bytes by the same response.

import {toHex} from '../base/bytes.ts';
import {asPeerId, type MonoMs, type PeerId} from '../base/types.ts';
import {type Attempt, type JoinSecret, makeAttempt} from './attempt.ts';
import type {Crypto, KeyPair} from './crypto.ts';
import {RETRY_MS_MAX} from './limits.ts';
import {type Response, Session} from './session.ts';
import type {TrustPin} from './trust.ts';

/** An initiation older than this is made anew, well before the master forgets its half-session. */
const ATTEMPT_LIFE_MS = RETRY_MS_MAX;

type Keys = {readonly crypto: Crypto; readonly staticKey: KeyPair; readonly bootId: Uint8Array};

export class AttemptMaker {
  readonly #keys: Keys;
  readonly #trust: TrustPin;
  /** The join token, until the node is enrolled. */
  token: JoinSecret | undefined;

  constructor(keys: Keys, trust: TrustPin, token: JoinSecret | undefined) {
    this.#keys = keys;
    this.#trust = trust;
    this.token = token;
  }

  /** The old one while it is good, or a new one; undefined while the master's key is not known. */
  next(old: Attempt | undefined, now: MonoMs): Attempt | undefined {
    const usable = old !== undefined && now - old.madeAt < ATTEMPT_LIFE_MS && this.#isPresent(old);
    return usable ? old : this.#make(now);
  }

  /** Would an attempt made now have the same keys? */
  #isPresent(attempt: Attempt): boolean {
    return attempt.tokenId === (this.token?.id ?? 0) && attempt.peer === this.#masterPeer();
  }

  #masterPeer(): PeerId | undefined {
    const {document} = this.#trust;
    return document === undefined ? undefined : asPeerId(toHex(document.masterStatic));
  }

  #make(now: MonoMs): Attempt | undefined {
    const {document} = this.#trust;
    if (document === undefined) return undefined;
    const {crypto, staticKey, bootId} = this.#keys;
    const {masterStatic} = document;
    return makeAttempt(crypto, {staticKey, masterStatic, bootId, token: this.token}, now);
  }
}

/** The session that a response to this attempt makes; undefined when it does not open. */
export function sessionOf(
  crypto: Crypto,
  attempt: Attempt,
  response: Response,
  from: Session['address'],
  now: MonoMs,
): Session | undefined {
  const second = attempt.noise.readSecond(response.noise);
  if (second === undefined) return undefined;
  const {peer, tokenId, localIndex} = attempt;
  const {senderIndex: remoteIndex} = response;
  const {keys} = second;
  return new Session({
    crypto,
    peer,
    localIndex,
    remoteIndex,
    keys,
    tokenId,
    createdAt: now,
    address: from,
  });
}
