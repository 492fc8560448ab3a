// A capture of several actions (pure): light on, picture, light off. Each step is a shot of its own, with its own
// action, arguments, nodes and time; `shots` counts all of them, so that a row of steps can be repeated.

import type {NodeId} from '../base/types.ts';
import type {CaptureRequest, CaptureStep} from '../core/operator-request.ts';
import type {Target} from '../wire/message.ts';
import {EVERY_NODE} from './commands.ts';

export type StepRow = {
  /** After the instant of the first step. */
  readonly atMs: number;
  readonly action: string;
  readonly args: readonly string[];
  readonly target: Target;
  /** Places in the `nodes` of the capture; absent = all of them. */
  readonly places?: readonly number[];
};

type Stepped = {readonly steps?: readonly StepRow[]; readonly nodes: readonly NodeId[]};

/** Of this shot; undefined = the capture has one action. */
export const stepOf = ({steps}: Pick<Stepped, 'steps'>, shot: number): StepRow | undefined =>
  steps?.[(shot - 1) % steps.length];

/** Who is asked to fire this shot. */
export function nodesOf(row: Stepped, shot: number): readonly NodeId[] {
  const places = stepOf(row, shot)?.places;
  return places ? places.flatMap(place => row.nodes[place] ?? []) : row.nodes;
}

/** In the order of their times: later shots are commanded later. */
export const stepsOf = ({steps, target}: Pick<CaptureRequest, 'steps' | 'target'>) =>
  steps
    ?.map((step): StepRow => ({...step, target: step.target ?? target}))
    .sort((a, b) => a.atMs - b.atMs);

/** @param idsOf who of the nodes is in a target */
export const placed = (
  steps: readonly StepRow[] | undefined,
  nodes: readonly NodeId[],
  idsOf: (target: Target) => ReadonlySet<NodeId>,
): StepRow[] | undefined =>
  steps?.map(step => {
    const ids = idsOf(step.target);
    const places = nodes.flatMap((nodeId, place) => (ids.has(nodeId) ? [place] : []));
    return places.length === nodes.length ? step : {...step, places};
  });

/** Everybody who is in one of them. */
export function unionOf(targets: readonly Target[]): Target {
  if (targets.some(({labels, nodes}) => labels.length + nodes.length === 0)) return EVERY_NODE;
  return {
    labels: [...new Set(targets.flatMap(({labels}) => labels))],
    nodes: [...new Set(targets.flatMap(({nodes}) => nodes))],
  };
}

/** What the roll is called for: each action once for each of its targets. */
export function callsOf(row: {
  readonly steps?: readonly StepRow[];
  readonly action: string;
  readonly target: Target;
}): readonly {readonly action: string; readonly target: Target}[] {
  if (!row.steps) return [{action: row.action, target: row.target}];
  const calls = new Map(
    row.steps.map(({action, target}) => [JSON.stringify([action, target]), {action, target}]),
  );
  return [...calls.values()];
}

/** As a capture of several is called. */
export const nameOf = (steps: readonly Pick<CaptureStep, 'action'>[]): string =>
  [...new Set(steps.map(({action}) => action))].join('+');

/** Why it cannot be done; undefined = it can. */
export function stepFault(request: CaptureRequest): string | undefined {
  const {steps, action, shots, intervalMs} = request;
  if (!steps) return action === '' ? 'an action is missing, or steps' : undefined;
  const last = steps.reduce((most, {atMs}) => Math.max(most, atMs), 0);
  if (action !== '' || request.args.length > 0)
    return 'give either an action with its arguments, or steps that have theirs';
  if (request.sweepMs || (request.burst ?? 1) > 1 || request.preview)
    return 'steps have times of their own: no sweep, no burst and no preview of them';
  if (shots % steps.length !== 0)
    return `${shots} shots are no whole number of rows of ${steps.length} steps`;
  if (shots > steps.length && last > intervalMs)
    return `the steps take ${last} ms, and the next row begins after ${intervalMs} ms`;
  return undefined;
}
