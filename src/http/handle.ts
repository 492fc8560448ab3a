// What the HTTP servers need of a running master. cli/master-process.ts builds it from the runtime and the store;
// tests may build a small one. Nothing in http/ sees the core or LevelDB itself.

import type {BatchId, BlobId, CaptureId, NodeId} from '../base/types.ts';
import type {SignedRecord} from '../core/capture-record.ts';
import type {Announcement, UploadPurpose, UploadVerdict} from '../core/core.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import type {Actor} from '../core/operator-rows.ts';
import type {AppRow, TableName} from '../core/tables.ts';
import type {
  BatchView,
  CaptureView,
  NodeView,
  PendingView,
  StatusView,
  TokenView,
  TransferView,
} from '../core/views.ts';

export type RecordedCapture = {readonly capture: CaptureView; readonly record: SignedRecord};

export interface MasterHandle {
  /** Answered once the change is durable. */
  operator(request: OperatorRequest, actor?: Actor): Promise<OperatorAnswer>;
  status(): StatusView;
  apps(): readonly AppRow[];
  nodes(): readonly NodeView[];
  /** Nodes that ask to be let in. */
  pending(): readonly PendingView[];
  /** Join tokens, without their secrets. */
  tokens(): readonly TokenView[];
  batches(): readonly BatchView[];
  batch(batchId: BatchId): BatchView | undefined;
  captures(): readonly CaptureView[];
  capture(captureId: CaptureId): CaptureView | undefined;
  /** Changes with what of a capture is worth telling at once, and costs nothing; undefined = there is no such capture. */
  captureMark(captureId: CaptureId): string | undefined;
  /** A capture and what the master signs of it, of one moment. */
  captureRecord(captureId: CaptureId): RecordedCapture | undefined;
  /** The newest first. */
  transfers(): readonly TransferView[];
  transfer(transferId: number): TransferView | undefined;
  /** As `captureMark`. */
  transferMark(transferId: number): string;
  /** Key of a node's blob requests (Welcome.blob_key); undefined when it is not enrolled and linked. */
  blobKeyOf(nodeId: NodeId): Uint8Array | undefined;
  /** Whether this node may store so many bytes for this purpose now. */
  mayUpload(nodeId: NodeId, purpose: UploadPurpose, size: number): UploadVerdict;
  /** The blob is complete, its hash is right, it is on disk. */
  blobStored(blobId: BlobId, size: number): void;
  /** Calls back for each announcement until the returned function is called. */
  watch(listener: (about: Announcement) => void): () => void;
  /** Committed rows only. */
  read(table: TableName, key: string): Promise<Uint8Array | undefined>;
  /** Rows with from <= key < to, in order. */
  scan(table: TableName, from: string, to: string): AsyncIterable<readonly [string, Uint8Array]>;
}
