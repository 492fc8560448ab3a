// What travels inside sessions and commands, as plain readonly values. proto/volley.proto is the manual
// of each; codec.ts turns them into bytes and back and holds every length below to limits.ts.
// Byte fields are owned by the receiver of the value: the decoder copies them out of the datagram.

import type {BatchId, BlobId, CaptureId, WallMs} from '../base/types.ts';
import type {TransferOffer, TransferOrder, TransferReport} from './bulk-message.ts';

/** Why a master does not welcome a node; volley.proto says what the node does about each. */
export type RefusalReason =
  | 'pending'
  | 'full'
  | 'clone'
  | 'epoch'
  | 'denied'
  | 'revoked'
  | 'token-used'
  | 'token-expired'
  | 'token-revoked'
  | 'binding'
  | 'identity';

export type DesiredState = {readonly generation: number; readonly paused: boolean};

export type Hello = {
  readonly type: 'hello';
  readonly identityKey: Uint8Array;
  readonly binding: Uint8Array;
  readonly name: string;
  readonly labels: readonly string[];
  readonly arch: string;
  readonly engine: string;
  readonly cores: number;
  readonly slots: number;
  readonly memoryMib: number;
  readonly runtimes: readonly string[];
  readonly actions: readonly string[];
  readonly version: string;
  readonly receiptHead: number;
  readonly epochSeen: number;
  /** Instance of the master that welcomed this node into that epoch; empty = none did. */
  readonly instanceSeen: Uint8Array;
  /** As its Welcome said it; empty = it said none. */
  readonly epochProof: Uint8Array;
  readonly bootId: Uint8Array;
  /** 0 … SANDBOX_LEVEL_MAX. */
  readonly sandboxLevel: number;
  /** Rounds a millisecond of one core, by a short benchmark; 0 = not measured. */
  readonly speed: number;
};

export type Welcome = {
  readonly type: 'welcome';
  /** 8 random bytes of this start of the master; empty = it does not say. */
  readonly instanceId: Uint8Array;
  readonly clusterId: Uint8Array;
  readonly epoch: number;
  /** 8 bytes that only a master of this cluster can make; empty = it does not say. */
  readonly epochProof: Uint8Array;
  readonly seqFloor: number;
  readonly groupKey: Uint8Array;
  readonly groupKeyId: number;
  readonly heartbeatMs: number;
  readonly blobPort: number;
  readonly blobKey: Uint8Array;
  readonly state: DesiredState;
  /** This node alone is suspended, or quarantined: it has no leases. */
  readonly suspended: boolean;
  /** Labels that the operator gave it, beside its own. */
  readonly labels: readonly string[];
  readonly wallMs: WallMs;
  /** SignedTrust, encoded; wire/trust.ts opens it. */
  readonly trust: Uint8Array;
  /** End of the master's journal: receipts above it are for what the master has forgotten. */
  readonly journalNo: number;
  /** Where it ended when this master started: receipts of earlier epochs above it are void. */
  readonly bootJournalNo: number;
  /** The store was recovered: receipts of epochs before `lostEpoch` are void above `lostAfter`. 0 = never. */
  readonly lostEpoch: number;
  readonly lostAfter: number;
};

export type Refusal = {readonly type: 'refusal'; readonly reason: string};

export type ReplicaRef = {
  readonly batchId: BatchId;
  readonly index: number;
  readonly replicaNo: number;
};
/** `proof` is that of the lease; 0 = not told. */
export type Renewal = ReplicaRef & {readonly permille: number; readonly proof: number};

export type Pull = {
  readonly type: 'pull';
  readonly nonce: number;
  readonly wanted: number;
  readonly wantedMs: number;
  readonly running: readonly Renewal[];
  readonly load: number;
  /** The newest group key that the node has. */
  readonly groupKeyId: number;
  /** Of the state of the cluster that the node obeys. */
  readonly stateGeneration: number;
  /** What may run there now; undefined = a node that does not tell. */
  readonly guest?: Guest;
  /** Leases given back unfinished. */
  readonly returned?: readonly Renewal[];
  /** What it heard of pulses since the Pull before; absent = nothing. */
  readonly ear?: EarReport;
};

