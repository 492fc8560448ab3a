// Noise_IK_25519_ChaChaPoly_SHA256 and its IKpsk2, revision 34 of noiseprotocol.org, both roles:
//
//   <- s                        the initiator knows the responder's static key beforehand
//   -> e, es, s, ss             first message: hides the initiator's static key, can be replayed
//   <- e, ee, se (, psk)        second message: only now either end knows that the other is live
//
// A message that does not open gives undefined and changes nothing: reading works on a copy of the state.

import {concat, EMPTY, toUtf8} from '../base/bytes.ts';
import type {Crypto, KeyPair} from './crypto.ts';

export type NoisePattern = 'IK' | 'IKpsk2';

/** What a finished handshake leaves: 32 bytes each. `handshakeHash` is the same at both ends. */
export type TransportKeys = {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly handshakeHash: Uint8Array;
};

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const SEALED_KEY_BYTES = KEY_BYTES + TAG_BYTES;
const ONE = Uint8Array.of(1);
const TWO = Uint8Array.of(2);
const THREE = Uint8Array.of(3);

const protocolName = (pattern: NoisePattern): Uint8Array =>
  toUtf8(`Noise_${pattern}_25519_ChaChaPoly_SHA256`);

/** Chaining key, running hash and the key of the moment: the spec's SymmetricState. */
class SymmetricState {
  readonly #crypto: Crypto;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array = EMPTY;
  #counter = 0;

  constructor(crypto: Crypto, from: NoisePattern | SymmetricState) {
    this.#crypto = crypto;
    if (from instanceof SymmetricState) {
      this.#chainingKey = from.#chainingKey;
      this.#hash = from.#hash;
      this.#key = from.#key;
      this.#counter = from.#counter;
      return;
    }
    const name = protocolName(from);
    this.#hash =
      name.length <= 32 ? concat(name, new Uint8Array(32 - name.length)) : crypto.sha256(name);
    this.#chainingKey = this.#hash;
  }

  mixHash(bytes: Uint8Array): void {
    this.#hash = this.#crypto.sha256(this.#hash, bytes);
  }

  mixKey(material: Uint8Array): void {
    const once = this.#crypto.hmacSha256(this.#chainingKey, material);
    this.#chainingKey = this.#crypto.hmacSha256(once, ONE);
    this.#key = this.#crypto.hmacSha256(once, this.#chainingKey, TWO);
    this.#counter = 0;
  }

  mixKeyAndHash(material: Uint8Array): void {
    const once = this.#crypto.hmacSha256(this.#chainingKey, material);
    this.#chainingKey = this.#crypto.hmacSha256(once, ONE);
    const forHash = this.#crypto.hmacSha256(once, this.#chainingKey, TWO);
    this.#key = this.#crypto.hmacSha256(once, forHash, THREE);
    this.#counter = 0;
    this.mixHash(forHash);
  }

  /** false when the points have no secret to share. */
  mixShared(secretKey: Uint8Array, publicKey: Uint8Array): boolean {
    const shared = this.#crypto.x25519(secretKey, publicKey);
    if (shared === undefined) return false;
    this.mixKey(shared);
    return true;
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#crypto.seal(this.#key, nonceOf(this.#counter++), this.#hash, plaintext);
    this.mixHash(sealed);
    return sealed;
  }

  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const opened = this.#crypto.open(this.#key, nonceOf(this.#counter++), this.#hash, sealed);
    if (opened !== undefined) this.mixHash(sealed);
    return opened;
  }

  split(role: 'initiator' | 'responder'): TransportKeys {
    const once = this.#crypto.hmacSha256(this.#chainingKey, EMPTY);
    const first = this.#crypto.hmacSha256(once, ONE);
    const second = this.#crypto.hmacSha256(once, first, TWO);
    return role === 'initiator'
      ? {sendKey: first, receiveKey: second, handshakeHash: this.#hash}
      : {sendKey: second, receiveKey: first, handshakeHash: this.#hash};
  }
}

/** ChaChaPoly's nonce in Noise: 4 zero bytes, then the counter with its little end first. */
export function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  if (counter < 2 ** 8) {
    nonce[4] = counter;
    return nonce;
  }
  const view = new DataView(nonce.buffer);
  view.setUint32(4, counter % 2 ** 32, true);
  view.setUint32(8, Math.floor(counter / 2 ** 32), true);
  return nonce;
}

export type InitiatorOptions = {
  readonly pattern: NoisePattern;
  readonly prologue: Uint8Array;
  readonly staticKey: KeyPair;
  /** The responder's, known beforehand. */
  readonly remoteStatic: Uint8Array;
  /** 32 bytes; with IKpsk2 only. */
  readonly psk?: Uint8Array;
  /** For published vectors only: a key that is used twice is broken. */
  readonly ephemeral?: KeyPair;
};

/** The end that speaks first: writeFirst(), then readSecond() until one message opens. */
export class NoiseInitiator {
  readonly #crypto: Crypto;
  readonly #options: InitiatorOptions;
  readonly #ephemeral: KeyPair;
  readonly #state: SymmetricState;

