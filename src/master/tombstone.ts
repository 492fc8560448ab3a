// What stands in place of a batch whose row a disk lost: its number must not be given again.

import {asBlobId, type BatchId} from '../base/types.ts';
import type {BatchRow} from '../core/tables.ts';
import {NOTHING_YET} from './new-batches.ts';

const NO_POLICY: BatchRow['policy'] = {
  minQuorum: 1,
  targetReplicas: 1,
  maxErrorReplicas: 1,
  maxTotalReplicas: 1,
  leaseSeconds: 1,
  priority: 0,
  timeLimitSeconds: 1,
  memoryLimitMib: 1,
  outputLimitBytes: 1,
};

export function tombstone(id: BatchId): BatchRow {
  return {
    id,
    name: `lost-${id}`,
    appName: '',
    appId: asBlobId('0'.repeat(64)),
    runtime: 'wasm',
    action: '',
    args: [],
    input: {kind: 'range', start: 0, end: 0, chunk: 1},
    count: 0,
    policy: NO_POLICY,
    state: 'failed',
    reason: 'the disk lost what was asked for; submit it again',
    createdAt: 0,
    salt: 0,
    ...NOTHING_YET,
  };
}
