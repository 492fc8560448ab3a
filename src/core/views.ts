// What faces show: the JSON of the HTTP interface, made by master/status.ts from the core's state.
// Instants are wall-clock milliseconds, lengths of time end in Ms, sizes in bytes. Fields are only added.

import type {BatchId, BlobId, CaptureId, NodeId} from '../base/types.ts';
import type {ActionPhase, ShotVerdict} from '../wire/message.ts';
import type {ActionSettings} from './action-settings.ts';
import type {Bench, Forgotten, NodeHold, ProbeRow, StateRow} from './operator-rows.ts';
import type {Preferences} from './preferences.ts';
import type {StageAt} from './stages.ts';
import type {BatchRow} from './tables.ts';
import type {NodeDelivery, TransferPurpose, TransferState} from './transfer.ts';

export type StatusView = {
  readonly clusterId: string;
  readonly version: string;
  readonly epoch: number;
  readonly journalNo: number;
  readonly startedAt: number;
  readonly nodes: {readonly known: number; readonly up: number; readonly slots: number};
  readonly batches: {readonly running: number; readonly total: number};
  readonly paused: boolean;
  /** Who suspended or resumed the cluster last, and how many of the nodes that are up have taken it. */
  readonly state: StateRow & {readonly taken: number};
  /** What nodes earned that were forgotten. */
  readonly forgotten: Forgotten;
  /** Of the disk of the store, in bytes; `full` = nothing new is taken. */
  readonly space: {readonly free: number; readonly floor: number; readonly full: boolean};
  /** What somebody has to look at now, and what to do. */
  readonly alarms: readonly AlarmView[];
  /** Drops, reports, alarms … since the start, by name. */
  readonly counters: Readonly<Record<string, number>>;
};

export type AlarmView = {
  readonly kind: 'lostState' | 'diskFull';
  readonly since: number;
  readonly text: string;
  readonly advice: string;
};

export type BatchView = BatchRow & {
  /** Workunits in memory: handed out or waiting for a node. */
  readonly open: number;
  /** Replicas out at nodes now. */
  readonly out: number;
  /** Workunits decided in a second, over the last seconds; 0 when not running. */
  readonly perSecond: number;
  /** When it will be over, as things are: milliseconds from now. Absent = it does not run, or nobody can say. */
  readonly etaMs?: number;
  /** What a running batch waits for; absent = nothing. */
  readonly waiting?: string;
  /** Of a batch with several stages that is past its own workunits: the stage that runs, or ran last. */
  readonly stageNow?: StageView;
};

export type StageView = StageAt &
  Pick<BatchRow, 'state' | 'count' | 'done' | 'failed'> & {readonly out: number};

/** How a node does with one app. */
export type NodeAppView = {
  readonly app: string;
  readonly version: string;
  /** Validated results in a row: what trust comes from where redundancy is adaptive. */
  readonly validatedInRow: number;
  /** How slow it is: 1 = as the mean of its batches, 2 = takes twice as long. Absent = not measured. */
  readonly pace?: number;
};

/** What a node heard of pulses, and how its clock is. */
export type EarView = {
  readonly heard: number;
  readonly missed: number;
  /** Of its clock, as it says itself; negative = it does not know the time. */
  readonly clockBoundMs: number;
  /** How much later than the others it says it heard the same packet; absent = too few to compare. */
  readonly skewMs?: number;
};

