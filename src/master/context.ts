// What the parts of the master share: the tables in memory, the tools, and the effects of this turn.

import {hex32, toUtf8} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {
  asWallMs,
  type BatchId,
  type CaptureId,
  type MonoMs,
  type NodeId,
  type Now,
  type WallMs,
} from '../base/types.ts';
import type {MasterEffect, Note} from '../core/core.ts';
import {FreeSpace} from '../core/free-space.ts';
import {type NodeControl, type StateRow, trimmed} from '../core/operator-rows.ts';
import {type AppRow, type BatchRow, del, encodeJson, type Op, put} from '../core/tables.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {DesiredState} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import {Conducts} from './conduct.ts';
import {Escrow} from './escrow.ts';
import {GroupKeys} from './group-keys.ts';
import {Machines} from './machines.ts';
import {Probes} from './probes.ts';
import {Rechecks} from './rechecks.ts';
import type {NodeState, Roster} from './roster.ts';
import {Uploads} from './uploads.ts';
import type {Workunit} from './workunit.ts';

/** Row of `meta` that holds the highest epoch this master has used. */
export const EPOCH_KEY = 'epoch';

/** Row of `meta` that `volley recover` leaves: receipts of epochs before `epoch` are void above `journalNo`. */
export const RECOVERED_KEY = 'recovered';
export type RecoveredRow = {readonly epoch: number; readonly journalNo: number};
export const NEVER_RECOVERED: RecoveredRow = {epoch: 0, journalNo: 0};
/** Nodes find a restarted master within this. */
const YOUNG_MS = 30_000;

export type MasterConfig = {
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  /** 8 random bytes of this start. */
  readonly instanceId: Uint8Array;
  /** 32 bytes that never change: proofs of leases are made with it. */
  readonly leaseSecret: Uint8Array;
  /** 32 random bytes of this start; nodes' blob keys are derived from it. It never leaves the master. */
  readonly blobSecret: Uint8Array;
  /** 32 random bytes of this start: the first group key. */
  readonly groupKey: Uint8Array;
  readonly groupKeyId: number;
  /** Where blobs are: over TCP for one node, and as a port of the multicast group of transfers for many. */
  readonly blobPort: number;
  /** SignedTrust, encoded. */
  readonly signedTrust: Uint8Array;
  readonly version: string;
  /** Batches that ended so long ago are deleted; undefined = they are kept. */
  readonly retentionMs?: number;
};

/** What a node proved that we lost: commits above `journalNo` up to `receipt`. */
export type LostState = {
  readonly receipt: number;
  readonly journalNo: number;
  readonly noticedAt: number;
};

export class MasterContext {
  readonly config: MasterConfig;
  readonly crypto: Crypto;
  readonly prng: Prng;
  readonly roster: Roster;
  readonly groupKeys: GroupKeys;
  readonly rechecks: Rechecks;
  readonly batches: Map<BatchId, Batch>;
  /** Batches that are not ended, in the order of their ids. */
  readonly running = new Set<Batch>();
  readonly apps: Map<string, AppRow>;
  readonly space = new FreeSpace();
  readonly uploads = new Uploads();
  /** When the disk became full. */
  fullSince = 0;
  readonly dirtyBatches = new Set<Batch>();
  /** Batches that were deleted in this turn. */
  readonly gone = new Set<BatchId>();
  /** To be judged at the end of this turn: a restart found them. */
  readonly toSettle = new Set<Workunit>();
  /** Open only because of a suspicious result. */
  readonly suspected = new Set<Workunit>();
  /** Nodes that were up before a restart may not be back yet. */
  isYoung = true;
  /** Grows when a workunit comes to want a replica: an idle node told of less is woken. */
  workNo = 0;
  /** All idle nodes, and some that are so no longer (`idleSince` tells). */
  readonly idle = new Set<NodeState>();
  /** The next call for work is for every idle node, however little there is. */
  callAll = false;
  epoch: number;
  /** Number of the last durable commit; the runtime keeps it. */
  journalNo = 0;
  /** The same at the start. */
  bootJournalNo = 0;
  /** What a recovery of the store could not save. */
  readonly recovered: RecoveredRow;
  state: DesiredState;
  /** The same, with who set it. */
  stateRow: StateRow;
  readonly conducts = new Conducts(this);
  readonly escrow = new Escrow(this);
  readonly machines = new Machines(this);
  readonly probes = new Probes(this);
  readonly bootedAt: MonoMs;
  readonly #wallAtBoot: WallMs;
  /** Nodes with a receipt above our journal, until they have offered again what they keep. */
  readonly lost = new Map<NodeId, LostState>();
  #effects: MasterEffect[] = [];

