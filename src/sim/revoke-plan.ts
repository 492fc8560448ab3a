// Which nodes the operator of a seed revokes, and when. Dice of its own: what the seed draws beside it stays.

import {Prng} from '../base/prng.ts';
import {between} from './dice.ts';
import type {RevokePlan} from './plan.ts';
import type {Profile} from './sim-runner.ts';

const SALT = 0x5e7;
const SECOND_MS = 1_000;
export const isGood = (profile: Profile): boolean => profile === 'honest' || profile === 'slow';

/**
 * None in half of the seeds; of the good nodes no more than can be spared.
 *
 * @param spare good nodes that may be missing: a quorum and a majority over the bad ones must be left
 */
export function drawRevokes(
  seed: number,
  profiles: readonly Profile[],
  spare: number,
  safetyMs: number,
): RevokePlan[] {
  const prng = new Prng(seed + SALT);
  if (prng.chance(0.5)) return [];
  const isGone = new Set<number>();
  const revokes: RevokePlan[] = [];
  for (let left = between(prng, 1, 3); left > 0; left--) {
    const no = prng.below(profiles.length) + 1;
    const profile = profiles[no - 1];
    if (profile === undefined || isGone.has(no)) continue;
    const goodGone = [...isGone].filter(each => isGood(profiles[each - 1] ?? 'honest')).length;
    if (isGood(profile) && goodGone >= spare) continue;
    isGone.add(no);
    revokes.push({at: 2 * SECOND_MS + prng.fraction() * safetyMs, nodeNo: no});
  }
  return revokes;
}
