// The trust document: what the root says of the other keys. A node knows the root by its fingerprint
// (from the join token) and believes nothing about a cluster that the root has not signed.

import {equalBytes} from '../base/bytes.ts';
import {decodeSignedTrust, decodeTrust, encodeSignedTrust, encodeTrust} from './codec.ts';
import type {Crypto} from './crypto.ts';
import type {TrustDocument} from './message.ts';

export const FINGERPRINT_BYTES = 16;

/** The first 16 bytes of SHA-256 of the root's public key. */
export const fingerprintOf = (crypto: Crypto, rootKey: Uint8Array): Uint8Array =>
  crypto.sha256(rootKey).slice(0, FINGERPRINT_BYTES);

/** SignedTrust, encoded, as it travels in beacons and Welcome. */
export function signTrust(
  crypto: Crypto,
  rootSecretKey: Uint8Array,
  document: TrustDocument,
): Uint8Array {
  const bytes = encodeTrust(document);
  const signature = crypto.sign(rootSecretKey, 'trust', bytes);
  return encodeSignedTrust({document: bytes, signature});
}

/**
 * The document, when the root that it names signed it and that root is the one expected.
 *
 * @param fingerprint 16 bytes; without it any root will do (trust on first use)
 */
export function openTrust(
  crypto: Crypto,
  bytes: Uint8Array,
  fingerprint?: Uint8Array,
): TrustDocument | undefined {
  const signed = decodeSignedTrust(bytes);
  if (signed === undefined) return undefined;
  const document = decodeTrust(signed.document);
  if (document === undefined) return undefined;
  const {rootKey} = document;
  if (fingerprint !== undefined && !equalBytes(fingerprintOf(crypto, rootKey), fingerprint)) {
    return undefined;
  }
  const authentic = crypto.verify(rootKey, 'trust', signed.signature, signed.document);
  return authentic ? document : undefined;
}

/** The newest trust document that a node has seen of its root. Never goes back to an older one. */
export class TrustPin {
  readonly #crypto: Crypto;
  #fingerprint: Uint8Array | undefined;
  #bytes: Uint8Array | undefined;
  #document: TrustDocument | undefined;

  /** @param fingerprint without it the first root that is met is the one from then on (`--tofu`) */
  constructor(crypto: Crypto, fingerprint: Uint8Array | undefined) {
    this.#crypto = crypto;
    this.#fingerprint = fingerprint;
  }

  /** SignedTrust, encoded. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes;
  }

  get document(): TrustDocument | undefined {
    return this.#document;
  }

  /** Are these the bytes we hold? Then nothing needs to be verified. */
  holds(signedTrust: Uint8Array): boolean {
    return this.#bytes !== undefined && equalBytes(this.#bytes, signedTrust);
  }

  /** Takes a SignedTrust that the root signed and that is not older than ours; says whether it did. */
  learn(signedTrust: Uint8Array): boolean {
    if (this.holds(signedTrust)) return true;
    const document = openTrust(this.#crypto, signedTrust, this.#fingerprint);
    if (document === undefined) return false;
    if (this.#document !== undefined && document.version < this.#document.version) return false;
    this.#fingerprint ??= fingerprintOf(this.#crypto, document.rootKey);
    this.#bytes = signedTrust;
    this.#document = document;
    return true;
  }
}
