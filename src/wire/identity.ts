// Who a node is: its Ed25519 identity key, and the short name made of it, which is also its fingerprint.

import {toHex} from '../base/bytes.ts';
import {asNodeId, type NodeId} from '../base/types.ts';
import type {Crypto} from './crypto.ts';

const NODE_ID_BYTES = 16;

/** The first 16 bytes of SHA-256 of the identity key, in hex. */
export const nodeIdOf = (crypto: Pick<Crypto, 'sha256'>, identityKey: Uint8Array): NodeId =>
  asNodeId(toHex(crypto.sha256(identityKey).subarray(0, NODE_ID_BYTES)));

/** 32 hex characters in 8 groups, as people compare them. */
export const fingerprintText = (hex: string): string => (hex.match(/.{1,4}/g) ?? []).join(' ');

/** 32 hex characters of what people type: case, blanks, hyphens and colons do not matter. */
export function parseFingerprint(text: string): string | undefined {
  const hex = text.toLowerCase().replace(/[\s:-]/g, '');
  return /^[0-9a-f]{32}$/.test(hex) ? hex : undefined;
}
