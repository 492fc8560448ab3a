// What the wire needs of cryptography, as a port: pure functions of their arguments except `random`.
// io/crypto.ts gives node:crypto, sim/sim-crypto.ts an ideal one that the simulator can watch.
// Keys are raw 32-byte strings everywhere; io/ may cache its key objects by them.

export type KeyPair = {readonly publicKey: Uint8Array; readonly secretKey: Uint8Array};

/** Purposes keep a signature for one thing from being shown for another. */
export type SignPurpose =
  | 'app'
  | 'trust'
  | 'bind'
  | 'command'
  | 'results'
  | 'receipt'
  | 'ack'
  | 'shot'
  | 'capture';

export interface Crypto {
  /** Secret randomness. */
  random(length: number): Uint8Array;
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** 32-byte shared secret, or undefined for a public key of low order. */
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  x25519KeyPair(): KeyPair;
  ed25519KeyPair(): KeyPair;
  /** ChaCha20-Poly1305 (RFC 8439): ciphertext followed by a 16-byte tag. `nonce` has 12 bytes. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, or undefined when the tag does not fit. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
  ): Uint8Array | undefined;
  /** 64-byte Ed25519 signature over `"volley/v1/<purpose>\0" ‖ parts`. */
  sign(secretKey: Uint8Array, purpose: SignPurpose, ...parts: readonly Uint8Array[]): Uint8Array;
  /** false also for small-order and malformed public keys; never throws. */
  verify(
    publicKey: Uint8Array,
    purpose: SignPurpose,
    signature: Uint8Array,
    ...parts: readonly Uint8Array[]
  ): boolean;
}
