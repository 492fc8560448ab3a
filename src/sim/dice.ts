// Random lengths of time without Math.log, which differs between CPUs and versions of V8: a seed must
// replay bit for bit everywhere.

import type {Prng} from '../base/prng.ts';

/**
 * An exponential variate of mean 1 by von Neumann's comparison method (1951): only comparisons and sums.
 * Takes 4.3 uniform numbers on average.
 */
export function exponential(prng: Prng): number {
  for (let whole = 0; ; whole++) {
    const first = prng.fraction();
    let last = first;
    let runs = 1;
    for (let next = prng.fraction(); next < last; next = prng.fraction()) {
      last = next;
      runs += 1;
    }
    if (runs % 2 === 1) return whole + first;
  }
}

/** Integer least … most, both included. */
export const between = (prng: Prng, least: number, most: number): number =>
  least + prng.below(most - least + 1);
