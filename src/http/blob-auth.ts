// How a node and the master's blob server know each other. A request carries
//
//   authorization: Volley <nodeId>:<hex of HMAC-SHA256(blob key, "<METHOD>\n<blobId>\n<query as sent>")>
//
// and an answer that holds a short part of a blob carries
//
//   volley-proof: <hex of HMAC-SHA256(blob key, "slice\n<blobId>\n<offset>\n<length>\n" ‖ bytes)>
//
// because the hash of the whole cannot check a part: without it anyone on the path could change inputs
// for all nodes alike, and a quorum would agree on the wrong result (P3). The blob key came inside the
// session (Welcome.blob_key), so nobody else can make either.

import {fromHex, toHex, toUtf8} from '../base/bytes.ts';
import type {BlobId, NodeId} from '../base/types.ts';
import {asNodeId} from '../base/types.ts';
import type {Crypto} from '../wire/crypto.ts';

export type Hmac = Crypto['hmacSha256'];

export const PROOF_HEADER = 'volley-proof';
/** Parts up to this carry a proof: a node holds one in memory. A larger input comes whole. */
export const PROVEN_BYTES_MAX = 4 * 1_024 * 1_024;

export type BlobRequestLine = {
  readonly method: 'GET' | 'PUT';
  readonly blobId: BlobId;
  /** Without the question mark; '' = none. */
  readonly query: string;
};

export const requestMac = (hmac: Hmac, key: Uint8Array, line: BlobRequestLine): Uint8Array =>
  hmac(key, toUtf8(`${line.method}\n${line.blobId}\n${line.query}`));

export const authorization = (
  hmac: Hmac,
  key: Uint8Array,
  nodeId: NodeId,
  line: BlobRequestLine,
): string => `Volley ${nodeId}:${toHex(requestMac(hmac, key, line))}`;

export type Claim = {readonly nodeId: NodeId; readonly mac: Uint8Array};

export function parseAuthorization(header: string | undefined): Claim | undefined {
  const match = /^Volley ([0-9a-f]{32}):([0-9a-f]{64})$/.exec(header ?? '');
  const mac = fromHex(match?.[2] ?? '-');
  return match?.[1] === undefined || mac === undefined
    ? undefined
    : {nodeId: asNodeId(match[1]), mac};
}

/** What the proof of a part covers before the bytes themselves. */
export const sliceHead = (blobId: BlobId, offset: number, length: number): Uint8Array =>
  toUtf8(`slice\n${blobId}\n${offset}\n${length}\n`);

export const sliceProof = (
  hmac: Hmac,
  key: Uint8Array,
  blobId: BlobId,
  offset: number,
  bytes: Uint8Array,
): Uint8Array => hmac(key, sliceHead(blobId, offset, bytes.length), bytes);
