// How a capture begins (pure): what is refused before anything is asked, its row, and which command names whom.

import {compareNames} from '../base/text.ts';
import {addWall, type CaptureId, type NodeId, type WallMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {neededOf} from '../core/needed-nodes.ts';
import type {CaptureRequest} from '../core/operator-request.ts';
import {COMMAND_TTL_MS_MAX, SWEEP_ID_BYTES} from '../wire/limits.ts';
import type {Sweep, Target} from '../wire/message.ts';
import {type CaptureRow, offsetMs} from './capture-row.ts';
import {nameOf, type StepRow, stepFault, stepsOf, unionOf} from './capture-steps.ts';
import {bytesOf, COMMAND_ROOM_BYTES} from './command-room.ts';
import type {RollCallRow} from './roll-call.ts';
import type {NodeState} from './roster.ts';
import type {SlowRow} from './shot-gaps.ts';

/** Of the last instant of a sweep its command must still be fresh, with the lead before it. */
const SWEEP_MS_MAX = COMMAND_TTL_MS_MAX - 15 * SECOND_MS;
/** At least so many nodes of a sweep fit one command, whatever else is in it. */
const SWEEP_NODES_MIN = 16;

/** Why it cannot be done; undefined = it can. @param asked nodes that are meant, also those that are down */
export function faultOf(request: CaptureRequest, asked: number): string | undefined {
  const {needs, sweepMs = 0, leadMs, toleranceMs} = request;
  const {intervalMs, burst = 1, burstMs = 0, shots} = request;
  const roomFor = sweepMs > 0 ? SWEEP_NODES_MIN * SWEEP_ID_BYTES : 0;
  const stepsFault = stepFault(request);
  if (stepsFault !== undefined) return stepsFault;
  const commands = [{...request, target: targetOf(request)}, ...(stepsOf(request) ?? [])];
  if (commands.some(command => fireBytes(command) > COMMAND_ROOM_BYTES - roomFor))
    return `labels, ids and arguments together exceed ${COMMAND_ROOM_BYTES - roomFor} bytes`;
  const needed = needs === undefined ? 0 : neededOf(needs, asked);
  if (needed === undefined) return `"${needs}" is none of all, 95% and 12`;
  if (needed > asked) return `${needed} nodes are needed, and ${asked} are meant`;
  if (shots > burst && (burst - 1) * burstMs > intervalMs)
    return `a burst of ${burst} takes ${(burst - 1) * burstMs} ms, and the next begins after ${intervalMs} ms`;
  if (toleranceMs !== undefined && leadMs === 0)
    return 'a tolerance is of the instant: it cannot be held on hearing';
  if (sweepMs > 0 && leadMs === 0)
    return 'a sweep has an instant for each node: it cannot fire on hearing';
  if (sweepMs * (asked - 1) > SWEEP_MS_MAX)
    return `a sweep takes at most ${SWEEP_MS_MAX / SECOND_MS} s: ${asked} nodes, ${sweepMs} ms apart`;
  return undefined;
}

const fireBytes = ({action, args, target}: Pick<CaptureRequest, 'action' | 'args' | 'target'>) =>
  bytesOf([action, ...args], target);

/** Of all of it. */
export function targetOf(request: Pick<CaptureRequest, 'steps' | 'target'>): Target {
  const steps = stepsOf(request);
  return steps ? unionOf(steps.map(({target}) => target)) : request.target;
}

type Given = {
  readonly id: CaptureId;
  readonly nodes: readonly NodeId[];
  readonly createdAt: WallMs;
  readonly salt: number;
  /** With the places of their nodes. */
  readonly steps: readonly StepRow[] | undefined;
};

/** The row before its instants are known. */
export const rowOf = (request: CaptureRequest, {steps, ...given}: Given): CaptureRow => ({
  ...given,
  action: steps ? nameOf(steps) : request.action,
  args: request.args,
  target: targetOf(request),
  ...(steps ? {steps} : {}),
  shots: request.shots,
  leadMs: request.leadMs ?? 0,
  intervalMs: request.intervalMs,
  at: [],
  calling: true,
  ...(request.preview ? {preview: true as const} : {}),
  ...((request.burst ?? 1) > 1 ? {burst: request.burst ?? 1, burstMs: request.burstMs ?? 0} : {}),
  ...(request.needs === undefined ? {} : {needs: request.needs}),
  ...(request.sweepMs ? {sweepMs: request.sweepMs} : {}),
  ...(request.toleranceMs ? {toleranceMs: request.toleranceMs} : {}),
  ...(request.leadMs === undefined ? {leadIsOurs: true as const} : {}),
  ...(request.dryRun ? {dryRun: true as const} : {}),
});

/** By the first label, then by the name, numbers by their value: the order of a sweep. */
export function inOrder(nodes: readonly NodeState[]): NodeState[] {
  const labelOf = ({row}: NodeState): string => row.labels[0] ?? '';
  return [...nodes].sort(
    (a, b) =>
      compareNames(labelOf(a), labelOf(b)) ||
      compareNames(a.row.name, b.row.name) ||
      (a.row.nodeId < b.row.nodeId ? -1 : 1),
  );
}

/** Of a command: until its last instant, and some seconds more for who says that it was too late. */
export const ttlMsOf = (leftMs: number): number =>
  Math.min(COMMAND_TTL_MS_MAX, leftMs + 5 * SECOND_MS);

/** @param instant now, on the cluster's clock */
export function timed(row: CaptureRow, leadMs: number, instant: WallMs): CaptureRow {
  const {calling: _, ...rest} = row;
  const at = Array.from({length: row.shots}, (_none, k) =>
    leadMs > 0 ? addWall(instant, leadMs + offsetMs(row, k + 1)) : (0 as WallMs),
  );
  return {...rest, leadMs, at};
}

/** Why the capture does not fire after its roll call; undefined = it does. */
export function refusalOf(row: CaptureRow, {asked, ready, slow}: RollCallRow): string | undefined {
  if (row.needs === undefined) return slow && tooClose(slow, asked);
  const needed = neededOf(row.needs, asked) ?? asked;
  if (ready >= needed) return undefined;
  return `${ready} of ${asked} nodes are ready, ${needed} are needed`;
}

/** Who says how many nodes are needed has said that the others may miss it. */
const tooClose = ({nodes, gapMs, keepMs}: SlowRow, asked: number): string =>
  `shots are ${gapMs} ms apart, and ${nodes} of ${asked} nodes need up to ${keepMs} ms for one: ` +
  `leave them ${keepMs} ms, or fire all the same with --require 0%`;

/** The parts of a sweep that fit a command each; undefined alone = all at once. */
export function sweepsOf(row: CaptureRow): readonly (Sweep | undefined)[] {
  const {sweepMs: stepMs, nodes} = row;
  if (stepMs === undefined) return [undefined];
  const room = COMMAND_ROOM_BYTES - fireBytes(row);
  const count = Math.max(SWEEP_NODES_MIN, Math.floor(room / SWEEP_ID_BYTES));
  const parts: Sweep[] = [];
  for (let from = 0; from < nodes.length; from += count) {
    const part = nodes.slice(from, from + count);
    parts.push({stepMs, from, nodes: part.map(id => id.slice(0, 2 * SWEEP_ID_BYTES))});
  }
  return parts;
}
