// Plan → run → outcome.

import type {Crypto} from '../wire/crypto.ts';
import {type Overrides, planOf} from './draw.ts';
import {SimFailure} from './fabric.ts';
import type {Plan} from './plan.ts';
import type {EventKind} from './timeline.ts';
import {World} from './world.ts';

export type Outcome = {
  readonly seed: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly digest: string;
  readonly failure: {readonly invariant: string; readonly story: string} | undefined;
  readonly world: World;
};

export type RunOptions = {
  readonly crypto?: Crypto;
  readonly trace?: (line: string) => void;
  /** Stops before this event. */
  readonly untilEvent?: number;
};

export function runPlan(plan: Plan, options: RunOptions = {}): Outcome {
  const world = new World(plan, options.crypto);
  const {timeline} = world;
  if (options.trace) traceInto(world, options.trace);
  if (options.untilEvent !== undefined) stopAt(world, options.untilEvent);
  let failure: Outcome['failure'];
  try {
    world.run();
  } catch (error) {
    failure = failureOf(error);
  }
  const {count, now, digest} = timeline;
  return {seed: plan.seed, events: count, virtualMs: now, digest, failure, world};
}

export const runSeed = (seed: number, overrides: Overrides = {}, options: RunOptions = {}) =>
  runPlan(planOf(seed, overrides), options);

function failureOf(error: unknown): {invariant: string; story: string} {
  if (error instanceof SimFailure) return {invariant: error.invariant, story: error.message};
  if (!(error instanceof Error)) return {invariant: 'thrown', story: String(error)};
  const where = (error.stack ?? '').split('\n').slice(1, 5).join(' ').replace(/\s+/g, ' ');
  return {
    invariant: error.name === 'AssertionError' ? 'check' : error.name,
    story: `${error.message} ${where}`,
  };
}

function traceInto(world: World, trace: (line: string) => void): void {
  const {timeline, fabric} = world;
  const stamp = (): string => `${timeline.count} ${timeline.now.toFixed(3)}`;
  fabric.trace = line => trace(`${stamp()} ${line}`);
  timeline.onEvent = (kind: EventKind, detail: number) =>
    trace(`${stamp()} event ${kind} ${(detail >>> 0).toString(16)}`);
}

function stopAt(world: World, event: number): void {
  const {timeline} = world;
  const before = timeline.onEvent;
  timeline.onEvent = (kind, detail) => {
    before?.(kind, detail);
    if (timeline.count >= event)
      throw new SimFailure('stopped', `before event ${event}: ${world.hanging()}`);
  };
}
