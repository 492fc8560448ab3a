// The one shape: events in, effects out. A core is a state machine with no I/O, no clock and no dice of
// its own; runtime/driver.ts is the loop that feeds it, and the same core runs under real UDP and in the
// simulator.

import type {
  Address,
  BatchId,
  BlobId,
  CaptureId,
  MonoMs,
  NodeId,
  Now,
  PeerId,
  ReplicaId,
  WallMs,
} from '../base/types.ts';
import type {
  BlobRef,
  Command,
  FailReason,
  Input,
  Message,
  OutputRef,
  ShotFile,
} from '../wire/message.ts';
import type {ActionEvent, SetActionEffect} from './action-events.ts';
import type {BulkNews, BulkOrder} from './bulk-orders.ts';
import type {Comparison} from './compare.ts';
import type {GuestEvent} from './guest.ts';
import type {InputSource, NamedBlob} from './input-source.ts';
import type {
  CheckPage,
  CompareQuestion,
  Gathered,
  ListedBatch,
  ListedPage,
  ListedReport,
  SinglesPage,
} from './lookups.ts';
import type {OperatorAnswer, OperatorRequest} from './operator-request.ts';
import type {Actor} from './operator-rows.ts';
import type {GatherHow, StageRef} from './stages.ts';
import type {BatchRow, Op} from './tables.ts';
import type {TransferEffect, TransferEvent} from './transfer-events.ts';

export interface Core<E, F> {
  /** The only way state changes. */
  handle(event: E, now: Now): readonly F[];
  /** After the last event of a turn: the saves of all that changed in it, each row once. */
  endTurn(now: Now): readonly F[];
  /** When to be given a `tick`; NEVER = only events wake it. */
  wakeAt(): MonoMs;
  /** Asserts every invariant; tests and the simulator call it, production does not. */
  check(): void;
}

/** One line for the log: `what` is a stable word, `fields` never hold keys, tokens, inputs or outputs. */
export type Note = {
  readonly level: 'debug' | 'info' | 'warn' | 'alarm';
  readonly what: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
};

export type SharedEvent =
  /** Already opened and authentic. `heardAt`: when its datagram came in. */
  | {
      readonly type: 'message';
      readonly peer: PeerId;
      readonly message: Message;
      readonly heardAt: MonoMs;
    }
  | {
      readonly type: 'linked';
      readonly peer: PeerId;
      readonly handshakeHash: Uint8Array;
      readonly tokenId: number;
      readonly from: Address;
    }
  /** Bytes free on the disk of the store, and the floor below which nothing new is taken. */
  | {readonly type: 'freeSpace'; readonly freeBytes: number; readonly floorBytes: number}
  | {readonly type: 'tick'};

export type SharedEffect =
  /** Durable before anything of the same or a later turn leaves. */
  | {readonly type: 'save'; readonly op: Op}
  /** `early`: promises nothing that the disk must hold first, and need not wait for it. */
  | {
      readonly type: 'send';
      readonly to: PeerId;
      readonly message: Message;
      readonly early?: true;
      /** Handshake hash: it is for this session only, and not for one that has replaced it meanwhile. */
      readonly session?: Uint8Array;
    }
  | {readonly type: 'note'; readonly note: Note}
  /** End the session; at the node this begins a new search for the master. */
  | {readonly type: 'forget'; readonly peer: PeerId};

// ---- master -----------------------------------------------------------------------------------

/** Tells watchers (server-sent events) that something they may show has changed. */
export type Announcement =
  | {readonly kind: 'batch'; readonly batchId: BatchId}
  | {readonly kind: 'node'; readonly nodeId: NodeId}
  | {readonly kind: 'capture'; readonly captureId: CaptureId}
  | {readonly kind: 'transfer'; readonly transferId: number};