  constructor(crypto: Crypto, options: InitiatorOptions) {
    this.#crypto = crypto;
    this.#options = options;
    this.#ephemeral = options.ephemeral ?? crypto.x25519KeyPair();
    this.#state = new SymmetricState(crypto, options.pattern);
    this.#state.mixHash(options.prologue);
    this.#state.mixHash(options.remoteStatic);
  }

  /** 32 + 48 + payload + 16 bytes; undefined when the responder's key is no key. To be called once. */
  writeFirst(payload: Uint8Array): Uint8Array | undefined {
    const {staticKey, remoteStatic, pattern} = this.#options;
    const state = this.#state;
    state.mixHash(this.#ephemeral.publicKey);
    if (pattern === 'IKpsk2') state.mixKey(this.#ephemeral.publicKey);
    if (!state.mixShared(this.#ephemeral.secretKey, remoteStatic)) return undefined;
    const sealedStatic = state.encryptAndHash(staticKey.publicKey);
    if (!state.mixShared(staticKey.secretKey, remoteStatic)) return undefined;
    return concat(this.#ephemeral.publicKey, sealedStatic, state.encryptAndHash(payload));
  }

  /** The responder's payload and the keys; undefined when this message does not fit. */
  readSecond(
    message: Uint8Array,
  ): {readonly payload: Uint8Array; readonly keys: TransportKeys} | undefined {
    if (message.length < KEY_BYTES + TAG_BYTES) return undefined;
    const state = new SymmetricState(this.#crypto, this.#state);
    const remote = message.slice(0, KEY_BYTES);
    const {staticKey, psk, pattern} = this.#options;
    state.mixHash(remote);
    if (pattern === 'IKpsk2') state.mixKey(remote);
    if (!state.mixShared(this.#ephemeral.secretKey, remote)) return undefined;
    if (!state.mixShared(staticKey.secretKey, remote)) return undefined;
    if (pattern === 'IKpsk2') state.mixKeyAndHash(psk ?? EMPTY);
    const payload = state.decryptAndHash(message.slice(KEY_BYTES));
    return payload === undefined ? undefined : {payload, keys: state.split('initiator')};
  }
}

export type ResponderOptions = {
  readonly pattern: NoisePattern;
  readonly prologue: Uint8Array;
  readonly staticKey: KeyPair;
  /** For published vectors only: a key that is used twice is broken. */
  readonly ephemeral?: KeyPair;
};

/** The end that answers: readFirst(), then, if that opened, writeSecond(). One object a message. */
export class NoiseResponder {
  readonly #crypto: Crypto;
  readonly #options: ResponderOptions;
  readonly #state: SymmetricState;
  #remoteEphemeral: Uint8Array = EMPTY;
  #remoteStatic: Uint8Array = EMPTY;

  constructor(crypto: Crypto, options: ResponderOptions) {
    this.#crypto = crypto;
    this.#options = options;
    this.#state = new SymmetricState(crypto, options.pattern);
    this.#state.mixHash(options.prologue);
    this.#state.mixHash(options.staticKey.publicKey);
  }

  /** Who speaks, and the payload; undefined when the message does not open. */
  readFirst(
    message: Uint8Array,
  ): {readonly remoteStatic: Uint8Array; readonly payload: Uint8Array} | undefined {
    if (message.length < KEY_BYTES + SEALED_KEY_BYTES + TAG_BYTES) return undefined;
    const {staticKey, pattern} = this.#options;
    const state = this.#state;
    const remote = message.slice(0, KEY_BYTES);
    state.mixHash(remote);
    if (pattern === 'IKpsk2') state.mixKey(remote);
    if (!state.mixShared(staticKey.secretKey, remote)) return undefined;
    const remoteStatic = state.decryptAndHash(
      message.slice(KEY_BYTES, KEY_BYTES + SEALED_KEY_BYTES),
    );
    if (remoteStatic === undefined) return undefined;
    if (!state.mixShared(staticKey.secretKey, remoteStatic)) return undefined;
    const payload = state.decryptAndHash(message.slice(KEY_BYTES + SEALED_KEY_BYTES));
    if (payload === undefined) return undefined;
    this.#remoteEphemeral = remote;
    this.#remoteStatic = remoteStatic;
    return {remoteStatic, payload};
  }

  /** 32 + payload + 16 bytes, and the keys. `psk`: 32 bytes, with IKpsk2 only. */
  writeSecond(
    payload: Uint8Array,
    psk: Uint8Array | undefined,
  ): {readonly message: Uint8Array; readonly keys: TransportKeys} | undefined {
    const ephemeral = this.#options.ephemeral ?? this.#crypto.x25519KeyPair();
    const state = this.#state;
    state.mixHash(ephemeral.publicKey);
    if (this.#options.pattern === 'IKpsk2') state.mixKey(ephemeral.publicKey);
    if (!state.mixShared(ephemeral.secretKey, this.#remoteEphemeral)) return undefined;
    if (!state.mixShared(ephemeral.secretKey, this.#remoteStatic)) return undefined;
    if (this.#options.pattern === 'IKpsk2') state.mixKeyAndHash(psk ?? EMPTY);
    const message = concat(ephemeral.publicKey, state.encryptAndHash(payload));
    return {message, keys: state.split('responder')};
  }
}
