// Which votes of a damaged store stay: each must be what a master could have written beside the rest.

import {type BatchRow, decodeVote, decodeVoteKey} from '../core/tables.ts';
import {type Vote, wantedAfterRestart} from './validator.ts';

export type VoteBasis = {
  readonly isDecided: (index: number) => boolean;
  /** How many items a report has; none or 0 = it is not there. */
  readonly itemsOf: ReadonlyMap<number, number>;
  /** Ids of revoked nodes: their votes went with the revocation, and an older disk has them again. */
  readonly revoked: ReadonlySet<string>;
};

/**
 * Votes of what is decided, of revoked nodes, or that would decide, go. The last are of workunits that are computed
 * again: the vote that kept them open is lost.
 * @param rows of table `vote`; changed
 * @returns those workunits
 */
export function keepVotes(
  batch: BatchRow,
  rows: Map<string, Uint8Array>,
  {isDecided, itemsOf, revoked}: VoteBasis,
): number[] {
  const byIndex = new Map<number, {key: string; vote: Vote}[]>();
  for (const [key, value] of sorted(rows)) {
    const {batchId, index, nodeId} = decodeVoteKey(key);
    if (batchId !== batch.id) continue;
    const vote = attempt(() => ({...decodeVote(value), nodeId}));
    const mayStay = !isDecided(index) && !revoked.has(nodeId) && index < batch.count;
    const isKnown = vote && vote.item < (itemsOf.get(vote.reportNo) ?? 0);
    if (!mayStay || !isKnown || batch.state !== 'running') rows.delete(key);
    else byIndex.set(index, [...(byIndex.get(index) ?? []), {key, vote}]);
  }
  return [...byIndex].flatMap(([index, list]) => {
    const votes = list.map(({vote}) => vote);
    const issued = Math.max(...votes.map(vote => vote.replicaNo + 1));
    if (!wouldDecide(batch, votes, issued)) return [];
    for (const {key} of list) rows.delete(key);
    return [index];
  });
}

/** Where a comparison decides, nobody can tell before it is made: so they might. */
const wouldDecide = ({policy}: BatchRow, votes: readonly Vote[], issued: number): boolean =>
  policy.compare !== undefined || wantedAfterRestart(policy, votes, issued) === undefined;

export const sorted = (rows: ReadonlyMap<string, Uint8Array>): [string, Uint8Array][] =>
  [...rows].sort(([a], [b]) => (a < b ? -1 : 1));

/** undefined = it threw. */
export function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
