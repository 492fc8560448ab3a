// What one commit of the master changed, as model.ts reads it from its rows.

import type {NodeId} from '../base/types.ts';
import type {CheckState} from '../core/checks.ts';
import type {Decided, ModelVote} from './model.ts';
import type {WorkunitKey} from './model-names.ts';

export type Change = {
  readonly decided: Map<WorkunitKey, Decided>;
  /** Votes that were deleted, by workunit. */
  readonly removed: Map<WorkunitKey, ModelVote[]>;
  readonly credited: Set<NodeId>;
  /** Rows of `report` that were added. */
  readonly reported: Set<number>;
  /** Nodes that this commit revokes. */
  readonly revoked: Set<NodeId>;
  /** Canonical results that this commit takes out, to be computed again, and whose they were. */
  readonly withdrawn: Map<WorkunitKey, Doubted>;
  /** What came out of such, as the master says. */
  readonly checked: Map<WorkunitKey, {readonly former: Decided; readonly state: CheckState}>;
  /** Decisions that an operator's order takes out: what failed is retried, or the batch is deleted. */
  readonly undone: Map<WorkunitKey, Decided>;
  /** Workunits that are in a later try from now on. */
  readonly later: Set<WorkunitKey>;
  /** Batches that had ended and run again, or that somebody cancelled or deleted. */
  readonly anew: Set<number>;
  /** Nodes that this commit quarantines. */
  readonly aside: Set<NodeId>;
};

/** The former result that stood on `nodeId` alone. */
export type Doubted = {readonly nodeId: NodeId; readonly former: Decided};

export const noChange = (): Change => ({
  decided: new Map(),
  removed: new Map(),
  credited: new Set(),
  reported: new Set(),
  revoked: new Set(),
  withdrawn: new Map(),
  checked: new Map(),
  undone: new Map(),
  later: new Set(),
  anew: new Set(),
  aside: new Set(),
});
