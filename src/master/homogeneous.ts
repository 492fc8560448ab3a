// Homogeneous redundancy: which results of a workunit may be held against each other. Pure.
//
// After BOINC (sched/hr.cpp), with two things mended: there all ARM boards are one class, and a workunit whose class
// has gone waits for ever. Here the kind of a machine is its processor, or its processor and its engine.
//
//   pin     the first replica pins a workunit to the kind of its machine; later ones go to machines of that kind only.
//           When nothing of it is out and no result is there, it is free again
//   judge   results of each kind are judged by themselves, so a canonical group is of one kind. Of others nothing is
//           said: no credit, no blame
//   stuck   when nobody of its kind could be given it for long, it is pinned to another kind (machines.ts). What was
//           there stays as it is, acknowledged and stored, and counts when machines of that kind are back. Whoever had
//           it, and brought an error or nothing, had his turn: of a few machines of one kind a bad one may be all
//           that is left, and others of its kind must not wait for it for ever. Where there is no other kind to go to,
//           they try again
//
// Each vote of such a batch has a row that names its machine, also the one that decides: so a restart knows, and whoever
// looks at the rows can tell. An error is no result: it pins nothing, and all kinds share the count of errors.

import {assert} from '../base/assert.ts';
import type {NodeId} from '../base/types.ts';
import type {Policy} from '../core/policy.ts';
import type {NodeRow} from '../core/tables.ts';
import type {Vote} from './validator.ts';
import {isValid, type Workunit} from './workunit.ts';

type Kind = Pick<Policy, 'homogeneous'>;

export const isHomogeneous = ({homogeneous = 'off'}: Kind): boolean => homogeneous !== 'off';

/** `node-20.20.2/v8-11.3` → `v8-11.3`: what else is in it computes nothing. */
const engineOf = (engine: string): string => /v8-[^/ ]+/.exec(engine)?.[0] ?? engine;

/** The kind of a machine; undefined = all are alike. */
export function machineOf(
  {homogeneous}: Kind,
  {arch, engine}: Pick<NodeRow, 'arch' | 'engine'>,
): string | undefined {
  if (homogeneous === 'arch') return arch;
  return homogeneous === 'engine' ? `${arch} ${engineOf(engine)}` : undefined;
}

/** Whether a vote has a row also if it decides: more than its bytes counts. */
export const keepsAllVotes = (policy: Pick<Policy, 'homogeneous' | 'compare'>): boolean =>
  policy.compare !== undefined || isHomogeneous(policy);

/** Results of one kind of machine, and all errors. */
export const votesOf = (machine: string | undefined, votes: readonly Vote[]): readonly Vote[] =>
  machine === undefined ? votes : votes.filter(vote => !isValid(vote) || vote.machine === machine);

/** Those that say what the workunit wants. */
export const ownVotes = ({machine, votes}: Workunit): readonly Vote[] => votesOf(machine, votes);

/** Kinds that have results, the most first; of equals the one that was first. */
function kindsIn(votes: readonly Vote[]): string[] {
  const counts = new Map<string, number>();
  for (const vote of votes)
    if (isValid(vote) && vote.machine !== undefined)
      counts.set(vote.machine, (counts.get(vote.machine) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([machine]) => machine);
}

/** Votes of each kind that it is not pinned to. */
export const otherSides = ({machine, votes}: Workunit): (readonly Vote[])[] =>
  kindsIn(votes)
    .filter(kind => kind !== machine)
    .map(kind => votesOf(kind, votes));

/** Votes as they are judged: all together, or of each kind by themselves. */
export const sidesOf = (policy: Kind, votes: readonly Vote[]): (readonly Vote[])[] => {
  const kinds = isHomogeneous(policy) ? kindsIn(votes) : [];
  return kinds.length > 0 ? kinds.map(kind => votesOf(kind, votes)) : [votes];
};

/** Votes that were held against this canonical one. */
export const judgedWith = (
  policy: Kind,
  votes: readonly Vote[],
  canonical: Vote,
): readonly Vote[] => (isHomogeneous(policy) ? votesOf(canonical.machine, votes) : votes);

/** Its app was tried with it (probes.ts), so it may have more results than decide it. */
export const wasProbe = (votes: readonly Vote[]): boolean =>
  votes.some(({machine}) => machine !== undefined);

/** A node of this kind is given it. */
export function pinTo(workunit: Workunit, machine: string, nodeId: NodeId): void {
  workunit.machine ??= machine;
  workunit.mayRetry = false;
  workunit.given ??= new Map();
  workunit.given.set(nodeId, (workunit.given.get(nodeId) ?? 0) + 1);
}

/** After replicas or votes changed. */
export function keepPin(workunit: Workunit): void {
  if (workunit.replicas.length > 0) return; // it was pinned with the first one
  const [most] = kindsIn(workunit.votes);
  workunit.machine = most === undefined ? undefined : (workunit.machine ?? most);
}

export function checkPin(policy: Kind, {machine, replicas}: Workunit): void {
  if (!isHomogeneous(policy)) return;
  for (const replica of replicas)
    assert(replica.machine === machine, `a replica at ${replica.machine}, pinned to ${machine}`);
}

/** A kind of machine, and what it has to offer for a workunit. */
export type Side = {
  readonly machine: string;
  /** Nodes that have no result of it, and those of them that had no turn yet. */
  readonly free: number;
  readonly fresh: number;
  /** Results. */
  readonly voted: number;
};

/** Where a workunit goes that is stuck; undefined = no other kind has what a quorum takes. */
export function nextPin(
  minQuorum: number,
  pinned: string | undefined,
  sides: readonly Side[],
): string | undefined {
  const own = sides.find(({machine}) => machine === pinned);
  const others = sides.filter(
    ({machine, free, voted}) => machine !== pinned && free > 0 && free + voted >= minQuorum,
  );
  const fresh = others.filter(side => side.fresh > 0);
  const able = fresh.length > 0 ? fresh : (own?.free ?? 0) > 0 ? [] : others;
  const most = (side: Side): number => side.fresh + side.voted;
  return [...able].sort((a, b) => most(b) - most(a) || (a.machine < b.machine ? -1 : 1))[0]
    ?.machine;
}
