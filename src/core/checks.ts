// Rows of the table `check`: results that rested on a revoked node alone, and what became of each when it was
// computed again. A row is one page of one node's results; its key begins as that of the page.

import {assert} from '../base/assert.ts';
import {ByteReader, ByteWriter, fromHex} from '../base/bytes.ts';
import {asNodeId, type BatchId, type NodeId} from '../base/types.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {OutputRef} from '../wire/message.ts';
import {decodePageKey, pageKey} from './tables.ts';

/**
 * open ──▶ confirmed  the new canonical output equals the former one
 *    │ └─▶ replaced   it differs, and counts in place of it
 *    └───▶ failed     computed again it came to no result
 */
export type CheckState = 'open' | 'confirmed' | 'replaced' | 'failed';

/** `reportNo`, `item`: the former canonical result; `hash`: SHA-256 of its output. */
export type Check = {
  readonly state: CheckState;
  readonly reportNo: number;
  readonly item: number;
  readonly hash: Uint8Array;
};

/** SHA-256 of an output, wherever its bytes are. */
export function hashOfOutput(crypto: Pick<Crypto, 'sha256'>, output: OutputRef): Uint8Array {
  if (output.kind === 'inline') return crypto.sha256(output.bytes);
  const hash = fromHex(output.blobId);
  assert(hash, 'the id of a blob is not its hash');
  return hash;
}

const STATES = ['open', 'confirmed', 'replaced', 'failed'] as const; // append only

export const checkKey = (batchId: BatchId, pageNo: number, nodeId: NodeId): string =>
  `${pageKey(batchId, pageNo)}${nodeId}`;

/** Whose results they were. */
export const nodeOfCheckKey = (key: string): NodeId => asNodeId(key.slice(16));

/** Checks by offset in the page. */
export function encodeChecks(checks: ReadonlyMap<number, Check>): Uint8Array {
  const writer = new ByteWriter();
  for (const [offset, {state, reportNo, item, hash}] of checks)
    writer.varint(offset).varint(STATES.indexOf(state)).varint(reportNo).varint(item).sized(hash);
  return writer.bytes();
}

/** Throws RangeError for a row that is cut short or has an unknown state. */
export function decodeChecks(bytes: Uint8Array): Map<number, Check> {
  const reader = new ByteReader(bytes);
  const checks = new Map<number, Check>();
  while (!reader.done) {
    const offset = reader.varint();
    const state = STATES[reader.varint()];
    if (state === undefined) throw new RangeError('check has an unknown state');
    const [reportNo, item] = [reader.varint(), reader.varint()];
    checks.set(offset, {state, reportNo, item, hash: reader.sized()});
  }
  return checks;
}

// ---- doubt: canonical results that rest on a revoked node alone ---------------------------------

export const doubtKey = (nodeId: NodeId, batchId: BatchId, pageNo: number): string =>
  `${nodeId}${pageKey(batchId, pageNo)}`;

/** The page of a doubt key. */
export const decodeDoubtKey = (key: string): ReturnType<typeof decodePageKey> =>
  decodePageKey(key.slice(32));

/** Offsets in the page, rising. */
export function encodeDoubt(offsets: readonly number[]): Uint8Array {
  const writer = new ByteWriter();
  for (const offset of offsets) writer.varint(offset);
  return writer.bytes();
}

/** Throws RangeError for a row that is cut short. */
export function decodeDoubt(bytes: Uint8Array): number[] {
  const reader = new ByteReader(bytes);
  const offsets: number[] = [];
  while (!reader.done) offsets.push(reader.varint());
  return offsets;
}
