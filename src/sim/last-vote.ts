// Where the vote is that decided a workunit, told from the rows of one commit. It is never stored: a report of the
// same commit holds it. But all votes are stored where
//
//   a comparison decides   its answer comes later than the vote
//   a node was revoked     what is left of the votes may decide at once; a report that agrees came too late
//   one is suspicious      and nobody is left to ask for one more, or the one more was no help. A report of the same
//                          commit, whatever it says, may have come before the decision or after it

import type {ModelVote} from './model.ts';
import {outputName} from './model-names.ts';

export type LastVote = 'reported' | 'stored' | 'unknown';

/**
 * @param removed the stored votes
 * @param canonical name of the output
 */
export function lastVoteOf(
  removed: readonly ModelVote[],
  canonical: string,
  minQuorum: number,
): LastVote {
  let valid = 0;
  let agreeing = 0;
  let isSuspicious = false;
  for (const {row, barred} of removed) {
    if (barred || row.status !== 'done') continue;
    valid += 1;
    if (outputName(row.output) !== canonical) continue;
    agreeing += 1;
    if (row.suspicion !== undefined) isSuspicious = true;
  }
  if (agreeing < minQuorum || agreeing * 2 <= valid) return 'reported';
  // A larger group has its one more.
  if (isSuspicious && agreeing === minQuorum) return 'unknown';
  // An app was tried with it: it was open for results of another processor.
  if (removed.some(({row}) => row.machine !== undefined)) return 'unknown';
  return removed.some(({barred}) => barred) ? 'stored' : 'reported';
}
