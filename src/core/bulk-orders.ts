// What the master's core and what sends its transfers say to each other.

import type {BlobId, NodeId} from '../base/types.ts';
import type {TransferOffer, TransferReport} from '../wire/bulk-message.ts';
import type {AsideReason} from './bulk-members.ts';

export type BulkOrder =
  /** Read the blob and hash its blocks; whatever was under way before is over. */
  | {
      readonly kind: 'prepare';
      readonly transferId: number;
      readonly blobId: BlobId;
      readonly size: number;
    }
  /** Send what was prepared. `bitsPerSecond`: at most; absent = found by itself. */
  | {
      readonly kind: 'send';
      readonly offer: TransferOffer;
      readonly nodes: readonly NodeId[];
      readonly bitsPerSecond?: number;
    }
  | {readonly kind: 'report'; readonly nodeId: NodeId; readonly report: TransferReport}
  /** A node to be served, too; or one that is not of the cluster any more. */
  | {readonly kind: 'join' | 'leave'; readonly transferId: number; readonly nodeId: NodeId}
  | {readonly kind: 'stop'; readonly transferId: number};

export type BulkNews =
  /** SHA-256 of the list of the blocks' hashes. */
  | {readonly kind: 'prepared'; readonly listHash: Uint8Array}
  /** The offer once more, to each by itself. */
  | {readonly kind: 'invite'; readonly nodes: readonly NodeId[]}
  /** It loses so much that all others go first. */
  | {readonly kind: 'lossy'; readonly nodeId: NodeId}
  /** It is waited for no more, and has to fetch what it lacks. */
  | {readonly kind: 'aside'; readonly nodeId: NodeId; readonly reason: AsideReason}
  | {
      readonly kind: 'progress';
      /** Datagrams. */
      readonly sent: number;
      readonly bitsPerSecond: number;
      /** Whole blocks of each node. */
      readonly blocks: readonly (readonly [NodeId, number])[];
    }
  /** Each node has said its last word, or is left behind. */
  | {readonly kind: 'over'}
  /** The file could not be read, … */
  | {readonly kind: 'failed'; readonly reason: string};
