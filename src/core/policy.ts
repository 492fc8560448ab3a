// How often each workunit of a batch is computed, for how long, and when outputs agree.

import type {Compare, CompareRequest} from './compare.ts';

/** How often a workunit is computed. */
export const REDUNDANCIES = ['always', 'adaptive', 'none'] as const;
export type Redundancy = (typeof REDUNDANCIES)[number];

export const TRUST_AFTER_MAX = 1_000;
export const CHECK_EVERY_MAX = 100;
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

/** What an operator says of it; the rest has defaults (master/operator.ts). */
export type PolicyRequest = Partial<Omit<Policy, 'compare' | 'redundancy'>> & {
  readonly compare?: CompareRequest;
  /** always (default): a quorum each time; none: a quorum of one. */
  readonly redundancy?: Redundancy;
};
