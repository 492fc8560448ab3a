// A folder of blobs whose ages a test chooses, and rows as the master writes them.

import {existsSync, mkdirSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {
  asBatchId,
  asBlobId,
  asCaptureId,
  asNodeId,
  asWallMs,
  type BlobId,
} from '../../src/base/types.ts';
import {DAY_MS} from '../../src/base/units.ts';
import {encodeManifest} from '../../src/core/app.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import {encodeJson, encodeReportRow, encodeVote, type TableName} from '../../src/core/tables.ts';
import {BlobStore} from '../../src/io/blob-store.ts';
import {
  GRACE_MS,
  type SweepOptions,
  type SweepReport,
  sweepBlobs,
} from '../../src/io/blob-sweep.ts';
import type {StoredRow} from '../../src/io/level-store.ts';
import {toShotRow} from '../../src/master/capture-row.ts';
import {encodeResults, encodeShot} from '../../src/wire/codec.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {sha256} from './sha256.ts';

/** The day of these sweeps. */
export const NOW = asWallMs(Date.UTC(2026, 10, 22));
const NODE = asNodeId('11'.repeat(16));
const idOf = (bytes: Uint8Array): BlobId => asBlobId(toHex(sha256(bytes)));
const ROOT = temporaryFolder('sweep');
let folders = 0;

/** A folder of blobs whose files were touched when a test says. */
export class Folder {
  readonly dir = join(ROOT, String(folders++));
  readonly blobs = new BlobStore(this.dir);

  constructor() {
    mkdirSync(this.dir);
  }

  pathOf(blobId: BlobId): string {
    return join(this.dir, blobId.slice(0, 2), blobId);
  }

  write(content: string | Uint8Array, ageMs = 2 * DAY_MS): BlobId {
    const bytes = typeof content === 'string' ? toUtf8(content) : content;
    const blobId = idOf(bytes);
    mkdirSync(join(this.dir, blobId.slice(0, 2)), {recursive: true});
    writeFileSync(this.pathOf(blobId), bytes);
    const touchedAt = (NOW - ageMs) / 1_000;
    utimesSync(this.pathOf(blobId), touchedAt, touchedAt);
    return blobId;
  }

  has(blobId: BlobId): boolean {
    return existsSync(this.pathOf(blobId));
  }

  sweep(rows: readonly StoredRow[], changes: Partial<SweepOptions> = {}): Promise<SweepReport> {
    const store = {
      async *rows() {
        for (const row of rows) yield [row];
      },
    };
    return sweepBlobs({store, blobs: this.blobs, now: () => NOW, graceMs: GRACE_MS, ...changes});
  }
}

export const row = (table: TableName, key: string, payload: Uint8Array): StoredRow => ({
  rowKey: `${table}/${key}`,
  payload,
  fault: undefined,
});
export const json = (table: TableName, value: object, key = '1'): StoredRow =>
  row(table, key, encodeJson(value));
export const batch = (input: InputSource, more: object = {}): StoredRow =>
  json('batch', {id: 1, name: 'b', input, ...more}, '00000001');

export const report = (blobId: BlobId): StoredRow => {
  const output = {kind: 'blob', blobId, size: 900} as const;
  const item = {batchId: asBatchId(1), index: 0, replicaNo: 0, proof: 7, cpuMs: 1} as const;
  const body = encodeResults([{...item, status: 'done', output}]);
  const value = encodeReportRow({nodeId: NODE, signature: new Uint8Array(64), body});
  return row('report', '00000000000001', value);
};
export const vote = (blobId: BlobId, size: number): StoredRow => {
  const head = {replicaNo: 0, reportNo: 1, item: 0, cpuMs: 1};
  const output = {kind: 'blob', blobId, size} as const;
  return row('vote', '1', encodeVote({...head, status: 'done', output}));
};
export const shot = (blobId: BlobId, isCollected: boolean): StoredRow => {
  const statement = {
    captureId: asCaptureId(1),
    shot: 1,
    epoch: 1,
    seq: 1,
    heardWallMs: NOW,
    firedWallMs: NOW,
    doneWallMs: NOW,
    clockBoundMs: 1,
    verdict: 'fired',
    reason: '',
    files: [{name: 'a.jpg', blobId, size: 5}],
    salt: 1,
  } as const;
  const collected = new Set(isCollected ? [blobId] : []);
  const signed = {body: encodeShot(statement), signature: new Uint8Array(64), collected};
  const value = encodeJson(toShotRow({nodeId: NODE, shot: 1, heardAt: 0, statement, ...signed}));
  return row('shot', '1', value);
};

/** The lines are in this blob; nobody has their index. */
export const linesOf = (blobId: BlobId): InputSource => ({
  kind: 'lines',
  blobId,
  indexBlobId: asBlobId('0'.repeat(64)),
  count: 1,
});

const manifest = (blobId: BlobId, description: string): Uint8Array =>
  encodeManifest({
    format: 1,
    name: 'a',
    version: '1.0.0',
    description,
    runtime: 'wasm',
    wasm: {blobId, size: 9},
    limits: {timeSeconds: 1, memoryMib: 1, outputBytes: 1},
  });

/** A signed app with this module; nobody looks at the signature. */
export const signedApp = (module: BlobId, description = ''): string =>
  `${'A'.repeat(86)}==\n${Buffer.from(manifest(module, description))}`;
export const listOf = (ids: readonly BlobId[], name = 'file'): string =>
  ids.map((blob, i) => `${JSON.stringify({name: `${name}-${i}`, blob, size: 7})}\n`).join('');
export const filesOf = (blobId: BlobId): InputSource =>
  ({...linesOf(blobId), kind: 'files'}) as InputSource;
