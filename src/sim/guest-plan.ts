// When the owners of a seed's nodes hold their machines back, and how. Dice of its own: what the seed draws beside
// it stays.

import {Prng} from '../base/prng.ts';
import {between} from './dice.ts';
import type {HoldPlan} from './plan.ts';

const SALT = 0x90e57;
const HOLDS_MAX = 12;

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
