// The trust document: what the root says of the other keys. A node knows the root by its fingerprint
// (from the join token) and believes nothing about a cluster that the root has not signed. Versions only
// grow: whoever has seen one refuses every older one, so that keys which were replaced stay so.
//
// A new root comes in by a document that it signs and the root before it signs too (the rule of TUF). A
// node that slept through several asks by Discover for the step that leads away from the root it knows.

import {equalBytes} from '../base/bytes.ts';
import {decodeSignedTrust, decodeTrust, encodeSignedTrust, encodeTrust} from './codec.ts';
import type {Crypto, KeyPair} from './crypto.ts';
import type {TrustDocument} from './message.ts';

export const FINGERPRINT_BYTES = 16;

/** The first 16 bytes of SHA-256 of the root's public key. */
export const fingerprintOf = (crypto: Crypto, rootKey: Uint8Array): Uint8Array =>
  crypto.sha256(rootKey).slice(0, FINGERPRINT_BYTES);

/**
 * SignedTrust, encoded, as it travels in beacons and Welcome.
 *
 * @param previous the root before, when this document names another root: it must sign too
 */
export function signTrust(
  crypto: Crypto,
  rootSecretKey: Uint8Array,
  document: TrustDocument,
  previous?: KeyPair,
): Uint8Array {
  const bytes = encodeTrust(document);
  const signature = crypto.sign(rootSecretKey, 'trust', bytes);
  return encodeSignedTrust({
    document: bytes,
    signature,
    ...(previous === undefined
      ? {}
      : {
          previous: {
            rootKey: previous.publicKey,
            signature: crypto.sign(previous.secretKey, 'trust', bytes),
          },
        }),
  });
}

type Opened = {
  readonly document: TrustDocument;
  /** Fingerprints of the roots that signed: the one that the document names, and the one before. */
  readonly signers: readonly Uint8Array[];
};

function openSigned(crypto: Crypto, bytes: Uint8Array): Opened | undefined {
  const signed = decodeSignedTrust(bytes);
  const document = signed && decodeTrust(signed.document);
  if (signed === undefined || document === undefined) return undefined;
  const {rootKey} = document;
  if (!crypto.verify(rootKey, 'trust', signed.signature, signed.document)) return undefined;
  const signers = [fingerprintOf(crypto, rootKey)];
  const {previous} = signed;
  if (previous === undefined) return {document, signers};
  if (!crypto.verify(previous.rootKey, 'trust', previous.signature, signed.document)) {
    return undefined;
  }
  return {document, signers: [...signers, fingerprintOf(crypto, previous.rootKey)]};
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
  const opened = openSigned(crypto, bytes);
  const [root] = opened?.signers ?? [];
  if (root === undefined || (fingerprint && !equalBytes(root, fingerprint))) return undefined;
  return opened?.document;
}

/** Do both documents name the same keys of the master? */
export const hasSameMaster = (a: TrustDocument, b: TrustDocument): boolean =>
  equalBytes(a.masterStatic, b.masterStatic) && equalBytes(a.commandKey, b.commandKey);

/** The fingerprint of the root that a dual-signed document leads away from; undefined for another. */
export function previousRootOf(crypto: Crypto, bytes: Uint8Array): Uint8Array | undefined {
  return openSigned(crypto, bytes)?.signers[1];
}

/**
 * The newest trust document that a node has seen of its root. Never goes back to an older one. Another root
 * is believed when the root before signed the document too: step by step along every rotation.
 */
export class TrustPin {
  readonly #crypto: Crypto;
  #fingerprint: Uint8Array | undefined;
  #bytes: Uint8Array | undefined;
  #document: TrustDocument | undefined;

  /**
   * @param fingerprint without it the first root that is met is the one from then on (`--tofu`)
   * @param held SignedTrust that an earlier life stored
   */
  constructor(crypto: Crypto, fingerprint: Uint8Array | undefined, held?: Uint8Array) {
    this.#crypto = crypto;
    this.#fingerprint = fingerprint;
    if (held !== undefined) this.learn(held);
  }

  /** SignedTrust, encoded. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes;
  }

  get document(): TrustDocument | undefined {
    return this.#document;
  }

  /** The root that is believed now; undefined = none yet. */
  get fingerprint(): Uint8Array | undefined {
    return this.#fingerprint;
  }

  /** Are these the bytes we hold? Then nothing needs to be verified. */
  holds(signedTrust: Uint8Array): boolean {
    return this.#bytes !== undefined && equalBytes(this.#bytes, signedTrust);
  }

  /** Takes a SignedTrust of our root, or of one that ours passed on to, if it is newer; says whether we hold it. */
  learn(signedTrust: Uint8Array): boolean {
    if (this.holds(signedTrust)) return true;
    const opened = openSigned(this.#crypto, signedTrust);
    if (opened === undefined || !this.#isNews(opened)) return false;
    const {document, signers} = opened;
    const [root] = signers;
    if (this.#fingerprint === undefined || (root && !equalBytes(root, this.#fingerprint))) {
      this.#fingerprint = root;
    }
    this.#bytes = signedTrust;
    this.#document = document;
    return true;
  }

  /** Two documents of one version are a root that was used twice: the first that is seen stays. */
  #isNews({document, signers}: Opened): boolean {
    const [pinned, held] = [this.#fingerprint, this.#document];
    if (pinned !== undefined && !signers.some(signer => equalBytes(signer, pinned))) return false;
    if (held === undefined) return true;
    return document.version > held.version && equalBytes(document.clusterId, held.clusterId);
  }
}
