// Rounds of a batch as the master makes them: a map for each input, the reduce of what they said, which all of the
// next round can read.

import type {RunHere} from './app-rig.ts';

export type Rounds = {readonly shared: string; readonly rounds: number};

/** Until the reduced output is the same bytes as the one before, at most `most` rounds. */
export function untilStable(
  run: RunHere,
  inputs: readonly string[],
  args: readonly string[],
  first = '',
  most = 50,
): Rounds {
  let shared = first;
  for (let rounds = 1; rounds <= most; rounds++) {
    const maps = inputs.map(input => run(input, args, shared));
    const reduced = String(run(Buffer.concat(maps), ['reduce', ...args], shared));
    if (reduced === shared) return {shared, rounds};
    shared = reduced;
  }
  return {shared, rounds: most};
}
