// What the master multicasts: the fields are those of volley.proto, and say what they mean there.

import type {BatchId, CaptureId, NodeId, WallMs} from '../base/types.ts';
import type {TransferOffer} from './bulk-message.ts';
import type {DesiredState} from './message.ts';

/** Both lists empty = every node; else nodes with any of the labels, or any of the ids. */
export type Target = {readonly labels: readonly string[]; readonly nodes: readonly NodeId[]};

export type CommandWhat =
  | {readonly kind: 'workAvailable'; readonly batchId: BatchId; readonly spreadMs: number}
  | {
      readonly kind: 'fire';
      readonly captureId: CaptureId;
      readonly shot: number;
      readonly action: string;
      readonly args: readonly string[];
      /** Instant on the master's clock; 0 = on hearing. */
      readonly atWallMs: WallMs;
      /** Tells this capture from one that had its number before an old backup. */
      readonly salt: number;
      /** A small picture instead; absent = no. */
      readonly preview?: true;
      /** One after the other; absent = all at once. */
      readonly sweep?: Sweep;
      /** Who knows the time no better than this does not fire; absent = what every shot needs. */
      readonly toleranceMs?: number;
    }
  | {readonly kind: 'rollCall'; readonly action: string; readonly toleranceMs?: number}
  | {readonly kind: 'pulse'; readonly no: number}
  /** `settings`: JSON of changes (core/action-settings.ts). */
  | {
      readonly kind: 'setAction';
      readonly action: string;
      readonly settings: string;
      readonly id: number;
    }
  | {readonly kind: 'cancelBatch'; readonly batchId: BatchId}
  /** `salt` as of its shots. */
  | {readonly kind: 'cancelCapture'; readonly captureId: CaptureId; readonly salt: number}
  | ({readonly kind: 'transferOffer'} & TransferOffer)
  | {readonly kind: 'state'};

/** The node at place k of `nodes` fires `(from + k) * stepMs` after the instant; who is not in it is not meant. */
export type Sweep = {
  readonly stepMs: number;
  readonly from: number;
  /** The first 8 bytes of each node id, hex. */
  readonly nodes: readonly string[];
};

export type Command = {
  readonly clusterId: Uint8Array;
  readonly instanceId: Uint8Array;
  readonly issuedWallMs: WallMs;
  readonly ttlMs: number;
  /** Acknowledge within this, in the node's slot of it; 0 = no acknowledgement wanted. */
  readonly ackWindowMs: number;
  readonly target: Target;
  readonly state: DesiredState;
  readonly what: CommandWhat;
};
