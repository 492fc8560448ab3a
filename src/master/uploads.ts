// Which outputs are here as files, as far as this life of the master was told: reports may name them, several of them
// the same one (outputs may be equal). What is forgotten is asked for again, and then told again.

import {keepNewest} from '../base/newest.ts';
import type {BatchId, BlobId, MonoMs, NodeId, ReplicaId} from '../base/types.ts';
import {HOUR_MS} from '../base/units.ts';
import type {UploadPurpose, UploadVerdict} from '../core/core.ts';
import type {OutputRef} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import type {Captures} from './capture.ts';
import type {MasterContext} from './context.ts';

/** The oldest is forgotten. */
const BLOBS_WAITING_MAX = 65_536;
/**
 * So long one is believed to be here. The shell deletes what no row names a day after it was stored or asked for
 * (io/blob-sweep.ts), so this must be shorter by far; what is to go sooner is deleted only if it is not believed.
 */
const KNOWN_MS = HOUR_MS;

export class Uploads {
  readonly #blobs = new Map<BlobId, {readonly size: number; readonly at: MonoMs}>();

  stored(blobId: BlobId, size: number, at: MonoMs): void {
    this.#blobs.set(blobId, {size, at});
    keepNewest(this.#blobs, BLOBS_WAITING_MAX);
  }

  /** The rows that named it are gone, and it may go with them: a report that comes now has it asked for again. */
  forget(blobId: BlobId): void {
    this.#blobs.delete(blobId);
  }

  /** Whether a report that comes now may name it unasked. */
  believes(blobId: BlobId, now: MonoMs): boolean {
    const stored = this.#blobs.get(blobId);
    return stored !== undefined && now - stored.at < KNOWN_MS;
  }

  /** Whether a report may name it. */
  has(output: OutputRef, now: MonoMs): boolean {
    if (output.kind === 'inline') return true;
    const {blobId, size} = output;
    return this.#blobs.get(blobId)?.size === size && this.believes(blobId, now);
  }
}

/** Whether this node may store so many bytes for this purpose now. */
export function uploadVerdict(
  {batches, space}: MasterContext,
  captures: Captures,
  nodeId: NodeId,
  purpose: UploadPurpose,
  size: number,
): UploadVerdict {
  const isOwed =
    purpose.kind === 'shot'
      ? captures.mayUpload(nodeId, purpose.captureId, purpose.shot, size)
      : isOwedOutput(batches, purpose.replicaId, size);
  if (!isOwed) return 'unwanted';
  return space.isFull ? 'full' : 'wanted';
}

/** Is a workunit open of which this may be an output? Whose replica it is the report will say. */
function isOwedOutput(
  batches: ReadonlyMap<BatchId, Batch>,
  replicaId: ReplicaId,
  size: number,
): boolean {
  const [batchNo, index] = replicaId.split('/').map(Number);
  const batch = batches.get(batchNo as BatchId);
  if (!batch?.running || index === undefined) return false;
  const live = batch.open.has(index) || batch.feeder.isPending(index);
  return live && size <= batch.row.policy.outputLimitBytes;
}
