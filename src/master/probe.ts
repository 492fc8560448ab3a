// Is an app to be trusted on more than one processor? The first workunit of a version that was never tried is computed
// on two of them. Pure: values in, verdict out.
//
//   one result of each ──▶ they agree: the app is tried, once and for all
//                     └─▶ they do not: as many more as it takes to tell who is at fault
//   each processor agrees with itself, and not with the other ──▶ the app differs
//   no two results agree                                      ──▶ the app does not agree with itself
//   anything else: somebody is wrong, or too few nodes are there to tell ──▶ nothing is said of the app
//
// One wrong node must not blame an app, so as many of each processor as the quorum, and two at the least, have to say
// the same. Whoever lies alone is out of step with his own processor.

import type {ProbeResult} from '../core/operator-rows.ts';
import type {Policy} from '../core/policy.ts';

/** One result, or a replica that is out. */
export type Ballot = {
  readonly arch: string;
  /** Results of one group agree; undefined = it is not there yet. */
  readonly group: number | undefined;
};

/** Of each processor before an app is blamed. */
export const neededOf = ({minQuorum}: Pick<Policy, 'minQuorum'>): number => Math.max(2, minQuorum);

/**
 * Whether a batch tries its app: the operator said nothing of machines, it is not his program that compares, and results
 * are compared at all.
 */
export const triesApps = ({homogeneous, compare, broadcast}: Policy): boolean =>
  homogeneous === undefined && compare?.kind !== 'custom' && !broadcast;

type Side = {readonly arch: string; readonly count: number; readonly groups: ReadonlySet<number>};

function sidesOf(ballots: readonly Ballot[]): Side[] {
  const archs = [...new Set(ballots.map(({arch}) => arch))];
  return archs.map(arch => {
    const own = ballots.filter(ballot => ballot.arch === arch);
    const groups = own.flatMap(({group}) => (group === undefined ? [] : [group]));
    return {arch, count: own.length, groups: new Set(groups)};
  });
}

/** Results of two processors are here, and none agrees with one of the other. */
function isSplit(sides: readonly Side[]): boolean {
  const [a, b] = sides;
  if (!a || !b || a.groups.size === 0 || b.groups.size === 0) return false;
  return ![...a.groups].some(group => b.groups.has(group));
}

/** How many replicas more may go to machines of this processor. */
export function roomFor(ballots: readonly Ballot[], needed: number, arch: string): number {
  const sides = sidesOf(ballots);
  const limit = isSplit(sides) ? needed : 1;
  const own = sides.find(side => side.arch === arch);
  if (!own && sides.length >= 2) return 0;
  return Math.max(0, limit - (own?.count ?? 0));
}

/** How many replicas more it takes, of whichever processors. */
export function wantedOf(ballots: readonly Ballot[], needed: number): number {
  const archs = sidesOf(ballots).map(({arch}) => arch);
  const others = Math.max(0, 2 - archs.length);
  return archs.reduce((sum, arch) => sum + roomFor(ballots, needed, arch), others);
}

export function resultOf(ballots: readonly Ballot[], needed: number): ProbeResult | undefined {
  const sides = sidesOf(ballots);
  const here = ballots.filter(({group}) => group !== undefined);
  if (sides.length < 2 || sides.some(({groups}) => groups.size === 0)) return undefined;
  if (!isSplit(sides)) return 'alike';
  if (here.length < ballots.length || sides.some(({count}) => count < needed)) return undefined;
  if (sides.every(({groups}) => groups.size === 1)) return 'differs';
  const groups = new Set(here.map(({group}) => group));
  return groups.size === here.length ? 'itself' : undefined;
}

/** What whoever looks at a batch that is held is told; at most 256 letters. */
export function blameText(result: ProbeResult, archs: readonly string[]): string {
  const ways =
    'clone it with --homogeneous arch or --compare numeric, or with --homogeneous off as it is';
  return result === 'differs'
    ? `the app gives other results on ${archs.join(' than on ')}, and each agrees with itself: ${ways}`
    : 'the app does not agree with itself, no two results are alike: mend it (dice? clock?), or clone it with --homogeneous off or --quorum 1';
}
