// How often each workunit of a batch is computed, for how long, and when outputs agree.

import {
  MEMORY_LIMIT_MIB_MAX,
  OUTPUT_LIMIT_BYTES_MAX,
  TIME_LIMIT_SECONDS_MAX,
} from '../wire/limits.ts';
import type {Compare, CompareRequest} from './compare.ts';

/** How often a workunit is computed. */
export const REDUNDANCIES = ['always', 'adaptive', 'none'] as const;
export type Redundancy = (typeof REDUNDANCIES)[number];

/** What the machines must have in common whose results of a workunit are held against each other. */
export const HOMOGENEITIES = ['off', 'arch', 'engine'] as const;
export type Homogeneity = (typeof HOMOGENEITIES)[number];

export type Policy = {
  /** Equal results from distinct nodes that make a canonical one. 1 … 16. */
  readonly minQuorum: number;
  /** Replicas handed out at first. ≥ minQuorum. */
  readonly targetReplicas: number;
  readonly maxErrorReplicas: number;
  readonly maxTotalReplicas: number;
  /** A replica not renewed for this long is handed out again. */
  readonly leaseSeconds: number;
  /** Higher goes first; equal ones take turns. -100 … 100. */
  readonly priority: number;
  /** Time, memory and output of one workunit; never above the app's own. */
  readonly timeLimitSeconds: number;
  readonly memoryLimitMib: number;
  readonly outputLimitBytes: number;
  /** When outputs agree; undefined = the same bytes. */
  readonly compare?: Compare;
  /** Nodes that were right so often compute alone, and are checked at times; undefined = a quorum each time. */
  readonly redundancy?: 'adaptive';
  /** Adaptive: validated results in a row, with the app, that make a node trusted. 2 … 1,000; undefined = 10. */
  readonly trustAfter?: number;
  /** Adaptive: of so many results of a trusted node at most one is checked at least. 2 … 100; undefined = 20. */
  readonly checkEvery?: number;
  /** The processor, or the processor and the engine, of all machines that compute a workunit; undefined = any. */
  readonly homogeneous?: Homogeneity;
  /** The first canonical result that is not empty ends the batch. */
  readonly firstWins?: boolean;
  /** Each node computes one workunit of its own, all with the same input (master/broadcast.ts). */
  readonly broadcast?: boolean;
};

/** What an operator says of it; the rest has defaults (master/policy.ts). */
export type PolicyRequest = Partial<Omit<Policy, 'compare' | 'redundancy'>> & {
  readonly compare?: CompareRequest;
  /** always (default): a quorum each time; none: a quorum of one. */
  readonly redundancy?: Redundancy;
};

/** Allowed values, both ends included. */
export type PolicyRange = {readonly least: number; readonly most: number; readonly whole: boolean};
const whole = (least: number, most: number): PolicyRange => ({least, most, whole: true});

/** Of each number in a policy. What the master, the schema of its interface and the flags of the program hold to. */
export const POLICY_RANGES = {
  minQuorum: whole(1, 16),
  targetReplicas: whole(1, 32),
  maxErrorReplicas: whole(1, 100),
  maxTotalReplicas: whole(1, 200),
  leaseSeconds: whole(1, 30 * 86_400),
  priority: whole(-100, 100),
  /** An app may say 0.5. */
  timeLimitSeconds: {least: 0.001, most: TIME_LIMIT_SECONDS_MAX, whole: false},
  memoryLimitMib: whole(1, MEMORY_LIMIT_MIB_MAX),
  outputLimitBytes: whole(1, OUTPUT_LIMIT_BYTES_MAX),
  trustAfter: whole(2, 1_000),
  checkEvery: whole(2, 100),
} as const satisfies Partial<Record<keyof Policy, PolicyRange>>;
export type PolicyNumber = keyof typeof POLICY_RANGES;

/** What is wrong with the numbers of a policy; those that are not given have defaults. */
export function rangeFault(policy: {readonly [K in PolicyNumber]?: number}): string | undefined {
  for (const [name, range] of Object.entries(POLICY_RANGES)) {
    const value = policy[name as PolicyNumber];
    if (value === undefined) continue;
    const {least, most} = range;
    const isKind = !range.whole || Number.isInteger(value);
    if (!isKind || !(value >= least && value <= most))
      return `${name} must be a ${range.whole ? 'whole ' : ''}number from ${least} to ${most}, not ${value}`;
  }
  return undefined;
}
