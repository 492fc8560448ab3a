// When the owners of a seed's nodes hold their machines back, and how, and when they abort replicas. Dice of their own:
// what the seed draws beside them stays.

import {Prng} from '../base/prng.ts';
import {between} from './dice.ts';
import type {AbortPlan, HoldPlan} from './plan.ts';

const SALT = 0x90e57;
const ABORTS_SALT = 0xab047;
const HOLDS_MAX = 12;
/** Each is an error of a workunit: a patient policy allows 100. */
const ABORTS_MAX = 24;
/** Most batches that nothing disturbs are over so long after they came. */
const BUSY_MS = 1_500;

/** None in half of the seeds. Some rests are so long that what waits is given back. */
export function drawHolds(seed: number, nodes: number, safetyMs: number): HoldPlan[] {
  const prng = new Prng(seed + SALT);
  if (prng.chance(0.5)) return [];
  return Array.from({length: between(prng, 1, HOLDS_MAX)}, () => ({
    at: prng.fraction() * safetyMs,
    nodeNo: prng.below(nodes) + 1,
    forMs: prng.chance(0.3) ? between(prng, 30_000, 60_000) : between(prng, 5, 5_000),
    how: prng.pick(['suspend', 'drain', 'cores'] as const),
  }));
}

/**
 * None in half of the seeds. Some owners abort many at once.
 *
 * @param submits when batches come: most of a run nodes have nothing in hand
 */
export function drawAborts(seed: number, nodes: number, submits: readonly number[]): AbortPlan[] {
  const prng = new Prng(seed + ABORTS_SALT);
  if (prng.chance(0.5) || submits.length === 0) return [];
  const aborts: AbortPlan[] = [];
  for (let left = between(prng, 1, ABORTS_MAX); left > 0; ) {
    const at = prng.pick(submits) + prng.fraction() * BUSY_MS;
    const nodeNo = prng.below(nodes) + 1;
    const together = prng.chance(0.3) ? Math.min(left, 8) : 1;
    left -= together;
    for (let i = 0; i < together; i++) aborts.push({at, nodeNo, share: prng.fraction()});
  }
  return aborts;
}
