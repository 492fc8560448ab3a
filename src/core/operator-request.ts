// What operators may ask for, and what they are answered: batches and captures, and orders about what is there.

import type {ErrorCode, ErrorFields} from '../base/errors.ts';
import type {BatchId, BlobId, CaptureId, NodeId, WallMs} from '../base/types.ts';
import type {BlobRef, Target} from '../wire/message.ts';
import type {ActionSettings} from './action-settings.ts';
import type {InputSource} from './input-source.ts';
import type {BatchTarget, HoldKind} from './operator-rows.ts';
import type {PolicyRequest} from './policy.ts';
import type {Preferences} from './preferences.ts';
import type {StagesRequest} from './stages.ts';
import type {AppRow} from './tables.ts';

export type BatchRequest = {
  readonly name: string;
  readonly app: string;
  readonly args: readonly string[];
  readonly input: InputSource;
  readonly policy: PolicyRequest;
  /** The batch that it is a copy of; only told in its history. */
  readonly clonedFrom?: BatchId;
  readonly target?: BatchTarget;
  /** What follows its workunits. */
  readonly stages?: StagesRequest;
  /** What all its workunits may read beside their own input: a blob that the master has. */
  readonly shared?: BlobRef;
  /** Refuse it when the nodes that are there could not meet its policy. */
  readonly strict?: boolean;
};

/** One of several actions of a capture. */
export type CaptureStep = {
  /** Milliseconds after the first step of its row. */
  readonly atMs: number;
  readonly action: string;
  readonly args: readonly string[];
  /** Absent = that of the capture. */
  readonly target?: Target;
};

export type CaptureRequest = {
  /** '' = there are steps. */
  readonly action: string;
  readonly args: readonly string[];
  readonly target: Target;
  /** Several actions, each a shot of its own: `shots` is their number, or so many times that. */
  readonly steps?: readonly CaptureStep[];
  /**
   * Milliseconds from now on the master's clock to the first shot; 0 = fire on hearing; absent = what delivery needs
   * now, by a roll call.
   */
  readonly leadMs?: number;
  /** All of them, also those of bursts. */
  readonly shots: number;
  /** Milliseconds between shots; of bursts, from the first shot of one to the first of the next. */
  readonly intervalMs: number;
  /** Shots of a burst; absent or 1 = there are none. */
  readonly burst?: number;
  /** Milliseconds between the shots of a burst. */
  readonly burstMs?: number;
  /** Small pictures instead; absent = no. */
  readonly preview?: boolean;
  /** So many nodes have to be ready, or nothing fires: `all`, `95%` or `12`; by a roll call. */
  readonly needs?: string;
  /** One node after the other, so many milliseconds apart, by label and name; absent or 0 = all at once. */
  readonly sweepMs?: number;
  /** Who knows the time no better than this, in ms, is not ready and does not fire; absent = 250. */
  readonly toleranceMs?: number;
  /** Only the roll call. */
  readonly dryRun?: boolean;
};

/** One command that sets an action on all nodes of the target that allow it. */
export type SetActionRequest = {
  readonly action: string;
  /** Changes; an empty value takes a setting out. */
  readonly settings: ActionSettings;
  readonly target: Target;
};

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

export type TransferOrderRequest =
  /** A file that the master has as a blob goes to nodes, under this name. `rate`: bits per second at most. */
  | {
      readonly kind: 'push';
      readonly blobId: BlobId;
      readonly size: number;
      readonly fileName: string;
      readonly target: Target;
      readonly rate?: number;
    }
  | {readonly kind: 'cancelTransfer'; readonly transferId: number};

export type OperatorRequest =
  /** `body`: the blob that runs, if it is one. */
  | {readonly kind: 'addApp'; readonly app: AppRow; readonly body?: BlobRef}
  | {readonly kind: 'submitBatch'; readonly batch: BatchRequest}
  | BatchOrder
  | NodeOrder
  | ClusterOrder
  | {
      readonly kind: 'addToken';
      readonly tokenId: number;
      readonly psk: Uint8Array;
      readonly uses: number;
      readonly expiresAt: WallMs;
    }
  | {readonly kind: 'revokeToken'; readonly tokenId: number}
  /** No `nodeId` = all that ask now. */
  | {readonly kind: 'approveNode'; readonly nodeId?: NodeId}
  | {readonly kind: 'denyNode'; readonly nodeId: NodeId}
  | {readonly kind: 'revokeNode'; readonly nodeId: NodeId}
  /** Keys of core/preferences.ts; a null takes one out. */
  | {
      readonly kind: 'preferNode';
      readonly nodeId: NodeId;
      readonly changes: Readonly<Record<string, unknown>>;
    }
  | {readonly kind: 'capture'; readonly capture: CaptureRequest}
  /** What is not under way yet does not fire. */
  | {readonly kind: 'cancelCapture'; readonly captureId: CaptureId}
  /** `force`: also one that is running. */
  | {readonly kind: 'deleteCapture'; readonly captureId: CaptureId; readonly force: boolean}
  | {readonly kind: 'setAction'; readonly set: SetActionRequest}
  | TransferOrderRequest;

export type OperatorAnswer =
  | {
      readonly ok: true;
      readonly batchId?: BatchId;
      readonly captureId?: CaptureId;
      readonly transferId?: number;
      /** Of a batch that waits: what is missing. */
      readonly warning?: string;
      /** Of settings: what nodes name when they are done with them. `nodes`: who was asked. */
      readonly settingsId?: number;
      /** Who was approved. */
      readonly nodes?: readonly NodeId[];
      /** Canonical results that rest on the revoked node alone; -1 = they are being listed. */
      readonly doubts?: number;
      /** What is wished of the node now. */
      readonly preferences?: Preferences;
    }
  | {readonly ok: false; readonly code: ErrorCode; readonly fields: ErrorFields};
