// Branded ids and times: a string or a number that the compiler refuses to mix up. Only this file,
// wire/codec.ts and the row decoders of core/tables.ts make them from raw values.

declare const brand: unique symbol;
export type Brand<T, B extends string> = T & {readonly [brand]: B};

/** 32 hex characters: the first 16 bytes of SHA-256 of the node's Ed25519 identity key. */
export type NodeId = Brand<string, 'NodeId'>;
/** 64 hex characters: an X25519 static public key; names one end of a session. */
export type PeerId = Brand<string, 'PeerId'>;
/** 1, 2, 3 …: numbered by the master, never reused. Fits a uint32. */
export type BatchId = Brand<number, 'BatchId'>;
/** 1, 2, 3 …: numbered by the master, never reused. Fits a uint32. */
export type CaptureId = Brand<number, 'CaptureId'>;
/** `batch/index`, for people and logs. */
export type WorkunitId = Brand<string, 'WorkunitId'>;
/** `batch/index/replicaNo`: one node's copy of a workunit; unique for the life of a cluster. */
export type ReplicaId = Brand<string, 'ReplicaId'>;
/** 64 hex characters: SHA-256 of the bytes. */
export type BlobId = Brand<string, 'BlobId'>;
/** `host:port` with a literal IPv4 address. */
export type Address = Brand<string, 'Address'>;

/** Milliseconds of the monotonic clock of this process, fractions allowed; dies with the process. */
export type MonoMs = Brand<number, 'MonoMs'>;
/** Milliseconds since 1970 of the wall clock, fractions allowed; the only time that is stored. */
export type WallMs = Brand<number, 'WallMs'>;
export type Now = {readonly mono: MonoMs; readonly wall: WallMs};

export const NEVER = Number.POSITIVE_INFINITY as MonoMs;

export const asNodeId = (hex: string): NodeId => hex as NodeId;
export const asPeerId = (hex: string): PeerId => hex as PeerId;
export const asBatchId = (no: number): BatchId => no as BatchId;
export const asCaptureId = (no: number): CaptureId => no as CaptureId;
export const asBlobId = (hex: string): BlobId => hex as BlobId;
export const asAddress = (text: string): Address => text as Address;
export const asMonoMs = (ms: number): MonoMs => ms as MonoMs;
export const asWallMs = (ms: number): WallMs => ms as WallMs;

export const workunitId = (batchId: BatchId, index: number): WorkunitId =>
  `${batchId}/${index}` as WorkunitId;
export const replicaId = (batchId: BatchId, index: number, replicaNo: number): ReplicaId =>
  `${batchId}/${index}/${replicaNo}` as ReplicaId;

const NAMED = /^(\d{1,10})\/(\d{1,10})(?:\/(\d{1,10}))?$/;
const UINT32_MAX = 2 ** 32 - 1;

/** What somebody typed: `3/17/0`, or `3/17` where the node has one replica of it; undefined = neither. */
export function readReplica(text: string): ReplicaId | WorkunitId | undefined {
  const [, batch, index, no] = NAMED.exec(text) ?? [];
  if (batch === undefined || index === undefined) return undefined;
  const numbers = [batch, index, ...(no === undefined ? [] : [no])].map(Number);
  if (numbers[0] === 0 || numbers.some(each => each > UINT32_MAX)) return undefined;
  return numbers.join('/') as ReplicaId | WorkunitId;
}

export const addMono = (at: MonoMs, ms: number): MonoMs => (at + ms) as MonoMs;
export const addWall = (at: WallMs, ms: number): WallMs => (at + ms) as WallMs;