export type EarReport = {
  readonly epoch: number;
  /** Since the first of this epoch. */
  readonly heard: number;
  readonly missed: number;
  /** Negative = the clock is not known. */
  readonly clockBoundMs: number;
  /** The newest, and when they were heard, on the master's clock. */
  readonly pulses: readonly {readonly no: number; readonly heardWallMs: number}[];
};

/** How much of a node's work may run now, by its owner and its operator. */
export type Guest = {
  /** Slots that may not run. */
  readonly heldSlots: number;
  /** 1 … 100: of the time, for those that may. */
  readonly cpuPercent: number;
  /** Why no more, for people: a word, a colon, more words; '' = nothing holds it back. */
  readonly reason: string;
  /** What runs goes on, nothing new is taken. */
  readonly draining: boolean;
  /** Of the newest Preferences message that it has; 0 = none. */
  readonly preferencesId: number;
};

/** `json`: an object with keys of core/preferences.ts; '{}' takes back what was wished before. */
export type PreferencesMessage = {
  readonly type: 'preferences';
  readonly id: number;
  readonly json: string;
};

export type Input =
  | {readonly kind: 'inline'; readonly bytes: Uint8Array}
  | {
      readonly kind: 'slice';
      readonly blobId: BlobId;
      readonly offset: number;
      readonly length: number;
    }
  | {readonly kind: 'range'; readonly start: number; readonly end: number};

export type Lease = {
  readonly index: number;
  readonly replicaNo: number;
  readonly proof: number;
  readonly input: Input;
};

/** A whole blob. */
export type BlobRef = {readonly blobId: BlobId; readonly size: number};

export type AssignedBatch = {
  readonly batchId: BatchId;
  readonly appId: BlobId;
  readonly args: readonly string[];
  readonly leaseMs: number;
  readonly timeLimitMs: number;
  readonly memoryLimitMib: number;
  readonly outputLimitBytes: number;
  /** What each of its workunits may read beside its own input. */
  readonly shared?: BlobRef;
  readonly leases: readonly Lease[];
};

export type Assign = {
  readonly type: 'assign';
  readonly nonce: number;
  readonly batches: readonly AssignedBatch[];
  readonly waitMs: number;
  readonly state: DesiredState;
  readonly closed: readonly BatchId[];
  /** This node alone is suspended, or quarantined: it has no leases. */
  readonly suspended: boolean;
  readonly wallMs: WallMs;
  /** 0 … parts-1: one Pull may be answered by several datagrams. */
  readonly part: number;
  readonly parts: number;
};

export type OutputRef =
  | {readonly kind: 'inline'; readonly bytes: Uint8Array}
  | {readonly kind: 'blob'; readonly blobId: BlobId; readonly size: number};

/** Why a replica brought no output. Only `trapped` may be the app's own, repeatable fault. */
export type FailReason =
  | 'trapped'
  | 'timedOut'
  | 'outOfMemory'
  | 'outputTooLarge'
  | 'refused'
  | 'inputMissing'
  | 'runnerLost';

export type ResultItem = ReplicaRef & {
  readonly proof: number;
  readonly cpuMs: number;
} /** `suspicion`: bits, see Suspicion in volley.proto; absent = 0. */ & (
    | {readonly status: 'done'; readonly output: OutputRef; readonly suspicion?: number}
    | {readonly status: FailReason; readonly reason: string}
  );

/** `body` is the encoded ResultList, the exact signed bytes; codec.decodeResults opens it. */
export type Report = {
  readonly type: 'report';
  readonly nonce: number;
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
};

export type GroupKey = {
  readonly type: 'groupKey';
  readonly groupKey: Uint8Array;
  readonly groupKeyId: number;
};

export type Receipt = {
  readonly type: 'receipt';
  readonly nonce: number;
  readonly journalNo: number;
  readonly signature: Uint8Array;
};

export type CommandCopy = {readonly type: 'commandCopy'; readonly datagram: Uint8Array};

