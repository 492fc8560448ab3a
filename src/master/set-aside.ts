// Takes the votes of a node on open workunits out, as if it had never had them: what is left decides, or another
// node votes in its place.

import type {NodeId, Now} from '../base/types.ts';
import {voteKey} from '../core/tables.ts';
import type {MasterContext} from './context.ts';
import type {Results} from './results.ts';

/** @returns how many votes */
export function setAside(
  context: MasterContext,
  results: Results,
  nodeId: NodeId,
  now: Now,
): number {
  let count = 0;
  context.escrow.distrust(nodeId);
  for (const batch of [...context.running]) {
    for (const {index, replicaNo} of batch.dropSavedVotes(nodeId)) {
      context.drop('vote', voteKey(batch.row.id, index, nodeId, replicaNo));
      count += 1;
    }
    for (const workunit of [...batch.open.values()]) {
      const dropped = workunit.votes.filter(vote => vote.nodeId === nodeId);
      if (dropped.length === 0 || workunit.state !== 'open') continue;
      count += dropped.length;
      for (const vote of dropped) {
        workunit.votes.splice(workunit.votes.indexOf(vote), 1);
        workunit.forgiven += 1;
        context.drop('vote', voteKey(batch.row.id, workunit.index, nodeId, vote.replicaNo));
      }
      results.settle(batch, workunit, now);
    }
  }
  return count;
}
