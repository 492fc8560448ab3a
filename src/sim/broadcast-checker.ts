// S21: a workunit of a broadcast is at its own node alone, and so is what decides it.

import type {BatchId, NodeId} from '../base/types.ts';
import {type BroadcastRow, broadcastKey} from '../core/operator-rows.ts';
import {jsonRow} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import {holds} from './fabric.ts';
import type {Model, ModelReport} from './model.ts';
import {batchOf, indexOf, nameOf, type WorkunitKey} from './model-names.ts';
import type {SimMaster} from './sim-master.ts';

export class BroadcastChecker {
  readonly #master: SimMaster;
  readonly #read = new WeakMap<Uint8Array, readonly NodeId[]>();

  constructor(master: SimMaster) {
    this.#master = master;
  }

  /** As it is on the disk; undefined = it is no broadcast, or it is not there yet. */
  #nodesOf(batchId: number): readonly NodeId[] | undefined {
    const row = this.#master.store.disk.get('meta', broadcastKey(batchId as BatchId));
    if (!row) return undefined;
    const nodes = this.#read.get(row) ?? jsonRow<BroadcastRow>(row).nodes;
    this.#read.set(row, nodes);
    return nodes;
  }

  /** A commit decided it by a result of this report. */
  decided(key: WorkunitKey, report: ModelReport | undefined, {batches}: Model): void {
    if (!batches.get(batchOf(key))?.policy.broadcast) return;
    const owner = this.#nodesOf(batchOf(key))?.[indexOf(key)];
    const isOwn = owner !== undefined && report?.nodeId === owner;
    holds(isOwn, 'S21', () => `${nameOf(key)} is of node ${owner}, ${report?.nodeId} decided it`);
  }

  /** What is out after a turn; its rows may not be on the disk yet. */
  turned({context}: MasterCore): void {
    for (const {row, open} of context.running) {
      const nodes = row.policy.broadcast ? this.#nodesOf(row.id) : undefined;
      if (!nodes) continue;
      for (const {index, replicas} of open.values())
        for (const {nodeId} of replicas)
          holds(nodeId === nodes[index], 'S21', () => `${row.id}/${index} is at node ${nodeId}`);
    }
  }
}
