// Every stored table, its key and the version of its rows. Numbers and names are for ever: a table is
// never renamed, a row version only grows, a retired one stays here as a comment.
//
// The store frames each value as [version u8][crc32 u32][payload]; what is below is the payload. Rows
// that change with every workunit are packed binary, the rest is JSON that a person can read.

import {ByteReader, ByteWriter, fromUtf8, hex32, hex53, toUtf8} from '../base/bytes.ts';
import type {BatchId, BlobId, CaptureId, NodeId} from '../base/types.ts';
import {asBatchId, asBlobId, asNodeId} from '../base/types.ts';
import type {BlobRef, FailReason, OutputRef} from '../wire/message.ts';
import type {AppRuntime} from './app-bodies.ts';
import type {InputSource} from './input-source.ts';
import type {BatchControl} from './operator-rows.ts';
import type {Policy} from './policy.ts';
import type {Preferences} from './preferences.ts';
import type {StageAt, StageOf, StagePlan} from './stages.ts';

/** Row version of each table, as stored in the first byte of a value. */
export const TABLES = {
  // both
  meta: 1,
  journal: 2, // 1: one hash of all operations, no claims
  // master
  batch: 1,
  history: 1,
  page: 1,
  vote: 1,
  report: 1,
  node: 1,
  control: 1,
  credit: 1,
  doubt: 1,
  check: 1, // rows: core/checks.ts
  tries: 1, // rows: core/tries.ts
  token: 1,
  app: 1,
  release: 1,
  capture: 1,
  shot: 1,
  transfer: 1, // rows: core/transfer.ts
  delivery: 1, // rows: core/transfer.ts
  // node
  spool: 1,
  kept: 1,
} as const satisfies Record<string, number>;

export type TableName = keyof typeof TABLES;

/** Keys are ASCII and sort as their numbers do. */
export type Op =
  | {
      readonly type: 'put';
      readonly table: TableName;
      readonly key: string;
      readonly value: Uint8Array;
    }
  | {readonly type: 'del'; readonly table: TableName; readonly key: string};

export function put(table: TableName, key: string, value: Uint8Array): Op {
  return {type: 'put', table, key, value};
}
export const del = (table: TableName, key: string): Op => ({type: 'del', table, key});

export const encodeJson = (value: unknown): Uint8Array => toUtf8(JSON.stringify(value));

