// Whom to call for work: a little work needs a few nodes. The others stay idle, sleep through the command
// (they drop it before its signature), and are called for the next, or when one of those called has not come
// by the time that the call is repeated.

import type {Prng} from '../base/prng.ts';
import type {Batch} from './batch.ts';
import {machineOf} from './homogeneous.ts';
import type {NodeState} from './roster.ts';
import {canRun} from './scheduler.ts';
import {mayHold, type Workunit} from './workunit.ts';

/** Node ids that fit a command beside the rest. */
export const TARGETED_NODES_MAX = 32;
/** Workunits looked at to see whether a node could take one. */
const LOOKED_AT_MAX = 16;

/** Those of the idle nodes to call; all of them when there is enough for all. */
export function callFor(
  running: Iterable<Batch>,
  idle: readonly NodeState[],
  prng: Prng,
): readonly NodeState[] {
  let replicas = 0;
  const batches = [...running].filter(batch => batch.hasWork);
  for (const batch of batches) {
    replicas += batch.feeder.hasNext ? batch.feeder.remaining : 0;
    for (const workunit of batch.wanting) {
      replicas += workunit.wanted;
      if (replicas >= idle.length) return idle;
    }
  }
  if (replicas > TARGETED_NODES_MAX) return idle;
  const able = idle.filter(node => batches.some(batch => couldTake(batch, node)));
  const from = prng.below(Math.max(1, able.length));
  return [...able.slice(from), ...able.slice(0, from)].slice(0, replicas);
}

function couldTake(batch: Batch, node: NodeState): boolean {
  if (!canRun(batch, node)) return false;
  if (batch.feeder.hasNext) return true;
  const first: Workunit[] = [];
  for (const workunit of batch.wanting) if (first.push(workunit) >= LOOKED_AT_MAX) break;
  // Whether an erring node may try again depends on who is up; being called in vain costs it a pull.
  const machine = machineOf(batch.row.policy, node.row);
  return first.some(workunit => mayHold(workunit, node.row.nodeId, () => 0, machine));
}
