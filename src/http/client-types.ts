// What the operator interface takes and gives, beside the views of core/views.ts.

import type {BlobId} from '../base/types.ts';
import type {BatchView, CaptureView, NodeView, TransferView} from '../core/views.ts';
import type {Target} from '../wire/message.ts';
import type {FollowOrder} from './follow.ts';

export type JoinToken = {
  /** 32 hex characters; shown once. */
  readonly secret: string;
  readonly tokenId: number;
  /** Wall clock, ms. */
  readonly expiresAt: number;
};

export type ResultsFilter = {
  readonly from?: number;
  /** Exclusive. */
  readonly to?: number;
  readonly state?: 'done' | 'failed';
  /** To the end of the batch: by index, each when all before it are decided; or as they are decided. */
  readonly follow?: FollowOrder;
};

export type WatchEvent =
  | {readonly kind: 'batch'; readonly batch: BatchView}
  | {readonly kind: 'node'; readonly node: NodeView}
  | {readonly kind: 'capture'; readonly capture: CaptureView}
  | {readonly kind: 'transfer'; readonly transfer: TransferView};

export const WATCHED: ReadonlySet<string> = new Set(['batch', 'node', 'capture', 'transfer']);

/** A blob that the master has goes to nodes, by one multicast for all. `rate`: bits per second at most. */
export type PushOrder = {
  readonly blob: BlobId;
  readonly fileName: string;
  readonly target: Target;
  readonly rate?: number;
};

/** A capture, and what the master signed of it (core/capture-record.ts), base64. */
export type RecordAnswer = {
  readonly capture: CaptureView;
  readonly record: {readonly body: string; readonly signature: string; readonly trust: string};
};
