// Which votes of a damaged store stay: each must be what a master could have written beside the rest.

import type {BatchId, NodeId} from '../base/types.ts';
import {type BatchRow, batchKey, decodeVote, decodeVoteKey} from '../core/tables.ts';
import type {ResultItem} from '../wire/message.ts';
import {sidesOf} from './homogeneous.ts';
import {type Vote, wantedAfterRestart} from './validator.ts';

export type VoteBasis = {
  readonly isDecided: (index: number) => boolean;
  /** How many items a report has; none or 0 = it is not there. */
  readonly itemsOf: ReadonlyMap<number, number>;
  /** Ids of revoked nodes: their votes went with the revocation, and an older disk has them again. */
  readonly revoked: ReadonlySet<string>;
  /** Ids of quarantined nodes: a master never keeps votes of them. One of the two rows is an older one. */
  readonly quarantined: ReadonlySet<string>;
};

/**
 * Votes of what is decided, of revoked or quarantined nodes, or that would decide, go. Where it is the last, the vote
 * that kept the workunit open is lost; where it is a quarantined node's, it may have been released since.
 * @param rows of table `vote`; changed
 * @returns the workunits of these two, which are computed again
 */
export function keepVotes(
  batch: BatchRow,
  rows: Map<string, Uint8Array>,
  {isDecided, itemsOf, revoked, quarantined}: VoteBasis,
): number[] {
  const aside: number[] = [];
  const byIndex = new Map<number, {key: string; vote: Vote}[]>();
  for (const [key, value] of sorted(rows)) {
    const {batchId, index, nodeId} = decodeVoteKey(key);
    if (batchId !== batch.id) continue;
    const vote = attempt(() => ({...decodeVote(value), nodeId}));
    const mayStay = !isDecided(index) && !revoked.has(nodeId) && index < batch.count;
    const isKnown = vote && vote.item < (itemsOf.get(vote.reportNo) ?? 0);
    const isAside = mayStay && quarantined.has(nodeId);
    if (isAside && batch.state === 'running') aside.push(index);
    if (!mayStay || isAside || !isKnown || batch.state !== 'running') rows.delete(key);
    else byIndex.set(index, [...(byIndex.get(index) ?? []), {key, vote}]);
  }
  const tooMany = [...byIndex].flatMap(([index, list]) => {
    const votes = list.map(({vote}) => vote);
    const issued = Math.max(...votes.map(vote => vote.replicaNo + 1));
    if (!wouldDecide(batch, votes, issued)) return [];
    for (const {key} of list) rows.delete(key);
    return [index];
  });
  return [...aside, ...tooMany];
}

/**
 * Who reported what of batches whose rows are older ones. Such a batch may have ended since, and the votes on what was
 * open went with it: where it runs again, they are missing, and no row says so.
 */
export class Unvoted {
  readonly #reporters = new Map<BatchId, Map<number, Set<NodeId>>>();

  /** @param damaged rows (`table/key`) that are missing, unreadable or out of date */
  constructor(known: Iterable<BatchId>, damaged: ReadonlySet<string>) {
    for (const id of known)
      if (damaged.has(`batch/${batchKey(id)}`)) this.#reporters.set(id, new Map());
  }

  hear(nodeId: NodeId, items: readonly ResultItem[]): void {
    for (const {batchId, index} of items) {
      const ofBatch = this.#reporters.get(batchId);
      ofBatch?.set(index, (ofBatch.get(index) ?? new Set()).add(nodeId));
    }
  }

  /** Workunits that are open, with a member's report and without a vote of it. @param rows of table `vote` */
  *missing(
    {id, state, count}: BatchRow,
    rows: ReadonlyMap<string, Uint8Array>,
    {isDecided, revoked}: Pick<VoteBasis, 'isDecided' | 'revoked'>,
  ): Generator<number> {
    const reporters = this.#reporters.get(id);
    if (!reporters || state !== 'running') return;
    const voted = new Set<string>();
    for (const key of rows.keys()) {
      const {batchId, index, nodeId} = decodeVoteKey(key);
      if (batchId === id) voted.add(`${index}/${nodeId}`);
    }
    for (const [index, nodeIds] of reporters) {
      if (index >= count || isDecided(index)) continue;
      const isMissing = (nodeId: NodeId): boolean =>
        !revoked.has(nodeId) && !voted.has(`${index}/${nodeId}`);
      if ([...nodeIds].some(isMissing)) yield index;
    }
  }
}

/** Where a comparison decides, nobody can tell before it is made: so they might. */
const wouldDecide = ({policy}: BatchRow, votes: readonly Vote[], issued: number): boolean =>
  policy.compare !== undefined ||
  sidesOf(policy, votes).some(side => wantedAfterRestart(policy, side, issued) === undefined);

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