  constructor(parts: {
    config: MasterConfig;
    crypto: Crypto;
    prng: Prng;
    roster: Roster;
    batches: Map<BatchId, Batch>;
    apps: Map<string, AppRow>;
    epoch: number;
    recovered: RecoveredRow;
    state: StateRow;
    bootedAt: Now;
  }) {
    this.bootedAt = parts.bootedAt.mono;
    this.#wallAtBoot = parts.bootedAt.wall;
    this.config = parts.config;
    this.crypto = parts.crypto;
    this.prng = parts.prng;
    this.roster = parts.roster;
    const {groupKeyId: id, groupKey: key} = parts.config;
    this.groupKeys = new GroupKeys(this, {id, key});
    this.rechecks = new Rechecks(this);
    this.batches = parts.batches;
    this.apps = parts.apps;
    this.epoch = parts.epoch;
    const {generation, paused} = parts.state;
    this.state = {generation, paused};
    this.stateRow = parts.state;
    this.recovered = parts.recovered;
    for (const batch of this.batches.values()) if (batch.running) this.running.add(batch);
  }

  emit(effect: MasterEffect): void {
    this.#effects.push(effect);
  }

  save(op: Op): void {
    this.#effects.push({type: 'save', op});
  }

  drop(table: Op['table'], key: string): void {
    this.save(del(table, key));
  }

  note(level: Note['level'], what: string, fields: Note['fields'] = {}): void {
    this.#effects.push({type: 'note', note: {level, what, fields}});
  }

  announceBatch(row: BatchRow): void {
    this.#effects.push({type: 'announce', about: {kind: 'batch', batchId: row.id}, row});
    const {stage} = row; // what the batch shows that it is of has changed too
    if (stage)
      this.#effects.push({type: 'announce', about: {kind: 'batch', batchId: stage.batchId}});
  }

  /** What was decided about a node, durable. */
  setControl(node: NodeState, control: NodeControl): void {
    node.control = trimmed(control);
    const {nodeId} = node.row;
    if (Object.keys(node.control).length === 0) this.drop('control', nodeId);
    else this.save(put('control', nodeId, encodeJson(node.control)));
  }

  /** The batch is no more: whoever asks finds nothing. */
  announceGone(batchId: BatchId): void {
    this.#effects.push({type: 'announce', about: {kind: 'batch', batchId}});
  }

  announceNode(nodeId: NodeId): void {
    this.#effects.push({type: 'announce', about: {kind: 'node', nodeId}});
  }

  announceCapture(captureId: CaptureId): void {
    this.#effects.push({type: 'announce', about: {kind: 'capture', captureId}});
  }

  /** Saves the new epoch; nothing of it leaves before that is durable. */
  raiseEpoch(epoch: number): void {
    this.epoch = epoch;
    this.save(put('meta', EPOCH_KEY, encodeJson({epoch})));
  }

  /**
   * First 8 bytes of SHA-256(lease secret ‖ 'epoch' ‖ epoch): what a node shows of an epoch that this master does not
   * know any more. Leases are proven with other texts (leases.ts): they begin with a node's id.
   */
  epochProof(epoch: number): Uint8Array {
    const text = toUtf8(`epoch${hex32(epoch)}`);
    return this.crypto.sha256(this.config.leaseSecret, text).subarray(0, 8);
  }

  /**
   * The cluster's clock: the master's wall clock at its start, and from there the monotonic one. Nodes learn
   * it and commands are timed by it, so that a master whose wall clock is set (NTP after a boot without a
   * battery, an operator) neither fires an hour late nor lets commands expire.
   */
  instant(mono: MonoMs): WallMs {
    return asWallMs(this.#wallAtBoot + (mono - this.bootedAt));
  }

  grow(mono: MonoMs): void {
    this.isYoung = mono - this.bootedAt < YOUNG_MS;
  }

  takeEffects(): MasterEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
