// What must hold of a master's state after every turn, whatever happened: asked by the simulator and by tests.

import {assert} from '../base/assert.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {checkPin} from './homogeneous.ts';
import type {Workunit} from './workunit.ts';

/** Throws AssertionError with what does not hold. */
export function checkMaster(context: MasterContext): void {
  const {batches, running, roster, escrow} = context;
  let out = 0;
  let waits = 0;
  for (const batch of batches.values()) {
    batch.check();
    assert(running.has(batch) === batch.running, `batch ${batch.row.id} is misplaced`);
    if (!batch.running) assert(batch.open.size === 0, `batch ${batch.row.id} ended open`);
    for (const workunit of batch.open.values()) {
      out += workunit.replicas.length;
      if (workunit.alone === 'waits') waits += 1;
      const holders = new Set(workunit.replicas.map(replica => replica.nodeId));
      assert(holders.size === workunit.replicas.length, 'a node holds two replicas of a workunit');
      const {maxTotalReplicas} = batch.row.policy;
      const isMany = workunit.replicas.length > maxTotalReplicas && !workunit.isProbe;
      assert(!isMany, 'too many replicas are out');
      checkPin(batch.row.policy, workunit);
      checkOwner(batch, workunit);
    }
  }
  for (const node of roster.all()) {
    out -= node.out.size;
    const isOut = node.row.revokedAt === 0 || (!node.up && !node.welcomed && node.out.size === 0);
    assert(isOut, 'a revoked node takes part');
  }
  assert(waits === escrow.size, `${waits} results wait in escrow, which knows of ${escrow.size}`);
  assert(out === 0, 'leases at nodes and leases of workunits differ');
}

/** What of a broadcast is one node's own is at no other. */
function checkOwner({row, owners}: Batch, {index, owner, replicas}: Workunit): void {
  const own = row.policy.broadcast ? owners?.at(index) : undefined;
  assert(owner === own, `workunit ${row.id}/${index} is of ${owner}, not of ${own}`);
  const isElsewhere = owner !== undefined && replicas.some(({nodeId}) => nodeId !== owner);
  assert(!isElsewhere, `workunit ${row.id}/${index} is not at its own node alone`);
}
