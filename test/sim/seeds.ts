// Runs seeds and says, for one that fails, what to type to see it again.

import {execFileSync} from 'node:child_process';
import type {ExecutionContext} from 'ava';
import type {Overrides} from '../../src/sim/draw.ts';
import {type Outcome, type RunOptions, runSeed} from '../../src/sim/swarm.ts';

export function storyOf({seed, failure, events, virtualMs}: Outcome, flags = ''): string {
  const what = `invariant=${failure?.invariant} event#=${events} t=${virtualMs.toFixed(3)}ms`;
  return `SIM FAIL seed=${seed} ${what}: ${failure?.story}\nnpm run sim -- --seed ${seed}${flags}`;
}

/** Fails with the story of the first seed that breaks a promise. */
export function holdsFor(
  t: ExecutionContext,
  seed: number,
  overrides: Overrides = {},
  options: RunOptions = {},
): Outcome {
  const outcome = runSeed(seed, overrides, options);
  const flags = Object.entries(overrides).map(([name, value]) => ` --${name} ${value}`);
  if (outcome.failure) t.fail(storyOf(outcome, flags.join('')));
  return outcome;
}

export function holdsForAll(t: ExecutionContext, first: number, count: number): void {
  for (let seed = first; seed < first + count; seed++) holdsFor(t, seed);
  t.pass();
}

/** Other seeds at each commit, the same ones on every machine; without git a fixed number. */
export function freshBase(): number {
  try {
    const hash = execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(hash.slice(0, 8), 16);
  } catch {
    return 20_260_101;
  }
}
