// What a master says of a capture and signs with its command key: who was asked, by which keys those nodes
// are known to it, and what each of them had signed by then. A node's statement proves what that node says;
// only this says that the node is one of the cluster, and that nobody's statement was left out.
//
// The bytes that are signed are the JSON text as it travels, so that nothing has to be written twice alike.

import {fromUtf8} from '../base/bytes.ts';
import type {CaptureId, NodeId} from '../base/types.ts';
import {decodeJson} from './tables.ts';

export type CaptureRecord = {
  readonly format: 1;
  /** Hex. */
  readonly clusterId: string;
  readonly captureId: CaptureId;
  readonly salt: number;
  readonly action: string;
  readonly shots: number;
  /** Asked instant of each shot on the master's clock; 0 = on hearing. */
  readonly atWallMs: readonly number[];
  /** When this was said, on the master's wall clock. */
  readonly recordedAt: number;
  /** Who was asked, and who made a statement without having been. */
  readonly nodes: readonly RecordedNode[];
  /** One for each shot and node. */
  readonly statements: readonly RecordedStatement[];
};

export type RecordedNode = {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly labels: readonly string[];
  /** Ed25519, hex. */
  readonly identityKey: string;
};

export type RecordedStatement = {
  readonly nodeId: NodeId;
  readonly shot: number;
  /** SHA-256 of the ShotStatement as it was signed; '' = the node had made none. */
  readonly sha256: string;
};

/** A record as a master hands it out. */
export type SignedRecord = {
  /** UTF-8 of the record's JSON. */
  readonly body: Uint8Array;
  /** Command key over "capture" ‖ cluster id ‖ body. */
  readonly signature: Uint8Array;
  /** SignedTrust: the root says that this is the command key. */
  readonly trust: Uint8Array;
};

/** The record, or undefined when the bytes are none. */
export function decodeRecord(body: Uint8Array): CaptureRecord | undefined {
  if (fromUtf8(body) === undefined) return undefined;
  const row = decodeJson(body) as Partial<CaptureRecord> | null | undefined;
  const isRecord =
    typeof row === 'object' &&
    row?.format === 1 &&
    typeof row.clusterId === 'string' &&
    typeof row.captureId === 'number' &&
    Array.isArray(row.nodes) &&
    row.nodes.every(node => isText(node?.nodeId) && isText(node?.identityKey)) &&
    (row.atWallMs === undefined || Array.isArray(row.atWallMs)) &&
    Array.isArray(row.statements) &&
    row.statements.every(said => isText(said?.nodeId) && isText(said?.sha256));
  return isRecord ? (row as CaptureRecord) : undefined;
}

const isText = (value: unknown): boolean => typeof value === 'string';
