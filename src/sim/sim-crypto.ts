// Ideal cryptography for the simulator: nothing is hidden, and nothing can be forged by the code under
// test, because every tag, signature and shared secret is a keyed hash whose key only its owner holds.
// Twenty times faster than the real thing. What it adds: no key ever seals two texts under one nonce.
//
// The hash is four lanes of 32-bit multiply and rotate (as MurmurHash3 does it): good mixing, no secrecy.

import {assert} from '../base/assert.ts';
import {equalBytes, uint32At} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import type {Crypto, KeyPair, SignPurpose} from '../wire/crypto.ts';
import {getOr} from './get-or.ts';

const TAG_BYTES = 16;
const PURPOSES: Readonly<Record<SignPurpose, number>> = {
  app: 1,
  trust: 2,
  bind: 3,
  command: 4,
  results: 5,
  receipt: 6,
  ack: 7,
  shot: 8,
  capture: 9,
};

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

function finish(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A running hash: words and bytes in, eight words out. */
class Hash {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  begin(domain: number): this {
    this.#a = 0x6a09e667 ^ domain;
    this.#b = 0xbb67ae85;
    this.#c = 0x3c6ef372;
    this.#d = 0xa54ff53a;
    return this;
  }

  word(word: number): void {
    const a = Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
    const mixed = (Math.imul(rotate(this.#a ^ a, 13), 5) + 0xe6546b64 + this.#b) | 0;
    this.#a = this.#b;
    this.#b = this.#c ^ rotate(mixed, 7);
    this.#c = this.#d;
    this.#d = mixed;
  }

  bytes(bytes: Uint8Array): this {
    const {length} = bytes;
    let i = 0;
    for (; i + 4 <= length; i += 4)
      this.word(
        (bytes[i] as number) |
          ((bytes[i + 1] as number) << 8) |
          ((bytes[i + 2] as number) << 16) |
          ((bytes[i + 3] as number) << 24),
      );
    let rest = 0x80;
    for (; i < length; i++) rest = (rest << 8) | (bytes[i] as number);
    this.word(rest);
    this.word(length);
    return this;
  }

  /** `count` words of output, little end first. */
  take(count: number): Uint8Array {
    for (let i = 0; i < 4; i++) this.word(i);
    const out = new Uint8Array(count * 4);
    const seeds = [this.#a, this.#b, this.#c, this.#d];
    for (let i = 0; i < count; i++) {
      const seed = (seeds[i % 4] ?? 0) + Math.imul(i >> 2, 0x9e3779b1);
      const word = finish(seed ^ rotate(seeds[(i + 1) % 4] ?? 0, 11));
      out[4 * i] = word;
      out[4 * i + 1] = word >>> 8;
      out[4 * i + 2] = word >>> 16;
      out[4 * i + 3] = word >>> 24;
    }
    return out;
  }
}

const hash = new Hash();
const DOMAIN = {sha: 1, mac: 2, x: 3, shared: 4, ed: 5, sign: 6, seal: 7} as const;

/** One run of bytes, so that the cut into parts does not matter, as with the real functions. */
let scratch = new Uint8Array(4_096);
function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > scratch.length) scratch = new Uint8Array(2 * length);
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  return scratch.subarray(0, at);
}

/** Seals of one key: the highest nonce, and the tags of commands, which are sealed again to be repeated. */
type Sealed = {highest: number; readonly tags: Map<number, number>};

export class SimCrypto implements Crypto {
  readonly #prng: Prng;
  /** Secret keys by 53 bits of their public keys. */
  readonly #signers = new Map<number, KeyPair>();
  readonly #publics = new WeakMap<Uint8Array, Uint8Array>();
  readonly #sealed = new WeakMap<Uint8Array, Sealed>();
  readonly #opened = new WeakMap<Uint8Array, Set<number>>();

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  random(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.#prng.uint32();
      for (let k = 0; k < 4 && i + k < length; k++) bytes[i + k] = word >>> (8 * k);
    }
    return bytes;
  }

  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    return hash.begin(DOMAIN.sha).bytes(joined(parts)).take(8);
  }

  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    return hash.begin(DOMAIN.mac).bytes(key).bytes(joined(parts)).take(8);
  }

  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    const own = this.#publicOf(secretKey);
    if (publicKey.length !== 32 || publicKey.every(byte => byte === 0)) return undefined;
    const [first, second] = isBefore(own, publicKey) ? [own, publicKey] : [publicKey, own];
    return hash.begin(DOMAIN.shared).bytes(first).bytes(second).take(8);
  }

  #publicOf(secretKey: Uint8Array): Uint8Array {
    let key = this.#publics.get(secretKey);
    if (!key) {
      key = hash.begin(DOMAIN.x).bytes(secretKey).take(8);
      this.#publics.set(secretKey, key);
    }
    return key;
  }

  x25519KeyPair(): KeyPair {
    const secretKey = this.random(32);
    return {publicKey: this.#publicOf(secretKey), secretKey};
  }

  ed25519KeyPair(): KeyPair {
    const secretKey = this.random(32);
    const publicKey = hash.begin(DOMAIN.ed).bytes(secretKey).take(8);
    const pair = {publicKey, secretKey};
    this.#signers.set(shortName(publicKey), pair);
    return pair;
  }

  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const tag = tagOf(key, nonce, aad, plaintext);
    this.#watchNonce(key, nonce, uint32At(tag, 0));
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(plaintext);
    sealed.set(tag, plaintext.length);
    return sealed;
  }

  /** A nonce that comes again must come with the same text. */
  #watchNonce(key: Uint8Array, nonce: Uint8Array, tag: number): void {
    let sealed = this.#sealed.get(key);
    if (!sealed) {
      sealed = {highest: -1, tags: new Map()};
      this.#sealed.set(key, sealed);
    }
    const seq = uint32At(nonce, 8);
    const number = counterOf(nonce) + seq;
    if (seq > 0) {
      const known = sealed.tags.get(number);
      assert(known === undefined || known === tag, `S10: nonce ${number} seals two texts`);
      sealed.tags.set(number, tag);
    } else assert(number > sealed.highest, `S10: nonce ${number} is used twice`);
    if (number > sealed.highest) sealed.highest = number;
  }

  /** A datagram of a session is taken once; commands are opened again to be told from forged repeats. */
  #watchOpened(key: Uint8Array, nonce: Uint8Array): void {
    if (uint32At(nonce, 8) > 0) return;
    const opened = getOr(this.#opened, key, () => new Set<number>());
    const number = counterOf(nonce);
    assert(!opened.has(number), `S6: datagram ${number} of a session is taken twice`);
    opened.add(number);
  }

  open(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
  ): Uint8Array | undefined {
    const length = ciphertext.length - TAG_BYTES;
    if (length < 0) return undefined;
    const plaintext = ciphertext.slice(0, length);
    const tag = tagOf(key, nonce, aad, plaintext);
    if (!equalBytes(tag, ciphertext.subarray(length))) return undefined;
    this.#watchOpened(key, nonce);
    return plaintext;
  }

  sign(secretKey: Uint8Array, purpose: SignPurpose, ...parts: readonly Uint8Array[]): Uint8Array {
    return hash
      .begin(DOMAIN.sign + 16 * PURPOSES[purpose])
      .bytes(secretKey)
      .bytes(joined(parts))
      .take(16);
  }

  verify(
    publicKey: Uint8Array,
    purpose: SignPurpose,
    signature: Uint8Array,
    ...parts: readonly Uint8Array[]
  ): boolean {
    if (publicKey.length !== 32) return false;
    const pair = this.#signers.get(shortName(publicKey));
    if (!pair || !equalBytes(pair.publicKey, publicKey)) return false;
    return equalBytes(this.sign(pair.secretKey, purpose, ...parts), signature);
  }
}

const tagOf = (
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array =>
  hash.begin(DOMAIN.seal).bytes(key).bytes(nonce).bytes(aad).bytes(plaintext).take(4);

/** 53 bits of a key, as an exact number. */
const shortName = (key: Uint8Array): number =>
  uint32At(key, 0) * 2 ** 21 + (uint32At(key, 4) >>> 11);

/** The counter of a session's nonce, little end first. */
const counterOf = (nonce: Uint8Array): number =>
  (((nonce[7] as number) << 24) |
    ((nonce[6] as number) << 16) |
    ((nonce[5] as number) << 8) |
    (nonce[4] as number)) >>>
  0;

function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return true;
}
