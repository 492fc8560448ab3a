// What operators decided and the master keeps: about batches, nodes and the whole cluster, and who did it.

import {hex32} from '../base/bytes.ts';
import type {BatchId, BlobId, NodeId} from '../base/types.ts';
import type {CreditRow} from './tables.ts';

/** Who asks: the name and the role of an operator token. */
export type Actor = {readonly name: string; readonly role: string};

/** The master by itself: what it does by a rule of its own. */
export const BY_RULE: Actor = {name: 'master', role: 'rule'};

/** Something that an operator set: by whom, when (wall clock, ms) and why ('' = not said). */
export type Mark = {readonly by: string; readonly at: number; readonly reason: string};

/** Which nodes may compute a batch; a list that is absent chooses nobody out. */
export type BatchTarget = {
  /** Any of these labels, or … */
  readonly labels?: readonly string[];
  /** … any of these ids. */
  readonly nodes?: readonly NodeId[];
  /** And one of these processors: arm, arm64, x64. */
  readonly archs?: readonly string[];
  /** And with at least so much memory, MiB … */
  readonly memoryMib?: number;
  /** … and so many cores. */
  readonly cores?: number;
};

/** Part of the batch row. Absent = never asked for; rows of earlier versions have none of it. */
export type BatchControl = {
  /** No new replicas; those that are out may end. */
  readonly suspended?: Mark;
  /** How often its failed workunits were given back their error count. */
  readonly retries?: number;
  /** The try in which all of it is that began anew when it had ended; of others `tries` tells (core/tries.ts). */
  readonly baseTry?: number;
  /** Pages are still being looked through for failed workunits: it cannot end before that. */
  readonly retrying?: true;
  /** Its rows are going; nothing shows it any more. */
  readonly deleting?: true;
  readonly clonedFrom?: BatchId;
  readonly target?: BatchTarget;
  /** No report below this one names it. */
  readonly firstReportNo?: number;
  /** Rows of its history: the number of the next one. */
  readonly historyNo?: number;
};

/** One thing that somebody did to a batch. Only ever added. */
export type HistoryRow = {
  /** Wall clock, ms. */
  readonly at: number;
  readonly actor: string;
  readonly role: string;
  /** submitted, suspended, resumed, priority, retried, cancelled, ended, deleted … */
  readonly action: string;
  readonly detail: string;
};

/** Rows of one batch; the oldest goes first. */
export const HISTORY_ROWS_MAX = 1_000;

export const historyKey = (batchId: BatchId, no: number): string => hex32(batchId) + hex32(no);

/** Numbers given out, kept beside the rows that name them: a number of a deleted batch never comes again. */
export const NUMBERS_KEY = 'numbers';
export type NumbersRow = {readonly batchId: number; readonly reportNo: number};
/** The same for captures, once one was deleted. */
export const CAPTURES_KEY = 'captures';
export type CapturesRow = {readonly lastId: number};

// ---- nodes ------------------------------------------------------------------------------------

/**
 * suspended    it stops what runs and is given nothing
 * draining     it is given nothing; what it has may end
 * quarantined  it is given nothing, and its results do not count until it is released
 */
export type HoldKind = 'suspended' | 'draining' | 'quarantined';
export type NodeHold = Mark & {readonly kind: HoldKind};

/** Why a node gets no work of one app, by a rule of the master (master/quarantine.ts). Instants: cluster's clock, ms. */
export type Bench = {
  readonly appId: BlobId;
  readonly app: string;
  readonly reason: string;
  readonly since: number;
  /** From then on it may show, with one workunit at a time, that it is right again. */
  readonly until: number;
  /** How often in a row; each is twice as long as the one before. */
  readonly times: number;
};

/** Row of table `control`: what was decided about a node, whatever it says itself. */
export type NodeControl = {
  /** Beside those that the node has of its own. */
  readonly labels?: readonly string[];
  readonly hold?: NodeHold;
  readonly benches?: readonly Bench[];
};

/** Without what is empty: a row of nothing is no row. */
export function trimmed({labels = [], hold, benches = []}: NodeControl): NodeControl {
  return {
    ...(labels.length > 0 ? {labels} : {}),
    ...(hold ? {hold} : {}),
    ...(benches.length > 0 ? {benches} : {}),
  };
}

/** What nodes earned that are not known any more, together. */
export type Forgotten = CreditRow & {readonly nodes: number};

// ---- apps --------------------------------------------------------------------------------------

/**
 * alike    its results are the same on two processors
 * differs  they are not, and on each they are
 * itself   no two of them are
 */
export type ProbeResult = 'alike' | 'differs' | 'itself';

/** Row of `meta`, one for each version of an app that was tried on two processors (master/probe.ts). */
export const PROBE_PREFIX = 'probe-';
export type ProbeRow = {
  readonly appId: BlobId;
  readonly result: ProbeResult;
  readonly archs: readonly string[];
  /** The workunit that it was tried with. */
  readonly batchId: number;
  readonly index: number;
  readonly at: number;
};

// ---- broadcasts --------------------------------------------------------------------------------

/** Row of `meta` beside each batch that is a broadcast: workunit i is that of node i. Never changes. */
export const BROADCAST_PREFIX = 'broadcast-';
export const broadcastKey = (batchId: BatchId): string => BROADCAST_PREFIX + hex32(batchId);
export type BroadcastRow = {readonly batchId: number; readonly nodes: readonly NodeId[]};

// ---- join tokens -------------------------------------------------------------------------------

/**
 * The secret is not stored, only the `psk` (hex) that a one-way function makes of it: both ends need it for
 * the handshake. So who reads the store cannot print the token, but can let nodes in with the psk for as long
 * as the token has uses left and has not expired; a used, expired or revoked one is worth nothing to him.
 */
export type TokenRow = {
  readonly tokenId: number;
  readonly psk: string;
  readonly uses: number;
  readonly usesLeft: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** 0 = not revoked. */
  readonly revokedAt: number;
};

// ---- the whole cluster ------------------------------------------------------------------------

/** Whether nodes compute at all. The generation rises with each change; 0 = nobody ever changed it. */
export const STATE_KEY = 'state';
export type StateRow = Mark & {readonly generation: number; readonly paused: boolean};
export const FIRST_STATE: StateRow = {generation: 0, paused: false, by: '', at: 0, reason: ''};
