// What operators may ask about batches that are there.

import type {BatchId} from '../base/types.ts';

export type BatchOrder =
  | {readonly kind: 'cancelBatch'; readonly batchId: BatchId}
  | {readonly kind: 'suspendBatch'; readonly batchId: BatchId; readonly reason: string}
  | {readonly kind: 'resumeBatch'; readonly batchId: BatchId}
  | {readonly kind: 'setPriority'; readonly batchId: BatchId; readonly priority: number}
  /** Failed workunits begin anew, in a batch that ended those that were never decided too. */
  | {readonly kind: 'retryBatch'; readonly batchId: BatchId}
  /** `force`: one that is running is cancelled first. */
  | {readonly kind: 'deleteBatch'; readonly batchId: BatchId; readonly force: boolean};