export type MasterEvent =
  | SharedEvent
  /** Without an `actor` the process asks itself. */
  | {
      readonly type: 'operator';
      readonly requestId: number;
      readonly request: OperatorRequest;
      readonly actor?: Actor;
    }
  /** Answers `readInputs`: the inputs of workunits from … from+inputs.length-1. */
  | {
      readonly type: 'inputsRead';
      readonly batchId: BatchId;
      readonly from: number;
      readonly inputs: readonly Input[];
    }
  | {readonly type: 'inputsFailed'; readonly batchId: BatchId; readonly reason: string}
  /** Answers `listSingles`, in parts; `total` comes with the last one. */
  | {
      readonly type: 'singlesListed';
      readonly nodeId: NodeId;
      readonly pages: readonly SinglesPage[];
      readonly total?: number;
    }
  /** Answers `readChecks`. */
  | {
      readonly type: 'checksRead';
      readonly nodeId: NodeId;
      readonly pages: readonly CheckPage[];
      readonly isLast: boolean;
    }
  /** Answers `compare`. */
  | {
      readonly type: 'compared';
      readonly question: CompareQuestion;
      readonly comparison: Comparison;
    }
  /** Answers `listPages`: those of from … from+count-1 that there are. */
  | {
      readonly type: 'pagesListed';
      readonly batchId: BatchId;
      readonly from: number;
      readonly count: number;
      readonly pages: readonly ListedPage[];
    }
  /** Answers `listReports`; `next` undefined = there are no more. */
  | {
      readonly type: 'reportsListed';
      readonly batchId: BatchId;
      readonly reports: readonly ListedReport[];
      readonly next: number | undefined;
    }
  /** Answers `gather`: what came of it, or why nothing. */
  | ({readonly type: 'gathered'} & StageRef & {readonly gathered: Gathered})
  /** A node's upload is complete, hashed and on disk. */
  | {readonly type: 'blobStored'; readonly blobId: BlobId; readonly size: number}
  | {readonly type: 'bulkNews'; readonly transferId: number; readonly news: BulkNews}
  /** Answered by the effect of this name: what was posted before is handled, and its rows are durable. */
  | {readonly type: 'fence'};

export type MasterEffect =
  | SharedEffect
  /** Sealed by the driver; the same command, epoch and seq give the same datagram. */
  | {
      readonly type: 'multicast';
      readonly epoch: number;
      readonly seq: number;
      readonly command: Command;
      readonly early?: true;
    }
  /** The same datagram once more, inside the session with one node. */
  | {
      readonly type: 'repair';
      readonly to: PeerId;
      readonly epoch: number;
      readonly seq: number;
      readonly command: Command;
    }
  /** A Receipt signed with the number of the commit that holds this turn. `bodyHash` = SHA-256. */
  | {
      readonly type: 'receipt';
      readonly to: PeerId;
      readonly nonce: number;
      readonly bodyHash: Uint8Array;
    }
  | {readonly type: 'answer'; readonly requestId: number; readonly answer: OperatorAnswer}
  | {
      readonly type: 'readInputs';
      readonly batchId: BatchId;
      readonly source: InputSource;
      readonly from: number;
      readonly count: number;
    }
  /** Takes its time: the bytes may be blobs, and an app may have to say it. */
  | {readonly type: 'compare'; readonly question: CompareQuestion}
  /** Which canonical results of these batches are this node's? */
  | {
      readonly type: 'listSingles';
      readonly nodeId: NodeId;
      readonly batches: readonly ListedBatch[];
    }
  /** The next few pages with results of this node that are listed, behind this row of `doubt`. */
  | {readonly type: 'readChecks'; readonly nodeId: NodeId; readonly after: string}
  | {
      readonly type: 'listPages';
      readonly batchId: BatchId;
      readonly from: number;
      readonly count: number;
    }
  /** Report rows from … to (both included), a part of them at a time. `batchId`: on whose behalf. */
  | {
      readonly type: 'listReports';
      readonly batchId: BatchId;
      readonly from: number;
      readonly to: number;
    }
  /** The canonical outputs of a stage of this batch, in the order of their indexes, as a source of inputs. */
  | ({readonly type: 'gather'} & StageRef & {readonly count: number; readonly how: GatherHow})
  /** Rows that named these are gone for good; others may name them still. */
  | {readonly type: 'unnamed'; readonly blobs: readonly NamedBlob[]}
  /** To what sends transfers; promises nothing. */
  | {readonly type: 'bulk'; readonly order: BulkOrder}
  | {readonly type: 'fence'}
  /** `row`: the batch as this turn saved it, which faces may show from now on. */
  | {readonly type: 'announce'; readonly about: Announcement; readonly row?: BatchRow};

// ---- node -------------------------------------------------------------------------------------

/** One replica to run. The runner fetches app and input, checks the app's signature, computes. */
export type RunOrder = {
  readonly replicaId: ReplicaId;
  /** 0 … slots-1. */
  readonly slot: number;
  readonly appId: BlobId;
  readonly args: readonly string[];
  readonly input: Input;
  readonly timeLimitMs: number;
  readonly memoryLimitMib: number;
  readonly outputLimitBytes: number;
  /** What all workunits of its batch may read beside their own input. */
  readonly shared?: BlobRef;
  /** Seeds what the app sees as random: the same for every replica of a workunit. */
  readonly seed: number;
};

