// What follows the workunits of a batch: what was asked for, the defaults, and what of it contradicts the rest. Pure.

import type {BatchRequest} from '../core/operator-request.ts';
import type {PolicyRequest} from '../core/policy.ts';
import {
  HALO_MAX,
  type ReducePlan,
  ROUNDS_MAX,
  ROUNDS_UNTIL_STABLE,
  type StagePlan,
  type StagesRequest,
} from '../core/stages.ts';
import type {AppRow} from '../core/tables.ts';
import {OUTPUT_LIMIT_BYTES_MAX} from '../wire/limits.ts';
import type {BlobRef} from '../wire/message.ts';
import {policyOf} from './policy.ts';

/** An app that reduces its own results is told so by this argument before those of the batch. */
export const REDUCE_ARG = 'reduce';

/** The plan, undefined for a batch without stages, or why it is refused. */
export function planOf(
  batch: BatchRequest,
  app: AppRow,
  appOf: (name: string) => AppRow | undefined,
): StagePlan | string | undefined {
  const {stages, shared, policy} = batch;
  const sharedFault = shared && sharedFaultOf(shared, app);
  if (sharedFault) return sharedFault;
  if (!stages || Object.keys(stages).length === 0) return undefined;
  const fault = faultOf(stages, policy);
  if (fault !== undefined) return fault;
  const name = stages.reduce ?? (isRounds(stages) && app.reduces ? app.name : undefined);
  if (name === undefined) return withoutReduce(stages);
  if (stages.halo !== undefined) return `halo is for rounds without a reduce, and ${name} reduces`;
  const reduce = reducePlan(name, batch, app, appOf);
  if (typeof reduce === 'string') return reduce;
  const both = [app, {name: reduce.appName, runtime: reduce.runtime}];
  const box = isRounds(stages) || shared ? both.find(isContainer) : undefined;
  return box ? containerFault(box.name) : {reduce, ...roundsOf(stages)};
}

function sharedFaultOf({size}: BlobRef, app: AppRow): string | undefined {
  if (size > OUTPUT_LIMIT_BYTES_MAX)
    return `the shared input has ${size} bytes; at most ${OUTPUT_LIMIT_BYTES_MAX} are allowed`;
  return isContainer(app) ? containerFault(app.name) : undefined;
}

const isContainer = ({runtime}: Pick<AppRow, 'runtime'>): boolean => runtime === 'container';

/** Engines hand no descriptor on. */
const containerFault = (name: string): string =>
  `the app ${name} is a container, and containers cannot read a shared input`;

const roundsOf = ({
  rounds,
  untilStable,
}: StagesRequest): Pick<StagePlan, 'rounds' | 'untilStable'> =>
  untilStable ? {rounds: rounds ?? ROUNDS_UNTIL_STABLE, untilStable} : {rounds: rounds ?? 1};

function withoutReduce(stages: StagesRequest): StagePlan | string {
  const {halo, reduceArgs} = stages;
  if (reduceArgs) return 'reduceArgs are for an app that reduces';
  const plan = roundsOf(stages);
  if (plan.rounds === 1)
    return 'one round without a reduce is a batch as any: ask for more rounds, or name an app that reduces';
  return {...plan, ...(halo === undefined ? {} : {halo})};
}

const isRounds = ({rounds = 1, untilStable}: StagesRequest): boolean =>
  rounds > 1 || untilStable === true;

const isWhole = (value: number | undefined, least: number, most: number): boolean =>
  value === undefined || (Number.isInteger(value) && value >= least && value <= most);

function faultOf(
  {rounds, untilStable, halo}: StagesRequest,
  {firstWins, broadcast}: PolicyRequest,
): string | undefined {
  if (!isWhole(rounds, 1, ROUNDS_MAX)) return `rounds must be a whole number, 1 to ${ROUNDS_MAX}`;
  if (!isWhole(halo, 0, HALO_MAX)) return `halo must be a whole number, 0 to ${HALO_MAX}`;
  if (untilStable && rounds === 1)
    return 'whether a state is stable shows in the second round at the earliest: allow more rounds';
  if (firstWins) return 'with firstWins there is one result: nothing of several can follow';
  if (broadcast) return 'a broadcast has one result of each node: nothing can follow';
  return undefined;
}

function reducePlan(
  name: string,
  {policy: wanted, args, stages}: BatchRequest,
  app: AppRow,
  appOf: (name: string) => AppRow | undefined,
): ReducePlan | string {
  const found = appOf(name);
  if (!found) return `there is no app "${name}" that could reduce`;
  const isOwn = found.appId === app.appId;
  // Limits that were asked for are those of the workunits: another app has its own.
  const {timeLimitSeconds: _, memoryLimitMib: __, outputLimitBytes: ___, ...others} = wanted;
  const policy = policyOf(isOwn ? wanted : others, found, appOf);
  if (typeof policy === 'string') return `reduce by ${name}: ${policy}`;
  return {
    appName: found.name,
    appId: found.appId,
    runtime: found.runtime,
    action: found.action,
    args: stages?.reduceArgs ?? (isOwn ? [REDUCE_ARG, ...args] : []),
    policy,
  };
}
