// Which nodes of a seed hear a command only when its time to live is over: one that fires on hearing, or that sets
// an action. Dice of its own: what the seed draws beside it stays.

import {Prng} from '../base/prng.ts';
import {COMMAND_TTL_MS} from '../wire/limits.ts';
import {between} from './dice.ts';
import type {Plan} from './plan.ts';

export type LagPlan = {
  readonly at: number;
  readonly nodeNo: number;
  readonly forMs: number;
  /**
   * `queue`: what comes to it waits, and then comes all at once. `process`: it stands still, and reads then what waits in
   * its socket. `replay`: somebody keeps commands and copies of them from it, and says them again then.
   */
  readonly how: 'queue' | 'process' | 'replay';
};

const SALT = 0x1a9;
const LAGS_MAX = 8;
/** Of a command that fires on hearing (src/master/capture-start.ts). */
const FIRE_TTL_MS = 5_000;
const HOWS = ['queue', 'process', 'process', 'replay', 'replay'] as const;

/** None in half of the seeds. They end before the heal. */
export function withLags(plan: Plan): Plan {
  const {seed, nodes, captures, orders = [], safetyMs} = plan;
  const prng = new Prng(seed + SALT);
  if (prng.chance(0.5)) return plan;
  const fires = captures.filter(({request: {leadMs, dryRun}}) => leadMs === 0 && dryRun !== true);
  const sets = orders.filter(({kind}) => kind === 'setAction');
  const late = [
    ...fires.map(({at}) => ({at, ttlMs: FIRE_TTL_MS})),
    ...sets.map(({at}) => ({at, ttlMs: COMMAND_TTL_MS})),
  ];
  const drawn = late.flatMap(({at, ttlMs}) =>
    Array.from({length: between(prng, 1, 2)}, () => ({
      at: Math.max(0, at - prng.fraction() * 200),
      nodeNo: prng.below(nodes.length) + 1,
      forMs: ttlMs + between(prng, 300, 3_000),
      how: prng.pick(HOWS),
    })),
  );
  const lags = drawn.filter(({at, forMs}) => at + forMs < safetyMs).slice(0, LAGS_MAX);
  return lags.length > 0 ? {...plan, lags} : plan;
}
