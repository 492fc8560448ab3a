// Cookies, after WireGuard (whitepaper 5.3): under load the master answers an initiation by 64 bytes instead
// of a handshake, and takes it only when it comes again from the same address with what was in them. So
// whoever wants a handshake must be able to receive where it says it is, and the master keeps nothing for it:
//
//   cookie   = HMAC(secret of the last 120 s, address of the sender), 16 bytes
//   reply    = AEAD under a key of the master's static key, its associated data the initiation's mac1
//   mac2     = HMAC(cookie, all of the frame before it), 16 bytes
//
// WireGuard seals by XChaCha20, which node:crypto lacks. As there, a subkey is made of the salt, 16 bytes,
// and the rest of the 24-byte nonce goes to the cipher; the subkey is HMAC-SHA256(key, salt), and the same
// salt serves as long as the secret, so that one reply costs one HMAC and one seal.

import {concat, toUtf8, viewOf} from '../base/bytes.ts';
import {type Address, addMono, asMonoMs, type MonoMs} from '../base/types.ts';
import type {Attempt} from './attempt.ts';
import type {Crypto} from './crypto.ts';
import {COOKIE_LIFE_MS, COOKIE_REPLY_BYTES, INITIATION_BYTES} from './limits.ts';
import type {DropReason} from './link.ts';
import {nonceOf} from './noise.ts';
import {FRAME, hasNoMac2} from './session.ts';

const COOKIE_BYTES = 16;
const MAC_BYTES = 16;
const SALT_BYTES = 16;
const SALT_AT = 8;
const COUNTER_AT = SALT_AT + SALT_BYTES;
const SEALED_AT = COUNTER_AT + 8;
const MAC1_AT = INITIATION_BYTES - 2 * MAC_BYTES;
const MAC2_AT = INITIATION_BYTES - MAC_BYTES;
const LABEL = toUtf8('cookie--');

/** The key under which cookies of the owner of this static key travel. */
const cookieKeyOf = (crypto: Crypto, masterStatic: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL, masterStatic);

const mac1Of = (initiation: Uint8Array): Uint8Array => initiation.slice(MAC1_AT, MAC2_AT);

const mac2Of = (crypto: Crypto, cookie: Uint8Array, initiation: Uint8Array): Uint8Array =>
  crypto.hmacSha256(cookie, initiation.slice(0, MAC2_AT)).subarray(0, MAC_BYTES);

/** What serves for one secret: 120 s. */
type Batch = {
  readonly secret: Uint8Array;
  readonly salt: Uint8Array;
  readonly subkey: Uint8Array;
  readonly until: MonoMs;
};

/** The master's end. */
export class CookieBaker {
  readonly #crypto: Crypto;
  readonly #key: Uint8Array;
  #batch: Batch | undefined;
  #counter = 0;

  constructor(crypto: Crypto, masterStatic: Uint8Array) {
    this.#crypto = crypto;
    this.#key = cookieKeyOf(crypto, masterStatic);
  }

  /** Does this initiation show the cookie of the address that it came from? */
  accepts(initiation: Uint8Array, from: Address, now: MonoMs): boolean {
    if (hasNoMac2(initiation)) return false; // most of a flood, and it costs no hash
    const mac2 = mac2Of(this.#crypto, this.#cookieOf(from, now), initiation);
    let difference = 0; // in constant time: the cookie is a secret of the address
    for (let i = 0; i < MAC_BYTES; i++)
      difference |= (mac2[i] as number) ^ (initiation[MAC2_AT + i] as number);
    return difference === 0;
  }

  /** The frame that tells the sender of this initiation its cookie. */
  reply(initiation: Uint8Array, from: Address, now: MonoMs): Uint8Array {
    const cookie = this.#cookieOf(from, now);
    const {salt, subkey} = this.#batchAt(now);
    const counter = nonceOf(this.#counter++);
    const sealed = this.#crypto.seal(subkey, counter, mac1Of(initiation), cookie);
    const frame = new Uint8Array(COOKIE_REPLY_BYTES);
    frame[0] = FRAME.cookie;
    frame.set(initiation.subarray(4, 8), 4);
    frame.set(salt, SALT_AT);
    frame.set(counter.subarray(4), COUNTER_AT);
    frame.set(sealed, SEALED_AT);
    return frame;
  }

  #cookieOf(from: Address, now: MonoMs): Uint8Array {
    const {secret} = this.#batchAt(now);
    return this.#crypto.hmacSha256(secret, toUtf8(from)).slice(0, COOKIE_BYTES);
  }

  #batchAt(now: MonoMs): Batch {
    if (this.#batch === undefined || now >= this.#batch.until) {
      const salt = this.#crypto.random(SALT_BYTES);
      const subkey = this.#crypto.hmacSha256(this.#key, salt);
      const until = addMono(now, COOKIE_LIFE_MS);
      this.#batch = {secret: this.#crypto.random(32), salt, subkey, until};
      this.#counter = 0;
    }
    return this.#batch;
  }
}

/** The node's end: the last cookie it was given. */
export class CookieJar {
  readonly #crypto: Crypto;
  #cookie: Uint8Array | undefined;
  #until = asMonoMs(0);

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  /** Keeps the cookie in the answer to this initiation of ours; gives the fault when it is no answer to it. */
  learn(frame: Uint8Array, attempt: Attempt, now: MonoMs): DropReason | undefined {
    if (frame[1] !== 0 || frame[2] !== 0 || frame[3] !== 0) return 'malformed';
    if (viewOf(frame).getUint32(4) !== attempt.localIndex) return 'unknownSession';
    const key = cookieKeyOf(this.#crypto, attempt.masterStatic);
    const subkey = this.#crypto.hmacSha256(key, frame.slice(SALT_AT, COUNTER_AT));
    const nonce = concat(new Uint8Array(4), frame.subarray(COUNTER_AT, SEALED_AT));
    const mac1 = mac1Of(attempt.datagram);
    const cookie = this.#crypto.open(subkey, nonce, mac1, frame.slice(SEALED_AT));
    if (cookie === undefined) return 'badCookie';
    this.#cookie = cookie;
    this.#until = addMono(now, COOKIE_LIFE_MS);
    return undefined;
  }

  /** The initiation as it goes out: with mac2 while we have a cookie. */
  stamped(attempt: Attempt, now: MonoMs): Uint8Array {
    if (this.#cookie === undefined || now >= this.#until) return attempt.datagram;
    const frame = attempt.datagram.slice();
    frame.set(mac2Of(this.#crypto, this.#cookie, frame), MAC2_AT);
    return frame;
  }
}
