// One batch of a seed becomes a broadcast: each node computes a workunit of its own. Dice of its own: what the seed draws
// beside it stays. Not where a node never comes again: nobody else may compute what is its.

import {Prng} from '../base/prng.ts';
import type {InputSource} from '../core/input-source.ts';
import type {BatchPlan, Plan} from './plan.ts';

const SALT = 0xb0ad;
const SHARE = 0.2;
/** Nodes are there by then. */
const FIRST_MS = 5_000;

/** A node that never brings a result has it so often: then its workunit has failed. */
export const BROADCAST_REPLICAS_MAX = 6;

/** A greedy node may have its lease taken back, and never ask again. */
const isWhole = ({deadAfterHeal, reflashAt, nodes}: Plan): boolean =>
  deadAfterHeal === 0 && reflashAt.length === 0 && nodes.every(({misdeed}) => misdeed !== 'greedy');

export function withBroadcast(plan: Plan): Plan {
  const prng = new Prng(plan.seed + SALT);
  const no = prng.below(Math.max(1, plan.batches.length));
  const batch = plan.batches[no];
  if (!prng.chance(SHARE) || !batch || !isWhole(plan)) return plan;
  return {...plan, batches: plan.batches.with(no, broadcastOf(batch))};
}

function broadcastOf({at, request, cancelAt}: BatchPlan): BatchPlan {
  const {leaseSeconds, timeLimitSeconds, priority} = request.policy;
  const amounts = {
    minQuorum: 1,
    targetReplicas: 1,
    maxTotalReplicas: BROADCAST_REPLICAS_MAX,
    leaseSeconds,
    timeLimitSeconds,
    priority,
  };
  return {
    at: Math.max(at, FIRST_MS),
    request: {
      ...request,
      input: firstOf(request.input),
      policy: {...(amounts as BatchPlan['request']['policy']), broadcast: true},
    },
    cancelAt: cancelAt === undefined ? undefined : Math.max(cancelAt, FIRST_MS + 1),
  };
}

const firstOf = (input: InputSource): InputSource =>
  input.kind === 'range'
    ? {...input, end: Math.min(input.end, input.start + input.chunk)}
    : {...input, count: 1};
