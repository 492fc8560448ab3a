// S20: an app is found good by results of two processors that agree, and never blamed that is right: in this world all
// are, so only so many liars at once as no quorum stands against can make one look as if it disagreed with itself.

import type {NodeId} from '../base/types.ts';
import {PROBE_PREFIX, type ProbeRow} from '../core/operator-rows.ts';
import {jsonRow, type Op} from '../core/tables.ts';
import {holds} from './fabric.ts';
import type {MachinePlan} from './machine-plan.ts';
import type {Model} from './model.ts';
import {nameOf, workunitKey} from './model-names.ts';

/** Two of each processor, and all but one of them lie. */
const LIARS_MIN = 3;

export function checkProbes(
  ops: readonly Op[],
  model: Model,
  machineOf: (nodeId: NodeId) => MachinePlan | undefined,
  liars: number,
): void {
  for (const op of ops) {
    if (op.table !== 'meta' || op.type !== 'put' || !op.key.startsWith(PROBE_PREFIX)) continue;
    const {result, batchId, index} = jsonRow<ProbeRow>(op.value);
    const key = workunitKey(batchId, index);
    if (result !== 'alike') {
      const mayBe = result === 'itself' && liars >= LIARS_MIN;
      holds(
        mayBe,
        'S20',
        () => `${nameOf(key)}: its app is blamed (${result}), ${liars} nodes lie`,
      );
      continue;
    }
    const archsOf = (nodes: ReadonlySet<NodeId>): Set<string | undefined> =>
      new Set([...nodes].map(nodeId => machineOf(nodeId)?.arch));
    const outputs = [...(model.evidence.get(key)?.values() ?? [])];
    const isSeen = outputs.some(nodes => archsOf(nodes).size > 1);
    holds(isSeen, 'S20', () => `${nameOf(key)}: an app is found good on one processor alone`);
  }
}
