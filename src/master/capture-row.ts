// A capture in memory, its rows in the store, and what faces see of it.

import {fromHex, hex32, toHex} from '../base/bytes.ts';
import {
  addMono,
  asBlobId,
  asNodeId,
  type BlobId,
  type CaptureId,
  type MonoMs,
  type NodeId,
  type WallMs,
} from '../base/types.ts';
import {MINUTE_MS} from '../base/units.ts';
import {missingIn} from '../core/capture-tally.ts';
import {captureKey} from '../core/tables.ts';
import type {CaptureView, ShotRow as ShotView} from '../core/views.ts';
import {decodeShot} from '../wire/codec.ts';
import type {ShotStatement, Target} from '../wire/message.ts';
import type {Roster} from './roster.ts';

export type CaptureRow = {
  readonly id: CaptureId;
  readonly action: string;
  readonly args: readonly string[];
  readonly target: Target;
  /** Who was up and meant when it began: they fire, or are reported as silent. */
  readonly nodes: readonly NodeId[];
  readonly shots: number;
  readonly leadMs: number;
  /** Between shots; rows of older versions have none. */
  readonly intervalMs?: number;
  /** Asked instant of each shot on the master's clock; 0 = on hearing. */
  readonly at: readonly WallMs[];
  readonly createdAt: number;
  /** 32 random bits: a node's word about a lost capture of the same number is not about this one. */
  readonly salt: number;
  /** An operator deleted it. */
  readonly deleting?: true;
  /** Small pictures instead. */
  readonly preview?: true;
};

/** One shot of one node. `heardAt` 0 = not acknowledged. */
export type Shot = {
  readonly nodeId: NodeId;
  readonly shot: number;
  heardAt: number;
  statement: ShotStatement | undefined;
  body: Uint8Array;
  signature: Uint8Array;
  readonly collected: Set<BlobId>;
};

export type Capture = {
  readonly row: CaptureRow;
  readonly shots: Map<string, Shot>;
  /** Shot number of each command, by `epoch/seq`. */
  readonly commands: Map<string, number>;
  /** Who has not spoken by then is named as missing. */
  readonly callAt: MonoMs;
  readonly deadlineAt: MonoMs;
  called: boolean;
  over: boolean;
};

/** Row of `shot`: the statement as signed; hex. */
export type ShotRow = {
  readonly body: string;
  readonly signature: string;
  readonly collected: readonly string[];
};

export const shotKey = (captureId: CaptureId, shot: number, nodeId: NodeId): string =>
  `${captureKey(captureId)}${hex32(shot)}${nodeId}`;

/** After the last instant: acknowledgements come within the window that the command names, statements at once. */
const CALL_MS = 700;
/** After it: nobody who has not answered by then is waited for. */
const PATIENCE_MS = MINUTE_MS;

/** @param lastAt the instant of the last shot */
export function captureOf(row: CaptureRow, lastAt: MonoMs): Capture {
  const shots = new Map<string, Shot>();
  for (let shot = 1; shot <= row.shots; shot++)
    for (const nodeId of row.nodes) shots.set(shotKey(row.id, shot, nodeId), shotOf(nodeId, shot));
  const [callAt, deadlineAt] = [addMono(lastAt, CALL_MS), addMono(lastAt, PATIENCE_MS)];
  return {row, shots, commands: new Map(), callAt, deadlineAt, called: false, over: false};
}

const shotOf = (nodeId: NodeId, shot: number): Shot => ({
  nodeId,
  shot,
  heardAt: 0,
  statement: undefined,
  body: new Uint8Array(),
  signature: new Uint8Array(),
  collected: new Set(),
});

/**
 * The shot of a node, also of one that was not up when the capture began and heard the command all the
 * same: what it fired and signed is kept like the others'. undefined = there was no such shot.
 */
export function shotFor(capture: Capture, nodeId: NodeId, shot: number): Shot | undefined {
  if (!Number.isInteger(shot) || shot < 1 || shot > capture.row.shots) return undefined;
  const key = shotKey(capture.row.id, shot, nodeId);
  const known = capture.shots.get(key);
  if (known) return known;
  const added = shotOf(nodeId, shot);
  capture.shots.set(key, added);
  return added;
}

