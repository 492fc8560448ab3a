// The flags that make the policy of a batch.

import {type Compare, type CompareRequest, NUMBER_FORMATS} from '../core/compare.ts';
import {
  HOMOGENEITIES,
  POLICY_RANGES,
  type Policy,
  type PolicyNumber,
  type PolicyRequest,
  REDUNDANCIES,
} from '../core/policy.ts';
import {defined, type Given, type OptionSpec, usage} from './command.ts';

export const POLICY_OPTIONS: readonly OptionSpec[] = [
  {flag: '--quorum <count>', text: 'equal results of different nodes that count (default 2)'},
  {flag: '--redundancy <how>', text: 'always (default), adaptive (trusted nodes alone), none'},
  {flag: '--trust-after <count>', text: 'adaptive: right so often, then trusted (default 10)'},
  {flag: '--check-every <count>', text: 'adaptive: of so many, one is checked (default 20)'},
  {
    flag: '--homogeneous <kind>',
    text: 'arch or engine (default of js apps): only machines alike; off: any, a new app is not tried',
  },
  {flag: '--target <count>', text: 'replicas handed out at first (default: the quorum)'},
  {flag: '--max-errors <count>', text: 'errors after which a workunit fails (default 3)'},
  {flag: '--max-replicas <count>', text: 'replicas after which it does (default 20)'},
  {flag: '--lease <seconds>', text: 'time for a replica before others get it (default 300)'},
  {flag: '--compare <how>', text: 'exact (bytes, default), numeric, or custom:<comparison app>'},
  {flag: '--format <format>', text: 'numeric: json (default), f32 or f64, little-endian'},
  {flag: '--rtol <number>', text: 'numeric: relative tolerance (default 1e-9, of f32 1e-5)'},
  {flag: '--atol <number>', text: 'numeric: absolute tolerance (default 1e-12, of f32 1e-8)'},
  {flag: '--first-wins', text: 'the first result that is not empty ends the batch'},
  {flag: '--all', text: 'a broadcast: every node computes the one input (default 0..1) once'},
  {flag: '--priority <number>', text: '-100 … 100, higher goes first (default 0)'},
  {flag: '--time-limit <seconds>', text: "for one workunit (default and most: the app's)"},
  {flag: '--memory-limit <mib>', text: "for one workunit (default and most: the app's)"},
  {flag: '--output-limit <bytes>', text: "for one workunit (default and most: the app's)"},
];

/** A flag that stands for a number of the policy. */
export function numberIn(given: Given, flag: string, name: PolicyNumber): number | undefined {
  const {least, most, whole} = POLICY_RANGES[name];
  return whole ? given.whole(flag, least, most) : given.number(flag, least, most);
}

/** The master checks again; here only what keeps a typing error from leaving uploads behind. */
export function policyIn(given: Given): PolicyRequest {
  return defined({
    compare: compareIn(given),
    firstWins: given.flag('first-wins') ? true : undefined,
    broadcast: given.flag('all') ? true : undefined,
    redundancy: given.oneOf('redundancy', REDUNDANCIES),
    trustAfter: numberIn(given, 'trust-after', 'trustAfter'),
    checkEvery: numberIn(given, 'check-every', 'checkEvery'),
    homogeneous: given.oneOf('homogeneous', HOMOGENEITIES),
    minQuorum: numberIn(given, 'quorum', 'minQuorum'),
    targetReplicas: numberIn(given, 'target', 'targetReplicas'),
    maxErrorReplicas: numberIn(given, 'max-errors', 'maxErrorReplicas'),
    maxTotalReplicas: numberIn(given, 'max-replicas', 'maxTotalReplicas'),
    leaseSeconds: numberIn(given, 'lease', 'leaseSeconds'),
    priority: numberIn(given, 'priority', 'priority'),
    timeLimitSeconds: numberIn(given, 'time-limit', 'timeLimitSeconds'),
    memoryLimitMib: numberIn(given, 'memory-limit', 'memoryLimitMib'),
    outputLimitBytes: numberIn(given, 'output-limit', 'outputLimitBytes'),
  });
}

function compareIn(given: Given): CompareRequest | undefined {
  const how = given.text('compare');
  const [kind, app = ''] = how?.split(':', 2) ?? [];
  const format = given.oneOf('format', NUMBER_FORMATS);
  const numbers = defined({
    format,
    rtol: given.number('rtol', 0, 1),
    atol: given.number('atol', 0, Number.MAX_VALUE),
  });
  if (kind !== 'numeric' && Object.keys(numbers).length > 0)
    throw usage('--format, --rtol and --atol need --compare numeric');
  if (how === undefined) return undefined;
  if (kind === 'custom' && app !== '') return {kind: 'custom', app};
  if (how === 'numeric') return {kind: 'numeric', ...numbers};
  if (how === 'exact') return {kind: 'exact'};
  throw usage(`--compare is exact, numeric or custom:<comparison app>, not ${how}`);
}

/** The policy of a copy: what the flags change, and a target that was the quorum stays the quorum. */
export function policyOfCopy(source: Policy, changes: PolicyRequest): PolicyRequest {
  const {compare, ...amounts} = source;
  const how = compare ? {compare: requestOf(compare)} : {};
  const policy = {...amounts, ...how, ...changes};
  const follows =
    source.targetReplicas === source.minQuorum && changes.targetReplicas === undefined;
  return follows ? {...policy, targetReplicas: changes.minQuorum ?? source.minQuorum} : policy;
}

/** A comparison app is asked for by its name: of one that was published anew since the new version compares. */
const requestOf = (compare: Compare): CompareRequest =>
  compare.kind === 'custom' ? {kind: 'custom', app: compare.app} : compare;