export type NodeEvent =
  | SharedEvent
  | GuestEvent
  | ActionEvent
  | TransferEvent
  /** Signed, fresh and inside its window; time to live and target are the core's to judge. */
  | {
      readonly type: 'command';
      readonly command: Command;
      readonly epoch: number;
      readonly seq: number;
      readonly heardAt: MonoMs;
    }
  | {readonly type: 'duplicateCommand'; readonly epoch: number; readonly seq: number}
  /** A newer trust document of our root, durable. `rekeyed`: session and group of the old keys are over. */
  | {readonly type: 'trust'; readonly signedTrust: Uint8Array; readonly rekeyed: boolean}
  /** The master, in its session, gave a command of a later epoch than its last Welcome told of. */
  | {readonly type: 'laterEpoch'}
  | {
      readonly type: 'computed';
      readonly replicaId: ReplicaId;
      readonly output: OutputRef;
      readonly cpuMs: number;
    }
  | {
      readonly type: 'failed';
      readonly replicaId: ReplicaId;
      readonly reason: FailReason;
      readonly detail: string;
      readonly cpuMs: number;
    }
  /** The disk had no room for its input, app or output: it is nobody's fault, another node may run it. */
  | {readonly type: 'noRoom'; readonly replicaId: ReplicaId}
  | {readonly type: 'uploaded'; readonly blobId: BlobId}
  /** `isFull`: the master wants it and has no room for it now. */
  | {
      readonly type: 'uploadFailed';
      readonly blobId: BlobId;
      readonly reason: string;
      readonly isFull: boolean;
    }
  /** A shot is over. `firedAt` undefined = it never fired. */
  | {
      readonly type: 'shotDone';
      readonly captureId: CaptureId;
      readonly shot: number;
      readonly firedAt: MonoMs | undefined;
      readonly doneAt: MonoMs;
      readonly files: readonly ShotFile[];
      readonly failure: string | undefined;
      /** What `failure` tells is no fault of the action; absent = it is. */
      readonly unfired?: 'forbidden' | 'cancelled' | 'missed';
    };

export type NodeEffect =
  | SharedEffect
  /** The cold start is over: multicast commands above this floor may be opened. */
  | {
      readonly type: 'joinGroup';
      readonly clusterId: Uint8Array;
      readonly commandKey: Uint8Array;
      readonly groupKey: Uint8Array;
      readonly groupKeyId: number;
      readonly epoch: number;
      readonly seqFloor: number;
    }
  /** A new group key of the same epoch; the one before is good for a minute more. */
  | {readonly type: 'rotateGroup'; readonly groupKey: Uint8Array; readonly groupKeyId: number}
  /** Where blobs are and the keys that may sign apps. */
  | {
      readonly type: 'blobAccess';
      readonly port: number;
      readonly key: Uint8Array;
      readonly appKeys: readonly Uint8Array[];
    }
  | {readonly type: 'run'; readonly order: RunOrder}
  /** `keepsState`: it may come again, and then goes on from the state it saved. */
  | {readonly type: 'stop'; readonly replicaId: ReplicaId; readonly keepsState: boolean}
  /** Slots that stand still from now on, and how much of the time the others run. */
  | {readonly type: 'pace'; readonly held: readonly number[]; readonly cpuPercent: number}
  /** `purpose` names what entitles the node to store it: a replica or a shot. */
  | {
      readonly type: 'upload';
      readonly blobId: BlobId;
      readonly size: number;
      readonly purpose: UploadPurpose;
    }
  | {readonly type: 'dropBlob'; readonly blobId: BlobId}
  /** A shot that is not under way yet does not fire: it is over, and told as cancelled. */
  | {readonly type: 'cancelShot'; readonly captureId: CaptureId; readonly shot: number}
  | {
      readonly type: 'fire';
      readonly captureId: CaptureId;
      readonly shot: number;
      readonly action: string;
      readonly args: readonly string[];
      /** At once when not later than now. */
      readonly fireAt: MonoMs;
      /** The instant on the master's clock, for what the action draws or names. */
      readonly fireAtWall: WallMs;
      /** A small picture instead. */
      readonly preview?: true;
      /**
       * Fired on hearing: it does not wait for its floor on the disk. Whoever crashes here is told by the next Welcome
       * that this command is history, and no command to fire on hearing is given twice.
       */
      readonly early?: true;
    }
  | SetActionEffect
  | TransferEffect;

/** `full`: it is wanted, and there is no room for it now. */
export type UploadVerdict = 'wanted' | 'unwanted' | 'full';

export type UploadPurpose =
  | {readonly kind: 'replica'; readonly replicaId: ReplicaId}
  | {readonly kind: 'shot'; readonly captureId: CaptureId; readonly shot: number};
