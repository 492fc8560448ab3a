// What master and nodes say to each other about bulk transfers, in sessions and in a command: plain readonly values,
// as volley.proto has them.

import type {BlobId} from '../base/types.ts';

/** A blob is about to be sent to all who are meant: where to listen, and what to hold it to. */
export type TransferOffer = {
  /** 1 … 2^32-1, never twice of one master. */
  readonly transferId: number;
  /** Random: tells it from one of a lost past with the same number. */
  readonly salt: number;
  readonly blobId: BlobId;
  readonly size: number;
  readonly symbolBytes: number;
  readonly symbolsPerBlock: number;
  /** SHA-256 of the list of the blocks' hashes (core/bulk-layout.ts). */
  readonly listHash: Uint8Array;
  /** 32 bytes: proves that a datagram is the master's or a member's. */
  readonly key: Uint8Array;
  /** Where its datagrams go: IPv4 multicast group and port. */
  readonly group: string;
  readonly port: number;
  /** Under this name among the node's files; absent = it is kept for those that name its hash. */
  readonly fileName?: string;
};

/** Where a node is with a transfer. */
export type TransferState =
  /** It listens, and tells what it lacks. */
  | 'listening'
  /** Whole, checked, durable. */
  | 'whole'
  /** It has no use for it, or no room. */
  | 'declined'
  /** It will fetch what it lacks by itself, when it is told to. */
  | 'aside'
  | 'gaveUp';

export type TransferReport = {
  readonly type: 'transferReport';
  readonly transferId: number;
  readonly salt: number;
  readonly state: TransferState;
  /** Highest poll and datagram heard, and how many datagrams in all. 0 = none. */
  readonly poll: number;
  readonly sequence: number;
  readonly heard: number;
  /** Whole blocks, of all. */
  readonly blocks: number;
  /** Blocks for which it has memory now. */
  readonly room: number;
  /** Of the blocks from `from` on (core/bulk-deficits.ts); below it all are whole. */
  readonly from: number;
  readonly deficits: Uint8Array;
  /** Of what is over and not whole. */
  readonly reason: string;
};

/** `heard`: its last word is durable; `fetch` the rest by HTTP, now; `cancel`: it is wanted no more. */
export type TransferStep = 'heard' | 'fetch' | 'cancel';

export type TransferOrder = {
  readonly type: 'transferOrder';
  readonly transferId: number;
  readonly salt: number;
  readonly step: TransferStep;
};