export type NodeView = {
  readonly nodeId: NodeId;
  /** Ed25519 public key, hex: what the node's statements are signed with. */
  readonly identityKey: string;
  readonly name: string;
  readonly labels: readonly string[];
  readonly state: 'up' | 'silent' | 'revoked';
  readonly address: string;
  readonly heardAt: number;
  readonly arch: string;
  readonly engine: string;
  readonly cores: number;
  readonly slots: number;
  readonly memoryMib: number;
  /** What holds a workunit there: 0 nothing … 3 namespaces and a user of its own. */
  readonly sandboxLevel: number;
  readonly actions: readonly string[];
  readonly version: string;
  /** Replicas it holds now. */
  readonly out: number;
  readonly validated: number;
  readonly disagreed: number;
  readonly errors: number;
  readonly credit: number;
  readonly load: number;
  /** Of its slots, those that may run now. */
  readonly allowed: number;
  /** Of the time, for those that may. */
  readonly cpuPercent: number;
  /** What runs goes on, nothing new is taken. */
  readonly draining: boolean;
  /** Why no more may run there: a word, a colon, more; '' = nothing holds it back. */
  readonly heldBy: string;
  /** What the operator wishes it to be careful with. */
  readonly preferences: Preferences;
  /** Rounds a millisecond of one core; 0 = not measured. */
  readonly speed: number;
  /** Wall clock, ms; 0 = it is a member. */
  readonly revokedAt: number;
  /** Of a revoked node: canonical results that rest on it alone; -1 = they are being listed. */
  readonly doubts: number;
  /** Of the labels, those that operators gave it. */
  readonly givenLabels?: readonly string[];
  /** Why it is given no work. */
  readonly hold?: NodeHold;
  /** Apps that it is given no work of, by rule. */
  readonly benches?: readonly Bench[];
  /** Of what this life of the master saw. */
  readonly apps?: readonly NodeAppView[];
  /** Of a node that fires actions; absent = it has not told. */
  readonly ear?: EarView;
  /** Generation of the cluster's state that it obeys; absent = it has not told. */
  readonly stateGeneration?: number;
  /** Of its actions, those of which it told something in this life of the master. */
  readonly actionStates?: readonly ActionView[];
  /** Two machines seem to have this node's key: where they are, and when the second one was last heard. */
  readonly clone?: {readonly addresses: readonly string[]; readonly at: number};
};

/** How an action of a node is; see ActionState in volley.proto. */
export type ActionView = {
  readonly action: string;
  readonly serial: number;
  readonly phase: ActionPhase;
  readonly error: string;
  readonly model: string;
  readonly warmUpMs: number;
  readonly sensorPeriodMs: number;
  /** What holds. */
  readonly settings: ActionSettings;
  readonly settingsId: number;
  /** Why the newest settings were refused; '' = they were not. */
  readonly refusal: string;
};

/** A node that asks to be let in, and is not a member. */
export type PendingView = {
  /** Its fingerprint. */
  readonly nodeId: NodeId;
  readonly name: string;
  readonly labels: readonly string[];
  readonly arch: string;
  readonly cores: number;
  readonly version: string;
  readonly address: string;
  readonly askedAt: number;
};

/** Workunits whose canonical result rests on one revoked node. */
export type DoubtsView = {
  readonly nodeId: NodeId;
  /** false = more may come. */
  readonly listed: boolean;
  readonly batches: readonly {readonly batch: BatchId; readonly indexes: readonly number[]}[];
};

export type TokenView = {
  readonly tokenId: number;
  readonly state: 'live' | 'used' | 'expired' | 'revoked';
  readonly uses: number;
  readonly usesLeft: number;
  readonly createdAt: number;
  readonly expiresAt: number;
};

export type ShotRow = {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly label: string;
  readonly shot: number;
  /** acknowledged or reported */
  readonly heard: boolean;
  readonly verdict: ShotVerdict | 'silent' | 'waiting';
  readonly reason: string;
  readonly heardAt: number;
  readonly firedAt: number;
  readonly doneAt: number;
  /** firedAt less the asked instant (or, fired on hearing, less the first firedAt of the shot). */
  readonly lateMs: number;
  readonly clockBoundMs: number;
  /** Of a sensor that runs by itself: the picture may be later than firedAt by up to so much. */
  readonly sensorPeriodMs?: number;
  readonly files: readonly {
    readonly name: string;
    readonly blobId: BlobId;
    readonly size: number;
    readonly collected: boolean;
  }[];
  /** ShotStatement as signed and its signature, hex; '' until it is there. */
  readonly statement: string;
  readonly signature: string;
};

