// What the node's core and what receives its transfers say to each other.

import {EMPTY} from '../base/bytes.ts';
import type {BlobId} from '../base/types.ts';
import type {TransferOffer, TransferReport, TransferState} from '../wire/bulk-message.ts';

export type TransferEvent =
  /** What it lacks now, or where it is; promises nothing. */
  | {readonly type: 'transferTold'; readonly report: TransferReport}
  /** It is over here, and what the report says is durable. */
  | {
      readonly type: 'transferOver';
      readonly report: TransferReport;
      readonly blobId: BlobId;
      readonly size: number;
      readonly fileName?: string;
    };

export type TransferEffect =
  /**
   * Listen, or say again what is lacking of one that is known. One that is whole already is over at once. With another
   * key it is from a new life of the master: what is there of the file is found again by its hashes.
   */
  | {readonly type: 'receive'; readonly offer: TransferOffer}
  /** Listen no more, and fetch the rest from the master. */
  | {readonly type: 'fetchRest'; readonly transferId: number}
  /** Wanted no more: what is there of it goes. */
  | {readonly type: 'dropTransfer'; readonly transferId: number};

/** A report of what is over, or where nothing has come yet. */
export const plainReport = (
  {transferId, salt}: Pick<TransferOffer, 'transferId' | 'salt'>,
  state: TransferState,
  {blocks = 0, reason = ''}: Partial<Pick<TransferReport, 'blocks' | 'reason'>> = {},
): TransferReport => ({
  type: 'transferReport',
  transferId,
  salt,
  state,
  ...{poll: 0, sequence: 0, heard: 0, blocks, room: 0, from: 0},
  deficits: EMPTY,
  reason,
});

/** A file that was pushed here: it stays, under its name among the node's files. */
export type PushedFile = {readonly blobId: BlobId; readonly size: number; readonly at: number};

/** Row of `meta` for each of them. */
export const PUSHED_KEY = 'pushed/';

/** One name in a folder: no path, nothing hidden, nothing that a shell or another system stumbles over. */
export const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._ +@-]{0,62}$/;
