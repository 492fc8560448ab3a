// A capture in memory, its rows in the store, and what faces see of it.

import {fromHex, hex32, toHex} from '../base/bytes.ts';
import {
  addMono,
  asBlobId,
  asNodeId,
  type BlobId,
  type CaptureId,
  type MonoMs,
  NEVER,
  type NodeId,
  type WallMs,
} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import {missingIn} from '../core/capture-tally.ts';
import {captureKey} from '../core/tables.ts';
import type {CaptureView, RollCallView, ShotRow as ShotView} from '../core/views.ts';
import {decodeShot} from '../wire/codec.ts';
import type {ShotStatement, Target} from '../wire/message.ts';
import {nodesOf, type StepRow, stepOf} from './capture-steps.ts';
import type {RollCallRow} from './roll-call.ts';
import type {Roster} from './roster.ts';

export type CaptureRow = {
  readonly id: CaptureId;
  readonly action: string;
  readonly args: readonly string[];
  readonly target: Target;
  /** Who was up and meant when it began: they fire, or are reported as silent. */
  readonly nodes: readonly NodeId[];
  readonly shots: number;
  /** Several actions, one shot each; absent = `action` fires them all. */
  readonly steps?: readonly StepRow[];
  readonly leadMs: number;
  /** Between shots; rows of older versions have none. */
  readonly intervalMs?: number;
  /** Shots of a burst; absent = none are. */
  readonly burst?: number;
  readonly burstMs?: number;
  /** Asked instant of each shot on the master's clock; 0 = on hearing. */
  readonly at: readonly WallMs[];
  readonly createdAt: number;
  /** 32 random bits: a node's word about a lost capture of the same number is not about this one. */
  readonly salt: number;
  /** An operator deleted it. */
  readonly deleting?: true;
  /** Small pictures instead. */
  readonly preview?: true;
  /** Who is ready is being asked: there are no instants yet. */
  readonly calling?: true;
  readonly rollCall?: RollCallRow;
  /** Why nothing was fired. */
  readonly refused?: string;
  /** core/needed-nodes.ts */
  readonly needs?: string;
  /** One node after the other, in the order of `nodes`. */
  readonly sweepMs?: number;
  /** Of the clocks of nodes; absent = what every shot needs. */
  readonly toleranceMs?: number;
  /** The lead was chosen by what delivery took. */
  readonly leadIsOurs?: true;
  /** Nothing is fired, and nothing of it is kept. */
  readonly dryRun?: true;
  /** An operator ended it: shots from number `from` on were not commanded, those before may have been fired. */
  readonly cancelled?: {readonly from: number; readonly by: string};
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
  row: CaptureRow;
  readonly shots: Map<string, Shot>;
  /** Shot number of each command, by `epoch/seq`. */
  readonly commands: Map<string, number>;
  /** Who has not spoken by then is named as missing. */
  callAt: MonoMs;
  deadlineAt: MonoMs;
  /** Nodes that are down are not waited for from then on: what they say later is kept all the same. */
  lostAt: MonoMs;
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
export const CALL_MS = 700;
/** After it: nobody who has not answered by then is waited for. */
export const PATIENCE_MS = MINUTE_MS;
/** … of those that are down: three heartbeats, and time to come back after a cable that was out. */
const LOST_MS = 10 * SECOND_MS;

/** @param lastAt the instant of the last shot; of no meaning while the roll is called */
export function captureOf(row: CaptureRow, lastAt: MonoMs): Capture {
  const [callAt, deadlineAt, lostAt] = [NEVER, NEVER, NEVER];
  const over = row.at.length === 0 && row.calling === undefined;
  const capture: Capture = {
    ...{row, shots: new Map(), commands: new Map()},
    ...{callAt, deadlineAt, lostAt, called: false, over},
  };
  if (row.at.length > 0) arrange(capture, row, lastAt);
  return capture;
}

/** Its instants are known now. */
export function arrange(capture: Capture, row: CaptureRow, lastAt: MonoMs): void {
  capture.row = row;
  expect(capture, lastAt);
  for (let shot = 1; shot <= row.shots; shot++)
    for (const nodeId of nodesOf(row, shot))
      capture.shots.set(shotKey(row.id, shot, nodeId), shotOf(nodeId, shot));
}

/** Its last instant is known, or is another one now. */
export function expect(capture: Capture, lastAt: MonoMs): void {
  capture.callAt = addMono(lastAt, CALL_MS);
  capture.lostAt = addMono(lastAt, LOST_MS);
  capture.deadlineAt = addMono(lastAt, PATIENCE_MS);
}

/** Number of the last shot that is commanded, or was. */
export const lastCommanded = ({cancelled, shots}: CaptureRow): number =>
  cancelled ? cancelled.from - 1 : shots;

/** From the first instant of a shot to its last: a sweep takes its time. */
export const sweepLengthMs = ({sweepMs = 0, nodes}: CaptureRow): number =>
  sweepMs * Math.max(0, nodes.length - 1);

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

/** From the first shot to this one, ms. */
export function offsetMs(row: CaptureRow, shot: number): number {
  const {intervalMs = 0, burst = 1, burstMs = 0, steps} = row;
  const before = shot - 1;
  if (steps) return Math.floor(before / steps.length) * intervalMs + (stepOf(row, shot)?.atMs ?? 0);
  return Math.floor(before / burst) * intervalMs + (before % burst) * burstMs;
}

/** When a shot is to be fired, on the cluster's clock; for one on hearing, when it is to be commanded. */
export function plannedAt(row: CaptureRow, shot: number): WallMs {
  const asked = row.at[shot - 1] ?? 0;
  return (asked > 0 ? asked : row.createdAt + offsetMs(row, shot)) as WallMs;
}

/** When the node is to fire; 0 = on hearing. @param places of the nodes in a sweep */
function askedOf(row: CaptureRow, {shot, nodeId}: Shot, places: Places): number {
  const at = row.at[shot - 1] ?? 0;
  return at === 0 ? 0 : at + (places.get(nodeId) ?? 0) * (row.sweepMs ?? 0);
}

type Places = ReadonlyMap<NodeId, number>;

const placesOf = ({sweepMs, nodes}: CaptureRow): Places =>
  new Map(sweepMs === undefined ? [] : nodes.map((nodeId, place) => [nodeId, place]));

/** Whether any node has made a statement about this shot. */
export function isSpokenOf(capture: Capture, shotNo: number): boolean {
  for (const {shot, statement} of capture.shots.values())
    if (shot === shotNo && statement !== undefined) return true;
  return false;
}

/** Every node has said what it did and its files are here, or nobody is waited for any more. */
export function isOver(capture: Capture, roster: Roster, now: MonoMs): boolean {
  if (capture.row.at.length === 0) return capture.row.calling === undefined;
  if (now >= capture.deadlineAt) return true;
  const last = lastCommanded(capture.row);
  const areLost = now >= capture.lostAt;
  for (const {nodeId, shot, statement, collected} of capture.shots.values()) {
    if (areLost && !roster.node(nodeId)?.up) continue;
    if (!statement && shot <= last) return false;
    if (statement?.files.some(file => !collected.has(file.blobId))) return false;
  }
  return true;
}

export function viewCapture(capture: Capture, roster: Roster): CaptureView {
  const {row} = capture;
  const places = placesOf(row);
  const shots = [...capture.shots.values()];
  // How long after its own instant each fired: in a sweep all the same as if at once.
  const fired = row.at.map((): number[] => []);
  for (const {shot, nodeId, statement} of shots) {
    const firedAt = statement?.firedWallMs ?? 0;
    if (firedAt > 0)
      fired[shot - 1]?.push(firedAt - (places.get(nodeId) ?? 0) * (row.sweepMs ?? 0));
  }
  const first = fired.map(list => Math.min(...list));
  const rows = shots.map(shot => {
    const asked = askedOf(row, shot, places);
    return viewShot(capture, shot, roster, asked > 0 ? asked : (first[shot.shot - 1] ?? 0));
  });
  return {
    id: row.id,
    action: row.action,
    state: capture.over ? 'done' : 'running',
    createdAt: row.createdAt,
    shots: row.shots,
    ...kindOf(row),
    ...(row.rollCall ? {rollCall: rollCallView(row, row.rollCall, roster)} : {}),
    atWallMs: row.at,
    rows,
    spreadMs: fired.map(list => (list.length < 2 ? -1 : Math.max(...list) - Math.min(...list))),
    ...(capture.called || capture.over ? {missing: missingIn(rows)} : {}),
  };
}

/** What is special about it. */
const kindOf = (row: CaptureRow): Partial<CaptureView> => ({
  ...(row.preview ? {preview: true} : {}),
  ...(row.sweepMs ? {sweepMs: row.sweepMs} : {}),
  ...(row.calling ? {calling: true} : {}),
  ...(row.dryRun ? {dryRun: true} : {}),
  ...(row.refused === undefined ? {} : {refused: row.refused}),
  ...(row.cancelled ? {cancelled: row.cancelled.by} : {}),
  ...(row.steps ? {steps: row.steps.map(({atMs, action, args}) => ({atMs, action, args}))} : {}),
});

const rollCallView = (row: CaptureRow, call: RollCallRow, roster: Roster): RollCallView => ({
  ...call,
  unready: call.unready.map(({nodeId, why}) => ({
    ...{nodeId, why},
    name: roster.node(nodeId)?.row.name ?? '',
  })),
  leadMs: row.leadMs,
});

/** Of what was signed, which never changes: written out once, for a capture is shown again with each shot. */
const written = new WeakMap<Uint8Array, string>();

function hexOf(bytes: Uint8Array): string {
  const known = written.get(bytes);
  if (known !== undefined) return known;
  const text = toHex(bytes);
  written.set(bytes, text);
  return text;
}

/** @param dueAt its instant; of one on hearing when the first of them fired */
function viewShot(capture: Capture, shot: Shot, roster: Roster, dueAt: number): ShotView {
  const node = roster.node(shot.nodeId);
  const {statement} = shot;
  const heardAt = statement?.heardWallMs ?? shot.heardAt;
  const firedAt = statement?.firedWallMs ?? 0;
  return {
    nodeId: shot.nodeId,
    name: node?.row.name ?? '',
    label: node?.row.labels[0] ?? '',
    shot: shot.shot,
    heard: heardAt > 0,
    verdict: statement?.verdict ?? unsaidOf(capture, shot),
    reason: statement?.reason ?? '',
    heardAt,
    firedAt,
    doneAt: statement?.doneWallMs ?? 0,
    lateMs: firedAt > 0 ? firedAt - dueAt : 0,
    clockBoundMs: statement?.clockBoundMs ?? -1,
    ...(statement?.sensorPeriodMs ? {sensorPeriodMs: statement.sensorPeriodMs} : {}),
    files: (statement?.files ?? []).map(file => ({
      ...file,
      collected: shot.collected.has(file.blobId),
    })),
    statement: hexOf(shot.body),
    signature: hexOf(shot.signature),
  };
}

/** What is known of a shot without a statement. */
function unsaidOf({row, over}: Capture, {shot}: Shot): ShotView['verdict'] {
  if (shot > lastCommanded(row)) return 'cancelled';
  return over ? 'silent' : 'waiting';
}