/** The row as JSON, or undefined when it is not. The caller names the damage. */
export function decodeJson(bytes: Uint8Array): unknown {
  const text = fromUtf8(bytes);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON row that a core wrote. Throws RangeError when it is not an object. */
export function jsonRow<T>(bytes: Uint8Array): T {
  const row = decodeJson(bytes);
  if (typeof row !== 'object' || row === null) throw new RangeError('row is not JSON');
  return row as T;
}

export const batchKey = (batchId: BatchId): string => hex32(batchId);
export const captureKey = (captureId: CaptureId): string => hex32(captureId);
export const reportKey = (reportNo: number): string => hex53(reportNo);
export const journalKey = (journalNo: number): string => hex53(journalNo);

// ---- page: what became of 64 neighbouring workunits -------------------------------------------

/** Workunits in one page row: a row is rewritten with each decision in it, so it stays near 500 B. */
export const PAGE_WORKUNITS = 64;

export const pageKey = (batchId: BatchId, pageNo: number): string =>
  `${hex32(batchId)}${hex32(pageNo)}`;
/** `batch` and page number of a page key. */
export const decodePageKey = (
  key: string,
): {readonly batchId: BatchId; readonly pageNo: number} => ({
  batchId: asBatchId(Number.parseInt(key.slice(0, 8), 16)),
  pageNo: Number.parseInt(key.slice(8, 16), 16),
});
export const pageNoOf = (index: number): number => Math.floor(index / PAGE_WORKUNITS);

/** `done`: the canonical output is item `item` of report row `reportNo`. */
export type Decision =
  | {
      readonly kind: 'done';
      readonly reportNo: number;
      readonly item: number;
      /** Redundancy was adaptive: this result alone decided. */
      readonly single?: true;
    }
  | {readonly kind: 'failed'; readonly reason: string};

/** Added to the head of a decision. */
const SINGLE = 2 * PAGE_WORKUNITS;

/** Decisions by offset in the page, 0 … PAGE_WORKUNITS-1. */
export function encodePage(decisions: ReadonlyMap<number, Decision>): Uint8Array {
  const writer = new ByteWriter();
  for (const [offset, decision] of decisions) {
    if (decision.kind === 'done')
      writer
        .varint(offset * 2 + (decision.single ? SINGLE : 0))
        .varint(decision.reportNo)
        .varint(decision.item);
    else writer.varint(offset * 2 + 1).text(decision.reason);
  }
  return writer.bytes();
}

/** Throws RangeError for a row that is cut short. */
export function decodePage(bytes: Uint8Array): Map<number, Decision> {
  const reader = new ByteReader(bytes);
  const decisions = new Map<number, Decision>();
  while (!reader.done) {
    const head = reader.varint();
    const offset = (head >> 1) % PAGE_WORKUNITS;
    if (head % 2 === 0)
      decisions.set(offset, {
        kind: 'done',
        reportNo: reader.varint(),
        item: reader.varint(),
        ...(head >= SINGLE ? {single: true} : {}),
      });
    else decisions.set(offset, {kind: 'failed', reason: reader.text()});
  }
  return decisions;
}

// ---- vote: a result of a workunit that is still open ------------------------------------------

export const voteKey = (
  batchId: BatchId,
  index: number,
  nodeId: NodeId,
  replicaNo: number,
): string => `${hex32(batchId)}${hex32(index)}${nodeId}${hex32(replicaNo)}`;

export type VoteRow = {
  readonly replicaNo: number;
  readonly reportNo: number;
  readonly item: number;
  readonly cpuMs: number;
  /** Where only machines of one kind are held against each other: the kind that computed it (homogeneous.ts). */
  readonly machine?: string;
} /** `suspicion`: why one replica more is wanted before it counts. */ & (
  | {readonly status: 'done'; readonly output: OutputRef; readonly suspicion?: string}
  /** `unfit`: an output that cannot be compared. */
  | {readonly status: FailReason | 'unfit'; readonly reason: string}
);

const STATUSES = [
  'done',
  'trapped',
  'timedOut',
  'outOfMemory',
  'outputTooLarge',
  'refused',
  'inputMissing',
  'runnerLost',
  'unfit',
] as const; // append only

export function encodeVote(vote: VoteRow): Uint8Array {
  const writer = new ByteWriter()
    .varint(vote.replicaNo)
    .varint(vote.reportNo)
    .varint(vote.item)
    .varint(Math.round(vote.cpuMs))
    .varint(STATUSES.indexOf(vote.status));
  const {machine} = vote;
  if (vote.status !== 'done') writer.text(vote.reason);
  else {
    const {output, suspicion} = vote;
    if (output.kind === 'inline') writer.varint(0).sized(output.bytes);
    else writer.varint(1).text(output.blobId).varint(output.size);
    if (suspicion !== undefined || machine !== undefined) writer.text(suspicion ?? '');
  }
  if (machine !== undefined) writer.text(machine);
  return writer.bytes();
}

/** Throws RangeError for a row that is cut short or names an unknown status. */
export function decodeVote(bytes: Uint8Array): VoteRow {
  const reader = new ByteReader(bytes);
  const replicaNo = reader.varint();
  const reportNo = reader.varint();
  const item = reader.varint();
  const cpuMs = reader.varint();
  const status = STATUSES[reader.varint()];
  if (status === undefined) throw new RangeError('vote has an unknown status');
  const head = {replicaNo, reportNo, item, cpuMs};
  const machineIn = (): {readonly machine?: string} =>
    reader.done ? {} : {machine: reader.text()};
  if (status !== 'done') return {...head, status, reason: reader.text(), ...machineIn()};
  const output: OutputRef =
    reader.varint() === 0
      ? {kind: 'inline', bytes: reader.sized()}
      : {kind: 'blob', blobId: asBlobId(reader.text()), size: reader.varint()};
  const suspicion = reader.done ? '' : reader.text(); // '' = none
  return {...head, status, output, ...(suspicion === '' ? {} : {suspicion}), ...machineIn()};
}

/** `batch`, `index` and node of a vote key. */
export const decodeVoteKey = (
  key: string,
): {readonly batchId: BatchId; readonly index: number; readonly nodeId: NodeId} => ({
  batchId: asBatchId(Number.parseInt(key.slice(0, 8), 16)),
  index: Number.parseInt(key.slice(8, 16), 16),
  nodeId: asNodeId(key.slice(16, 48)),
});

// ---- report: the signed evidence, as received -------------------------------------------------

export type ReportRow = {
  readonly nodeId: NodeId;
  readonly signature: Uint8Array;
  /** Encoded ResultList; wire/codec.ts opens it. */
  readonly body: Uint8Array;
};

export const encodeReportRow = (row: ReportRow): Uint8Array =>
  new ByteWriter().text(row.nodeId).sized(row.signature).sized(row.body).bytes();

export function decodeReportRow(bytes: Uint8Array): ReportRow {
  const reader = new ByteReader(bytes);
  return {nodeId: asNodeId(reader.text()), signature: reader.sized(), body: reader.sized()};
}

// ---- credit: what a node earned ---------------------------------------------------------------

/** `credit` = sum over canonical workunits this node agreed on of the batch's credit for each. */
export type CreditRow = {
  readonly validated: number;
  readonly disagreed: number;
  readonly errors: number;
  readonly credit: number;
};

export const NO_CREDIT: CreditRow = {validated: 0, disagreed: 0, errors: 0, credit: 0};

export const encodeCredit = (row: CreditRow): Uint8Array =>
  new ByteWriter()
    .varint(row.validated)
    .varint(row.disagreed)
    .varint(row.errors)
    .varint(row.credit)
    .bytes();

export function decodeCredit(bytes: Uint8Array): CreditRow {
  const reader = new ByteReader(bytes);
  return {
    validated: reader.varint(),
    disagreed: reader.varint(),
    errors: reader.varint(),
    credit: reader.varint(),
  };
}

// ---- JSON rows --------------------------------------------------------------------------------

export type BatchState = 'running' | 'done' | 'failed' | 'cancelled';

export type BatchRow = BatchControl & {
  readonly id: BatchId;
  readonly name: string;
  readonly appName: string;
  readonly appId: BlobId;
  readonly runtime: AppRuntime;
  /** What a node's owner must allow (grants.ts): an action, `action+files`, `container:IMAGE`; '' of wasm. */
  readonly action: string;
  readonly args: readonly string[];
  readonly input: InputSource;
  readonly count: number;
  readonly policy: Policy;
  readonly state: BatchState;
  readonly reason: string;
  readonly createdAt: number;
  readonly endedAt: number;
  readonly done: number;
  readonly failed: number;
  /** Replicas handed out, results accepted, results that differ from the canonical one, errors. */
  readonly replicas: number;
  readonly results: number;
  readonly disagreements: number;
  readonly errors: number;
  /** Highest report row that this batch names: report numbers go on above the highest of all. */
  readonly lastReportNo: number;
  /** Results that rested on a revoked node alone: being checked again, found the same, replaced by another. */
  readonly rechecking: number;
  readonly confirmed: number;
  readonly replaced: number;
  /** Done by one result alone, where redundancy is adaptive. */
  readonly singles: number;
  /** 32 random bits in the proofs of its leases: results of a lost batch of the same number are not of this one. */
  readonly salt: number;
  /** firstWins: the workunit that ended the batch. */
  readonly winner?: number | undefined;
  /** What follows its own workunits, and where that stands; absent = nothing follows. */
  readonly plan?: StagePlan;
  readonly stageAt?: StageAt | undefined;
  /** It is such a stage of another batch. */
  readonly stage?: StageOf;
  /** What all its workunits may read beside their own input. */
  readonly shared?: BlobRef;
  /** Replicas wanted because another one was late; absent = never. */
  readonly hedges?: number;
};

export type NodeRow = {
  readonly nodeId: NodeId;
  readonly peer: string;
  readonly identityKey: string;
  readonly name: string;
  readonly labels: readonly string[];
  readonly arch: string;
  readonly engine: string;
  readonly cores: number;
  readonly slots: number;
  readonly memoryMib: number;
  /** undefined in rows of before it was told. */
  readonly sandboxLevel?: number;
  /** Of its benchmark; undefined as above, 0 = not measured. */
  readonly speed?: number;
  /** What the operator wishes it to be careful with, and the number that names it; undefined = nothing ever. */
  readonly wishes?: {readonly id: number; readonly preferences: Preferences};
  readonly runtimes: readonly string[];
  readonly actions: readonly string[];
  readonly version: string;
  readonly enrolledAt: number;
  /** Wall clock, ms; 0 = it is a member. Never taken back. */
  readonly revokedAt: number;
  /** The highest number of a batch when it was revoked; undefined in rows of before it was told. */
  readonly lastBatchId?: number;
  /** Canonical results that rest on this revoked node alone; -1 = they are being listed. */
  readonly doubts: number;
  /** All of them were taken out of their pages, to be computed again. */
  readonly rechecked?: boolean;
};

export type AppRow = {
  readonly appId: BlobId;
  readonly name: string;
  readonly version: string;
  readonly runtime: AppRuntime;
  /** As of a batch. */
  readonly action: string;
  readonly publishedAt: number;
  /** Fingerprint of the key that signed it; absent in rows of before it was kept. */
  readonly signedBy?: string;
  readonly timeLimitSeconds: number;
  readonly memoryLimitMib: number;
  readonly outputLimitBytes: number;
  /** It can reduce its own results. */
  readonly reduces?: true;
};
