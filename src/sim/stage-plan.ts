// One batch of a seed gets stages: a reduce, rounds, or rounds with a halo. Dice of its own: what the seed draws beside it
// stays. Outputs never repeat here, so a batch that waits for a stable state reaches its last round and has failed.

import {Prng} from '../base/prng.ts';
import type {StagesRequest} from '../core/stages.ts';
import {between} from './dice.ts';
import type {BatchPlan, Plan} from './plan.ts';
import {APP} from './sim-vault.ts';

const SALT = 0x57a6e;
const SHARE = 0.25;
/** Each round computes all of it again. */
const WORKUNITS_MAX = 40;

export function withStages(plan: Plan): Plan {
  const prng = new Prng(plan.seed + SALT);
  const no = prng.below(Math.max(1, plan.batches.length));
  const batch = plan.batches[no];
  if (!prng.chance(SHARE) || !batch || !isFit(batch)) return plan;
  const stages = drawStages(prng, batch.request.args);
  const request = {...batch.request, stages};
  return {...plan, batches: plan.batches.with(no, {...batch, request})};
}

const isFit = ({request: {policy, input}}: BatchPlan): boolean =>
  !policy.broadcast && !policy.firstWins && countIn(input) <= WORKUNITS_MAX;

const countIn = (input: BatchPlan['request']['input']): number =>
  input.kind === 'range' ? Math.ceil((input.end - input.start) / input.chunk) : input.count;

function drawStages(prng: Prng, args: readonly string[]): StagesRequest {
  const rounds = between(prng, 2, 4);
  const kind = prng.below(4);
  if (kind === 0) return {rounds, halo: prng.below(3)};
  const reduce = {reduce: APP, reduceArgs: [...args]};
  if (kind === 1) return reduce;
  return {...reduce, rounds, ...(kind === 2 ? {untilStable: true} : {})};
}

/** How many stages a batch has at most, itself the first of them. */
export function stagesOf({stages}: BatchPlan['request']): number {
  if (!stages) return 1;
  return (stages.rounds ?? 1) * (stages.reduce === undefined ? 1 : 2);
}
