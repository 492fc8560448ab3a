// manifest.json of a capture: what every node signed, by which keys, and which file is whose; with what the
// master signed of it all. Everything that `volley capture verify` needs, as JSON that others can read too.

import type {NodeId} from '../base/types.ts';
import {asNodeId} from '../base/types.ts';
import type {Claimed} from '../core/capture-proof.ts';
import type {CaptureRecord} from '../core/capture-record.ts';
import type {Position} from '../core/rig-plan.ts';
import type {CaptureView, ShotRow} from '../core/views.ts';
import type {RecordAnswer} from '../http/client-types.ts';
import type {CaptureRig} from './capture-rig.ts';
import {usage} from './command.ts';

export type SavedFile = {
  readonly nodeId: NodeId;
  readonly shot: number;
  /** Inside the folder. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
};

export type Derived = {readonly path: string; readonly sha256: string};

/** Bytes are base64, keys and hashes hex. */
export type Manifest = {
  readonly format: 2;
  readonly clusterId: string;
  readonly captureId: number;
  readonly howToCheck: string;
  /** For people and programs; what of it was signed is in `statements`. */
  readonly capture: Omit<CaptureView, 'rows'> & {
    readonly rows: readonly Omit<ShotRow, 'statement' | 'signature'>[];
  };
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly name: string;
    readonly labels: readonly string[];
    readonly identityKey: string;
  }[];
  readonly statements: readonly {
    readonly nodeId: string;
    readonly shot: number;
    readonly body: string;
    readonly signature: string;
  }[];
  readonly files: readonly SavedFile[];
  readonly derived: readonly Derived[];
  /** Of the operator's rig file: metres and degrees. Nobody has signed it. */
  readonly rig?: {
    readonly name: string;
    readonly positions: readonly {readonly nodeId: NodeId; readonly position: Position}[];
  };
  readonly record: RecordAnswer['record'];
};

const HOW_TO_CHECK =
  '`volley capture verify FOLDER --cluster FINGERPRINT` does. By hand: each body of `statements` is a ' +
  'ShotStatement of proto/volley.proto, its signature is Ed25519 by identityKey over "volley/v1/shot", a zero ' +
  'byte, clusterId and the body; nodeId is the first half of SHA-256 of identityKey; sha256 names each file. ' +
  '`record.body` is JSON, signed in the same way ("volley/v1/capture") by the command key that `record.trust` ' +
  'names, a SignedTrust, which the root signed ("volley/v1/trust" and the document); the fingerprint is the ' +
  'first half of SHA-256 of the root key. Nobody has signed what `derived` names, nor what `rig` says.';

export function manifestOf(
  {capture, record}: RecordAnswer,
  files: readonly SavedFile[],
  derived: readonly Derived[],
  rig?: CaptureRig,
): Manifest {
  const said = JSON.parse(Buffer.from(record.body, 'base64').toString()) as CaptureRecord;
  return {
    format: 2,
    clusterId: said.clusterId,
    captureId: capture.id,
    howToCheck: HOW_TO_CHECK,
    capture: {
      ...capture,
      rows: capture.rows.map(({statement: _statement, signature: _signature, ...row}) => row),
    },
    nodes: said.nodes,
    statements: capture.rows
      .filter(({statement}) => statement !== '')
      .map(({nodeId, shot, statement, signature}) => ({
        ...{nodeId, shot},
        body: toBase64(statement),
        signature: toBase64(signature),
      })),
    files,
    derived,
    ...(rig && {
      rig: {
        name: rig.name,
        positions: [...rig.positions].map(([nodeId, position]) => ({nodeId, position})),
      },
    }),
    record,
  };
}

const toBase64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

/** Throws VOLLEY_USAGE for what is no manifest. @param path as the user named it */
export function readManifest(text: string, path: string): Claimed {
  const refuse = (reason: string) => usage(`${path} ${reason}`);
  let row: Partial<Manifest> | null;
  try {
    row = JSON.parse(text) as Partial<Manifest> | null;
  } catch {
    throw refuse(
      'is not JSON: it was cut or changed; `volley capture fetch` brings the capture anew',
    );
  }
  if (typeof row !== 'object' || row === null || row.format === undefined)
    throw refuse('is no manifest of a capture');
  if (row.format !== 2)
    throw refuse(
      `is of format ${String(row.format)}, and this version of volley checks format 2; ` +
        '`volley capture fetch` brings the capture anew',
    );
  try {
    return claimedBy(row as Manifest);
  } catch {
    throw refuse('lacks parts that every manifest has: it was changed');
  }
}

function claimedBy(row: Manifest): Claimed {
  const {record} = row;
  return {
    clusterId: hex(row.clusterId),
    captureId: Number(row.captureId),
    nodes: row.nodes.map(({nodeId, name, identityKey}) => ({
      ...{nodeId: asNodeId(text(nodeId)), name: text(name)},
      identityKey: hex(identityKey),
    })),
    statements: row.statements.map(each => ({
      ...{nodeId: asNodeId(text(each.nodeId)), shot: Number(each.shot)},
      ...{body: base64(each.body), signature: base64(each.signature)},
    })),
    files: row.files.map(file => ({
      ...{nodeId: asNodeId(text(file.nodeId)), shot: Number(file.shot)},
      ...{path: text(file.path), sha256: text(file.sha256), size: Number(file.size)},
    })),
    derived: row.derived.map(each => ({path: text(each.path), sha256: text(each.sha256)})),
    told: row.capture.rows.map(each => ({
      ...{nodeId: asNodeId(text(each.nodeId)), shot: Number(each.shot)},
      ...{verdict: text(each.verdict), reason: text(each.reason)},
      ...{heardAt: Number(each.heardAt), firedAt: Number(each.firedAt)},
      ...{doneAt: Number(each.doneAt), clockBoundMs: Number(each.clockBoundMs)},
      ...{name: text(each.name), lateMs: Number(each.lateMs)},
    })),
    figures: {
      atWallMs: row.capture.atWallMs.map(Number),
      spreadMs: row.capture.spreadMs.map(Number),
      sweepMs: Number(row.capture.sweepMs ?? 0),
    },
    record: record && {
      ...{body: base64(record.body), signature: base64(record.signature)},
      trust: base64(record.trust),
    },
  };
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new TypeError('a text is missing');
}
const hex = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(text(value), 'hex'));
const base64 = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(text(value), 'base64'));
