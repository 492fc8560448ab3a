// A batch of several stages: what follows its own workunits. Each later stage is a batch of its own, of which the
// first one keeps the count (master/stages.ts):
//
//   round 1  map ─▶ reduce ─┐ state
//   round 2  map ◀──────────┘ (the shared input of all its workunits) ─▶ reduce ─┐
//   …
//
// Without an app that reduces, the outputs of a round are the inputs of the next one: each workunit gets its own and
// those of `halo` neighbours on either side.

import type {BatchId, BlobId} from '../base/types.ts';
import type {BlobRef} from '../wire/message.ts';
import type {AppRuntime} from './app-bodies.ts';
import type {Policy} from './policy.ts';

export const STAGE_KINDS = ['map', 'reduce'] as const;
export type StageKind = (typeof STAGE_KINDS)[number];

/** Rounds of one batch; the stages of old ones are deleted as it goes on. */
export const ROUNDS_MAX = 100_000;
/** How many are tried until the state is stable, unless it is said. */
export const ROUNDS_UNTIL_STABLE = 1_000;
/** Neighbours on either side. */
export const HALO_MAX = 16;

/** What an operator asks for; the rest has defaults (master/stage-plan.ts). */
export type StagesRequest = {
  /** App that makes one output of all outputs of a round. */
  readonly reduce?: string;
  readonly reduceArgs?: readonly string[];
  /** 1 … ROUNDS_MAX. */
  readonly rounds?: number;
  /** It is over when a round ends with the state that it began with; `rounds` is the most that are tried. */
  readonly untilStable?: boolean;
  /** Without `reduce`: 0 … HALO_MAX. */
  readonly halo?: number;
};

/** The app as it was when the batch was submitted. */
export type ReducePlan = {
  readonly appName: string;
  readonly appId: BlobId;
  readonly runtime: AppRuntime;
  readonly action: string;
  readonly args: readonly string[];
  readonly policy: Policy;
};

export type StagePlan = {
  readonly reduce?: ReducePlan;
  readonly rounds: number;
  readonly untilStable?: true;
  readonly halo?: number;
};

/** The stage that runs, or ran last. */
export type StageAt = {
  /** Its batch; that of the plan itself in the beginning. */
  readonly batchId: BatchId;
  /** 1 … rounds. */
  readonly round: number;
  readonly kind: StageKind;
  /** What the round began with: the state that the one before left. Absent = nothing. */
  readonly carried?: BlobRef;
};

/** Of a batch that is a stage: whose, and which one. */
export type StageOf = {
  readonly batchId: BatchId;
  readonly round: number;
  readonly kind: StageKind;
};

/** A stage, and the batch that it is of. */
export type StageRef = {readonly batchId: BatchId; readonly stage: BatchId};

/** How outputs of a stage are put together. `whole`: one after the other; else each with its neighbours. */
export type GatherHow = 'whole' | {readonly halo: number};

/** `round 3, reduce` */
export const stageName = ({round, kind}: Pick<StageAt, 'round' | 'kind'>): string =>
  `round ${round}, ${kind}`;
