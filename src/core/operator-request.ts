// What operators may ask about what is there: batches, nodes, the whole cluster.

import type {BatchId, NodeId} from '../base/types.ts';
import type {HoldKind} from './operator-rows.ts';

export type BatchOrder =
  | {readonly kind: 'cancelBatch'; readonly batchId: BatchId}
  | {readonly kind: 'suspendBatch'; readonly batchId: BatchId; readonly reason: string}
  | {readonly kind: 'resumeBatch'; readonly batchId: BatchId}
  | {readonly kind: 'setPriority'; readonly batchId: BatchId; readonly priority: number}
  /** Failed workunits begin anew, in a batch that ended those that were never decided too. */
  | {readonly kind: 'retryBatch'; readonly batchId: BatchId}
  /** `force`: one that is running is cancelled first. */
  | {readonly kind: 'deleteBatch'; readonly batchId: BatchId; readonly force: boolean};

export type NodeOrder =
  /** Labels beside the node's own. */
  | {
      readonly kind: 'labelNode';
      readonly nodeId: NodeId;
      readonly add: readonly string[];
      readonly remove: readonly string[];
    }
  | {
      readonly kind: 'holdNode';
      readonly nodeId: NodeId;
      readonly hold: HoldKind;
      readonly reason: string;
    }
  /** Ends a suspension or a draining. */
  | {readonly kind: 'resumeNode'; readonly nodeId: NodeId}
  /** Ends a quarantine, whoever began it. */
  | {readonly kind: 'releaseNode'; readonly nodeId: NodeId}
  /** Of a node that is away for good: its rows go. */
  | {readonly kind: 'forgetNode'; readonly nodeId: NodeId};

export type ClusterOrder = {
  readonly kind: 'pauseCluster';
  readonly paused: boolean;
  readonly reason: string;
};
