// Who a node is: its Ed25519 identity key, and the short name made of it.

import {toHex} from '../base/bytes.ts';
import {asNodeId, type NodeId} from '../base/types.ts';
import type {Crypto} from './crypto.ts';

const NODE_ID_BYTES = 16;

/** The first 16 bytes of SHA-256 of the identity key, in hex. */
export const nodeIdOf = (crypto: Pick<Crypto, 'sha256'>, identityKey: Uint8Array): NodeId =>
  asNodeId(toHex(crypto.sha256(identityKey).subarray(0, NODE_ID_BYTES)));
