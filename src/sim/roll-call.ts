// After the faults, and whoever attacked: one command still reaches every honest node that is a member, and each
// states what became of it. A disk that failed before the heal may still stop its process in the middle of a
// call: then there is another.

import type {CaptureId} from '../base/types.ts';
import type {ShotVerdict} from '../wire/message.ts';
import {holds} from './fabric.ts';
import type {SimMaster} from './sim-master.ts';
import type {NodePlan, SimNode} from './sim-node.ts';

const CALL_MS = 20_000;
const CALLS = 3;

export type Hall = {
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly now: () => number;
  /** false = it did not happen in time */
  readonly runUntil: (until: number, done: () => boolean) => boolean;
};

export function rollCall(hall: Hall): void {
  for (let left = CALLS; ; left--) {
    const missing = call(hall);
    if (hall.runUntil(hall.now() + CALL_MS, () => missing() === '')) return;
    holds(left > 1, 'L2', () => `a command after the heal does not reach ${missing()}`);
  }
}

/** Asks for one shot of everybody; who has not stated what became of it. */
function call({master, nodes}: Hall): () => string {
  const capture = {
    action: 'camera',
    args: [],
    target: {labels: [], nodes: []},
    leadMs: 500,
    shots: 1,
    intervalMs: 100,
  };
  let captureId: CaptureId | undefined;
  master.operator({kind: 'capture', capture}, answer => {
    if (answer.ok) captureId = answer.captureId;
  });
  return () => {
    const called = captureId === undefined ? undefined : master.core?.capture(captureId);
    if (!called) return 'anybody';
    const stated = new Map(
      [...called.shots.values()].map(shot => [shot.nodeId, shot.statement?.verdict]),
    );
    return nodes
      .filter(node => !node.buried && node.plan.misdeed === undefined)
      .filter(({nodeId}) => !master.core?.context.roster.node(nodeId)?.row.revokedAt)
      .filter(({plan, nodeId}) => !obeyed(plan, stated.get(nodeId)))
      .map(({no, nodeId}) => `node ${no} (${stated.get(nodeId) ?? 'silent'})`)
      .join(', ');
  };
}

/** A lens may be dirty; an owner may not want it. */
const obeyed = ({actions}: NodePlan, verdict: ShotVerdict | undefined): boolean =>
  actions.includes('camera')
    ? verdict === 'fired' || verdict === 'failed'
    : verdict === 'forbidden';