export const toShotRow = (shot: Shot): ShotRow => ({
  body: toHex(shot.body),
  signature: toHex(shot.signature),
  collected: [...shot.collected],
});

/** Gives a shot of a capture what its row says; false for a row that is damaged. */
export function restoreShot(capture: Capture, key: string, row: ShotRow): boolean {
  const shot = shotFor(capture, asNodeId(key.slice(16)), Number.parseInt(key.slice(8, 16), 16));
  const body = fromHex(row.body);
  const signature = fromHex(row.signature);
  const statement = body && decodeShot(body);
  if (!shot || !body || !signature || !statement) return false;
  shot.statement = statement;
  shot.body = body;
  shot.signature = signature;
  for (const blobId of row.collected) shot.collected.add(asBlobId(blobId));
  return true;
}

/** When a shot is to be fired, on the cluster's clock; for one on hearing, when it is to be commanded. */
export function plannedAt(row: CaptureRow, shot: number): WallMs {
  const asked = row.at[shot - 1] ?? 0;
  return (asked > 0 ? asked : row.createdAt + (shot - 1) * (row.intervalMs ?? 0)) as WallMs;
}

/** Whether any node has made a statement about this shot. */
export function isSpokenOf(capture: Capture, shotNo: number): boolean {
  for (const {shot, statement} of capture.shots.values())
    if (shot === shotNo && statement !== undefined) return true;
  return false;
}

/** Every node has said what it did and its files are here, or nobody is waited for any more. */
export function isOver(capture: Capture, now: MonoMs): boolean {
  if (now >= capture.deadlineAt) return true;
  for (const {statement, collected} of capture.shots.values())
    if (!statement || statement.files.some(file => !collected.has(file.blobId))) return false;
  return true;
}

export function viewCapture(capture: Capture, roster: Roster): CaptureView {
  const {row} = capture;
  const shots = [...capture.shots.values()];
  const fired = Array.from({length: row.shots}, (_, k) =>
    shots.filter(shot => shot.shot === k + 1 && (shot.statement?.firedWallMs ?? 0) > 0),
  ).map(list => list.map(shot => shot.statement?.firedWallMs ?? 0));
  const rows = shots.map(shot =>
    viewShot(capture, shot, roster, Math.min(...(fired[shot.shot - 1] ?? []))),
  );
  return {
    id: row.id,
    action: row.action,
    state: capture.over ? 'done' : 'running',
    createdAt: row.createdAt,
    shots: row.shots,
    ...(row.preview ? {preview: true} : {}),
    atWallMs: row.at,
    rows,
    spreadMs: fired.map(list => (list.length < 2 ? -1 : Math.max(...list) - Math.min(...list))),
    ...(capture.called || capture.over ? {missing: missingIn(rows)} : {}),
  };
}

function viewShot(capture: Capture, shot: Shot, roster: Roster, firstAt: number): ShotView {
  const node = roster.node(shot.nodeId);
  const {statement} = shot;
  const heardAt = statement?.heardWallMs ?? shot.heardAt;
  const firedAt = statement?.firedWallMs ?? 0;
  const asked = capture.row.at[shot.shot - 1] ?? 0;
  return {
    nodeId: shot.nodeId,
    name: node?.row.name ?? '',
    label: node?.row.labels[0] ?? '',
    shot: shot.shot,
    heard: heardAt > 0,
    verdict: statement?.verdict ?? (capture.over ? 'silent' : 'waiting'),
    reason: statement?.reason ?? '',
    heardAt,
    firedAt,
    doneAt: statement?.doneWallMs ?? 0,
    lateMs: firedAt > 0 ? firedAt - (asked > 0 ? asked : firstAt) : 0,
    clockBoundMs: statement?.clockBoundMs ?? -1,
    ...(statement?.sensorPeriodMs ? {sensorPeriodMs: statement.sensorPeriodMs} : {}),
    files: (statement?.files ?? []).map(file => ({
      ...file,
      collected: shot.collected.has(file.blobId),
    })),
    statement: toHex(shot.body),
    signature: toHex(shot.signature),
  };
}
