// L1: how long after the heal the last workunit may take. Derived, not guessed:
//
//   a bad node, or one that died, can hold a replica of a workunit for a lease and two runs at most, and is then
//   passed over for it; a workunit has at most as many such rounds as there are nodes who are not honest, and needs
//   as many as its quorum beside them. Between two rounds a node asks again after its back-off.
//
//   stages x rounds x (lease + 2 time limits + back-off) + the computing itself + what the operator has to ask again

import {RETRY_MS_MAX} from '../wire/limits.ts';
import {isBad} from './attack-plan.ts';
import {BROADCAST_REPLICAS_MAX} from './broadcast-plan.ts';
import {hasOthers} from './machine-plan.ts';
import type {BatchPlan, Plan} from './plan.ts';
import {stagesOf} from './stage-plan.ts';

const SECOND_MS = 1_000;
/** Until everybody is back and the operator has submitted what a disk forgot. */
const START_MS = 60 * SECOND_MS;
/** A quorum of nodes at full speed: replicas beyond the quorum, results that came too late, long runs. */
const FULL_SPEED = 10;
/** One slow node may be all that is left beside another: it does everything, and some of it twice. */
const SLOWEST = 40;

/** Until batches have failed whose app nobody may run any more, error by error. */
const REFUSING_MS = 60 * SECOND_MS;

/** What was begun on machines of one kind may go to another, and to a third: each after ten minutes at the latest. */
const STUCK_MS = 2 * 600 * SECOND_MS;

/** Mean run time of all workunits, one after the other. */
const workMsOf = (batches: readonly BatchPlan[], nodes: number): number =>
  batches.reduce((sum, {request}) => {
    const {input, args, policy} = request;
    if (policy.broadcast) return sum + nodes * Number(args[0] ?? 1);
    const count =
      input.kind === 'range'
        ? (input.end - input.start) / input.chunk
        : 'count' in input
          ? input.count
          : 0;
    return sum + count * stagesOf(request) * Number(args[0] ?? 1);
  }, 0);

type Parts = Pick<Plan, 'nodes' | 'batches' | 'deadAfterHeal' | 'revokes' | 'keys'>;

export function livenessBoundMs(plan: Parts): number {
  const {nodes, batches, deadAfterHeal, revokes = [], keys} = plan;
  const policies = batches.map(({request}) => request.policy);
  const quorum = Math.max(1, ...policies.map(({minQuorum = 1}) => minQuorum));
  const holds = policies.map(({leaseSeconds = 0, timeLimitSeconds = 0}) =>
    Math.max(0, leaseSeconds + 2 * timeLimitSeconds),
  );
  const holdMs = Math.max(0, ...holds) * SECOND_MS;
  const gone = new Set(revokes.map(({nodeNo}) => nodeNo));
  const living = nodes.slice(0, nodes.length - deadAfterHeal).filter((_, i) => !gone.has(i + 1));
  const fast = living.filter(node => !isBad(node) && node.profile === 'honest').length;
  const tries = hasOthers(nodes) ? 2 : 1; // as often a lease may be lost before others have their turn
  const stages = Math.max(1, ...batches.map(({request}) => stagesOf(request)));
  const rounds = (nodes.filter(isBad).length * tries + quorum) * stages;
  const work = workMsOf(batches, nodes.length) * (fast >= quorum ? FULL_SPEED : SLOWEST);
  // A bad node holds what is its own until that has failed.
  const ownTries = policies.some(({broadcast}) => broadcast) ? BROADCAST_REPLICAS_MAX : 0;
  const own = ownTries * (holdMs + RETRY_MS_MAX);
  const refusing = keys ? REFUSING_MS : 0;
  const stuck = hasOthers(nodes) ? STUCK_MS * stages : 0;
  return START_MS + refusing + stuck + own + rounds * (holdMs + RETRY_MS_MAX) + work;
}