export type CaptureView = {
  readonly id: CaptureId;
  /** Of several: their names, with + between them. */
  readonly action: string;
  readonly state: 'running' | 'done';
  readonly createdAt: number;
  readonly shots: number;
  /** Several actions, one shot each, and again from the first where there are more shots; absent = there is one. */
  readonly steps?: readonly {
    readonly atMs: number;
    readonly action: string;
    readonly args: readonly string[];
  }[];
  /** Small pictures, of no instant. */
  readonly preview?: true;
  /** Fired one after the other, so many milliseconds apart; absent = all at once. */
  readonly sweepMs?: number;
  /** Who is ready is being asked: nothing is commanded yet. */
  readonly calling?: true;
  /** Nothing fires, only the roll is called. */
  readonly dryRun?: true;
  /** Why nothing was fired. */
  readonly refused?: string;
  /** Which operator ended it before all its shots were fired. */
  readonly cancelled?: string;
  /** Who said before it that they would fire; absent = nobody was asked. */
  readonly rollCall?: RollCallView;
  /** Asked instant of each shot on the master's clock; 0 = on hearing. */
  readonly atWallMs: readonly number[];
  readonly rows: readonly ShotRow[];
  /** Latest less earliest firedAt of each shot, ms; -1 with fewer than two. */
  readonly spreadMs: readonly number[];
  /** Who has not fired, once the last instant is long enough ago to say so; until then absent. */
  readonly missing?: readonly MissingNode[];
};

export type RollCallView = {
  /** Nodes that are meant, also those that are down. */
  readonly asked: number;
  readonly ready: number;
  readonly unready: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly why: string;
  }[];
  /** The longest way of the question to a node, with repeats and repairs. */
  readonly deliveryMs: number;
  /** Nodes that are not ready because shots are `gapMs` apart, and they need longer; all would keep `keepMs`. */
  readonly slow?: {readonly nodes: number; readonly gapMs: number; readonly keepMs: number};
  /** From the answers to the first shot, also where nothing was fired then; 0 = on hearing. */
  readonly leadMs: number;
};

export type MissingNode = {
  readonly nodeId: NodeId;
  readonly name: string;
  /** `silent`: never heard of it. `unsaid`: heard of it, and has not said yet what became of it. */
  readonly why: 'silent' | 'unsaid' | Exclude<ShotVerdict, 'fired' | 'cancelled'>;
  readonly reason: string;
  readonly shots: readonly number[];
};

/** A file on its way to many nodes at once. */
export type TransferView = {
  readonly id: number;
  readonly state: TransferState;
  readonly purpose: TransferPurpose;
  /** 64 hex characters; of one that is over the first 16. */
  readonly blob: string;
  readonly size: number;
  readonly fileName?: string;
  /** Bits per second that the operator allows. */
  readonly rate?: number;
  readonly createdAt: number;
  readonly endedAt?: number;
  /** Of one that failed. */
  readonly reason?: string;
  /** At which it is sent now; 0 = it is not. */
  readonly bitsPerSecond: number;
  /** Datagrams so far, and how many it takes without a loss. */
  readonly sent: number;
  readonly symbols: number;
  readonly nodes: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    /** `away`: it is waited for, and not here. */
    readonly state: NodeDelivery['state'] | 'away';
    readonly reason?: string;
    /** Of the file, 0 … 1. */
    readonly part: number;
  }[];
};

/** One version of an app. */
export type AppVersionView = {
  readonly name: string;
  readonly version: string;
  readonly appId: BlobId;
  /** 0 = not known: it was published before this was kept. */
  readonly publishedAt: number;
  /** Fingerprint of the app key; '' = not known. */
  readonly signedBy: string;
  /** What batches get by the name now. */
  readonly current: boolean;
  /** On two processors; undefined = never. */
  readonly tried?: Pick<ProbeRow, 'result' | 'archs'>;
  /** Batches that run or ran this version. */
  readonly batches: readonly BatchId[];
};

/** One workunit in `batch results`, one NDJSON line each, in the order of their indexes. */
export type ResultView = {
  readonly batch: BatchId;
  readonly index: number;
  /** `rechecking`: it rested on a revoked node alone and is computed again; no output counts until then. */
  readonly state: 'done' | 'failed' | 'rechecking';
  /** Of one that was computed again: the same as before, or another one. */
  readonly check?: 'confirmed' | 'replaced';
  /** UTF-8 output; absent when it is not text or is a blob. */
  readonly text?: string;
  /** base64, when the output is neither text nor a blob. */
  readonly base64?: string;
  readonly blobId?: BlobId;
  readonly size: number;
  readonly reason?: string;
  /** Of a broadcast: the node whose workunit it is. */
  readonly nodeId?: NodeId;
};
