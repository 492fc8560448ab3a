// The policy of a batch: what was asked for, the defaults, and what of it contradicts the rest.

import {COMPARED_BYTES_MAX} from '../core/compare.ts';
import {type Policy, type PolicyRequest, rangeFault} from '../core/policy.ts';
import type {AppRow} from '../core/tables.ts';
import {compareOf} from './compare-policy.ts';

type Amounts = Omit<Policy, 'compare' | 'firstWins' | 'homogeneous' | 'broadcast' | keyof Adaptive>;
type Adaptive = Pick<Policy, 'redundancy' | 'trustAfter' | 'checkEvery'>;

const POLICY: Omit<Amounts, 'timeLimitSeconds' | 'memoryLimitMib' | 'outputLimitBytes'> = {
  minQuorum: 2,
  targetReplicas: 2,
  maxErrorReplicas: 3,
  maxTotalReplicas: 20,
  leaseSeconds: 300,
  priority: 0,
};

/**
 * The policy with its defaults, or what is wrong with it.
 * @param appOf finds the comparison app by its name
 */
export function policyOf(
  wanted: PolicyRequest,
  app: AppRow,
  appOf: (name: string) => AppRow | undefined = () => undefined,
): Policy | string {
  const {
    compare: wantedCompare,
    firstWins,
    redundancy,
    trustAfter: _,
    checkEvery: __,
    homogeneous: ___,
    broadcast,
    ...amounts
  } = wanted;
  const compare = compareOf(wantedCompare, appOf);
  if (typeof compare === 'string') return compare;
  const minQuorum = quorumOf(wanted);
  if (typeof minQuorum === 'string') return minQuorum;
  const adaptive = adaptiveOf(wanted);
  if (typeof adaptive === 'string') return adaptive;
  const outputBytes = app.outputLimitBytes;
  const policy: Policy = {
    ...POLICY,
    minQuorum,
    targetReplicas: minQuorum,
    timeLimitSeconds: app.timeLimitSeconds,
    memoryLimitMib: app.memoryLimitMib,
    outputLimitBytes: compare ? Math.min(outputBytes, COMPARED_BYTES_MAX) : outputBytes,
    ...amounts,
    ...(compare ? {compare} : {}),
    ...(firstWins ? {firstWins} : {}),
    ...adaptive,
    ...kindOf(wanted, app),
    ...(broadcast ? {broadcast} : {}),
  };
  const fault = rangeFault(policy);
  if (fault !== undefined) return fault;
  for (const name of ['timeLimitSeconds', 'memoryLimitMib', 'outputLimitBytes'] as const)
    if (policy[name] > app[name])
      return `${name} ${policy[name]} is above the app's own limit of ${app[name]}`;
  return contradictionIn(policy) ?? policy;
}

/**
 * What mathematical functions give, and what Date.parse takes, is V8's own choice: results of js apps are held against
 * each other only where the engine is the same, unless the batch says otherwise. In a broadcast none are.
 */
function kindOf(
  {homogeneous, compare, broadcast}: PolicyRequest,
  {runtime}: AppRow,
): Pick<Policy, 'homogeneous'> {
  if (homogeneous) return {homogeneous};
  return runtime === 'js' && !compare && !broadcast ? {homogeneous: 'engine'} : {};
}

function quorumOf(wanted: PolicyRequest): number | string {
  const {redundancy, broadcast = false} = wanted;
  const shared = broadcast ? sharedIn(wanted) : [];
  if (shared.length > 0)
    return `a broadcast has one result of each node: leave ${shared.join(' and ')} out`;
  const isAlone = broadcast || redundancy === 'none';
  const minQuorum = wanted.minQuorum ?? (isAlone ? 1 : POLICY.minQuorum);
  if (redundancy === 'none' && minQuorum > 1)
    return `redundancy none is a minQuorum of 1, not of ${minQuorum}`;
  if (redundancy === 'adaptive' && minQuorum < 2)
    return 'adaptive redundancy needs a minQuorum of 2 or more, by which it checks';
  return minQuorum;
}

function adaptiveOf(wanted: Pick<PolicyRequest, keyof Adaptive>): Adaptive | string {
  const {redundancy, trustAfter, checkEvery} = wanted;
  if (redundancy !== 'adaptive')
    return trustAfter === undefined && checkEvery === undefined
      ? {}
      : 'trustAfter and checkEvery are for adaptive redundancy';
  return {
    redundancy,
    ...(trustAfter === undefined ? {} : {trustAfter}),
    ...(checkEvery === undefined ? {} : {checkEvery}),
  };
}

/** What makes several results of a workunit, or one for all nodes, by its name. */
function sharedIn(wanted: PolicyRequest): (keyof PolicyRequest)[] {
  const asks: readonly (readonly [keyof PolicyRequest, boolean])[] = [
    ['minQuorum', (wanted.minQuorum ?? 1) > 1],
    ['targetReplicas', (wanted.targetReplicas ?? 1) > 1],
    ['compare', (wanted.compare?.kind ?? 'exact') !== 'exact'],
    ['redundancy', wanted.redundancy === 'adaptive'],
    ['firstWins', wanted.firstWins === true],
    ['homogeneous', (wanted.homogeneous ?? 'off') !== 'off'],
  ];
  return asks.flatMap(([name, isAsked]) => (isAsked ? [name] : []));
}

function contradictionIn(policy: Policy): string | undefined {
  if (policy.compare && policy.outputLimitBytes > COMPARED_BYTES_MAX)
    return `outputs that are compared have at most ${COMPARED_BYTES_MAX} bytes`;
  if (policy.targetReplicas < policy.minQuorum) return 'targetReplicas is below minQuorum';
  if (policy.maxTotalReplicas < policy.targetReplicas)
    return 'maxTotalReplicas is below targetReplicas';
  return undefined;
}