export type AckVerdict = 'accepted' | 'expired' | 'notAllowed';
export type AckStatement = {
  readonly epoch: number;
  readonly seq: number;
  readonly heardWallMs: WallMs;
  readonly clockBoundMs: number;
  readonly verdict: AckVerdict;
  /** To a roll call: why this node would not fire now; absent = it would, or it was not asked. */
  readonly unready?: string;
  /** To a roll call: space for what shots write, MiB. */
  readonly freeMib?: number;
  /** To a roll call: what a shot of this action took of late, from its firing to its end; absent = not known. */
  readonly shotMs?: number;
};
/** `body` is an encoded AckStatement. */
export type CommandAck = {
  readonly type: 'commandAck';
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
};

export type TimeProbe = {readonly type: 'timeProbe'; readonly nonce: number};
export type TimeReply = {
  readonly type: 'timeReply';
  readonly nonce: number;
  readonly receivedWallMs: WallMs;
  readonly sentWallMs: WallMs;
};

export type ShotVerdict = 'fired' | 'failed' | 'missed' | 'forbidden' | 'cancelled';
export type ShotFile = {readonly name: string; readonly blobId: BlobId; readonly size: number};
export type ShotStatement = {
  readonly captureId: CaptureId;
  readonly shot: number;
  readonly epoch: number;
  readonly seq: number;
  readonly heardWallMs: WallMs;
  /** 0 = never fired. */
  readonly firedWallMs: WallMs;
  readonly doneWallMs: WallMs;
  /** How far instants here may be off, either way; negative = the clock was not known. */
  readonly clockBoundMs: number;
  readonly verdict: ShotVerdict;
  readonly reason: string;
  readonly files: readonly ShotFile[];
  /** Of the Fire command. */
  readonly salt: number;
  /** Between frames of a sensor that runs by itself; absent = it does not, or nobody knows. */
  readonly sensorPeriodMs?: number;
};
/** `body` is an encoded ShotStatement. */
export type ShotReport = {
  readonly type: 'shotReport';
  readonly nonce: number;
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
};

export type Collect = {readonly type: 'collect'; readonly blobIds: readonly BlobId[]};

/** `trust`: a SignedTrust, encoded, newer than the one in the Welcome that it answers. */
export type TrustUpdate = {readonly type: 'trustUpdate'; readonly trust: Uint8Array};

export type ActionPhase = 'off' | 'arming' | 'ready' | 'unable';
/** How an action of a node is. */
export type ActionState = {
  readonly type: 'actionState';
  readonly action: string;
  /** One more with each change in this life of the node. */
  readonly serial: number;
  readonly phase: ActionPhase;
  readonly error: string;
  readonly model: string;
  readonly warmUpMs: number;
  readonly sensorPeriodMs: number;
  /** JSON of ActionSettings: what holds. */
  readonly settings: string;
  /** Of the newest SetAction that was done, or refused. */
  readonly settingsId: number;
  /** '' = it was done. */
  readonly refusal: string;
};
export type ActionHeard = {
  readonly type: 'actionHeard';
  readonly action: string;
  readonly serial: number;
};

/** In a session: to who has not answered the command, or was not there. */
export type TransferOfferMessage = {readonly type: 'transferOffer'} & TransferOffer;

export type {Command, CommandWhat, Sweep, Target} from './command-message.ts';

export type Message =
  | Hello
  | Welcome
  | Refusal
  | Pull
  | Assign
  | Report
  | GroupKey
  | Receipt
  | CommandCopy
  | CommandAck
  | TimeProbe
  | TimeReply
  | ShotReport
  | Collect
  | TrustUpdate
  | PreferencesMessage
  | ActionState
  | ActionHeard
  | TransferOfferMessage
  | TransferReport
  | TransferOrder;

export type TrustDocument = {
  readonly rootKey: Uint8Array;
  readonly clusterId: Uint8Array;
  readonly version: number;
  readonly commandKey: Uint8Array;
  readonly masterStatic: Uint8Array;
  readonly appKeys: readonly Uint8Array[];
};
