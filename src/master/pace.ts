// How long a workunit of a batch runs on a node. Measured are the mean of the batch, and for each node and app how its
// runs compare with the mean of their batches: so the first workunits of a new batch, and batches with larger
// ones, need no new measure of every node. BOINC keeps the same figure for each host and app version (`et` of
// HOST_APP_VERSION, db/boinc_db_types.h), against an estimate of the work; here nobody has to estimate. Pure.

import {keepNewest} from '../base/newest.ts';
import type {Batch} from './batch.ts';
import type {NodeState} from './roster.ts';

/** Weight of the newest run in the moving average. */
const NEWEST = 0.125;
/** One odd run must not make a node infinitely fast or slow. */
const PACE_MAX = 64;
const APPS_PER_NODE_MAX = 256;

/** How slow the node is with the app of the batch: 1 = as the mean, 2 = takes twice as long. */
export const paceOf = ({paces}: Pick<NodeState, 'paces'>, {row}: Batch): number =>
  paces.get(row.appId) ?? 1;

/** Run time to expect of a workunit of the batch on this node, ms; -1 = nothing is known of the batch. */
export const runMsAt = (node: Pick<NodeState, 'paces'>, batch: Batch): number =>
  batch.runMs < 0 ? -1 : batch.runMs * paceOf(node, batch);

/** A run has ended; to be told before the batch's own mean is. */
export function notePace({paces}: Pick<NodeState, 'paces'>, batch: Batch, ms: number): void {
  if (batch.runMs <= 0) return;
  const {appId} = batch.row;
  const newest = Math.min(PACE_MAX, Math.max(1 / PACE_MAX, ms / batch.runMs));
  const before = paces.get(appId) ?? 1;
  paces.delete(appId); // the one that was measured last is the newest
  paces.set(appId, before * (1 - NEWEST) + newest * NEWEST);
  keepNewest(paces, APPS_PER_NODE_MAX);
}
