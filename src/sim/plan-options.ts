// What `volley sim plan` models: a cluster and one batch, in an operator's numbers. Pure values.

import type {Redundancy} from '../core/policy.ts';

/** So many times as fast as a usual board, and the share of the nodes that are so, 0 … 1. */
export type Generation = {readonly speed: number; readonly share: number};

export type PlanOptions = {
  readonly seed: number;
  readonly nodes: number;
  readonly slots: number;
  readonly workunits: number;
  /** Run time of one workunit on a usual board: evenly spread between these. */
  readonly runMsMin: number;
  readonly runMsMax: number;
  /** Shares that make 1. */
  readonly speeds: readonly Generation[];
  /** Share of the nodes that return wrong bytes always. */
  readonly wrong: number;
  /** Probability of a wrong result of a node that is good otherwise. */
  readonly lying: number;
  /** Probability that a run ends in an error. */
  readonly errors: number;
  /** Share of the nodes that die in an hour. */
  readonly dyingPerHour: number;
  /** How long a dead one is away. Half come back, the others are replaced by new boards. */
  readonly downMs: number;
  /** Default: that of a batch without a word about it. */
  readonly quorum?: number;
  readonly redundancy: Redundancy;
};

export const USUAL_PLAN: Omit<PlanOptions, 'nodes' | 'workunits'> = {
  seed: 1,
  slots: 4,
  runMsMin: 24_000,
  runMsMax: 36_000,
  speeds: [{speed: 1, share: 1}],
  wrong: 0,
  lying: 0,
  errors: 0,
  dyingPerHour: 0,
  downMs: 600_000,
  redundancy: 'always',
};

/** Run time of one workunit on a usual board, in the middle. */
export const usualRunMs = ({runMsMin, runMsMax}: PlanOptions): number => (runMsMin + runMsMax) / 2;

/** The slowest generation takes so long at most. */
export const slowestRunMs = ({runMsMax, speeds}: PlanOptions): number =>
  runMsMax / Math.min(...speeds.map(({speed}) => speed));
