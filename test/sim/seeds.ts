// Runs seeds and says, for one that fails, what to type to see it again.

import {execFileSync} from 'node:child_process';
import {rmSync} from 'node:fs';
import type {ExecutionContext} from 'ava';
import type {Overrides} from '../../src/sim/draw.ts';
import {type Outcome, type RunOptions, runSeed} from '../../src/sim/swarm.ts';
import {bundleSimulator} from './canaries/bundle.ts';
import {TIGHT} from './canaries/tight.ts';

export function storyOf(
  {seed, failure, events, virtualMs}: Outcome,
  flags = '',
  script = 'sim',
): string {
  const what = `invariant=${failure?.invariant} event#=${events} t=${virtualMs.toFixed(3)}ms`;
  return `SIM FAIL seed=${seed} ${what}: ${failure?.story}\nnpm run ${script} -- --seed ${seed}${flags}`;
}

const flagsOf = (overrides: Overrides): string =>
  Object.entries(overrides)
    .map(([name, value]) => ` --${name} ${value}`)
    .join('');

/** Fails with the story of the first seed that breaks a promise. */
export function holdsFor(
  t: ExecutionContext,
  seed: number,
  overrides: Overrides = {},
  options: RunOptions = {},
  run = runSeed,
): Outcome {
  const outcome = run(seed, overrides, options);
  if (outcome.failure) t.fail(storyOf(outcome, flagsOf(overrides)));
  return outcome;
}

/** Every so many seeds one is run twice: the same seed is the same run, bit for bit. */
const TWICE_EVERY = 20;

/** On a slow or busy machine fewer seeds are run than asked for, and it says so; never less than a part of them. */
const BOX_MS = 180_000;
const LEAST_PART = 0.25;
/** Of the time that is left, where somebody says when all must be over (seconds since 1970): other tests come after. */
const PART_OF_REST = 0.3;

function boxMs(): number {
  const until = Number(process.env['VOLLEY_UNTIL'] ?? Number.NaN);
  const leftMs = Number.isNaN(until) ? Number.POSITIVE_INFINITY : until * 1_000 - Date.now();
  return Math.min(BOX_MS, leftMs * PART_OF_REST);
}

/** Runs the bundled simulator, three times as fast as one that is transpiled file by file. */
export async function holdsForAll(
  t: ExecutionContext,
  first: number,
  count: number,
  limits: 'usual' | 'tight' = 'usual',
  overrides: Overrides = {},
): Promise<void> {
  const isTight = limits === 'tight';
  const file = await bundleSimulator(limits, isTight ? TIGHT : []);
  const bundled = (await import(file)) as {readonly runSeed: typeof runSeed};
  rmSync(file);
  const startedAt = performance.now();
  const endsAt = startedAt + boxMs();
  let events = 0;
  let twice = 0;
  let seed = first;
  for (; seed < first + count; seed++) {
    const isLate = performance.now() > endsAt;
    if (isLate && seed >= first + count * LEAST_PART) break;
    const outcome = bundled.runSeed(seed, overrides);
    events += outcome.events;
    const script = isTight ? 'sim:tight' : 'sim';
    if (outcome.failure) t.fail(storyOf(outcome, flagsOf(overrides), script));
    if (seed % TWICE_EVERY !== 0) continue;
    twice += 1;
    t.is(
      bundled.runSeed(seed, overrides).digest,
      outcome.digest,
      `seed ${seed} is not the same twice`,
    );
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const rate = Math.round(events / seconds);
  t.log(
    `${seed - first} of ${count} seeds from ${first} on: ${events} events in ${seconds.toFixed(1)} s, ${rate}/s`,
  );
  t.log(`${twice} seeds were run twice and were the same run`);
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
