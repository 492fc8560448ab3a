// A master without a core: MasterHandle over plain maps, with a real blob folder, for the servers' tests.

import {mkdtemp, rm} from 'node:fs/promises';
import {request} from 'node:http';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {
  asBatchId,
  asBlobId,
  asCaptureId,
  asNodeId,
  type BatchId,
  type BlobId,
  type CaptureId,
  type NodeId,
} from '../../src/base/types.ts';
import type {Announcement, UploadVerdict} from '../../src/core/core.ts';
import type {OperatorAnswer, OperatorRequest} from '../../src/core/operator-request.ts';
import {type Actor, FIRST_STATE} from '../../src/core/operator-rows.ts';
import type {AppRow, TableName} from '../../src/core/tables.ts';
import type {
  BatchView,
  CaptureView,
  NodeView,
  PendingView,
  StatusView,
  TokenView,
  TransferView,
} from '../../src/core/views.ts';
import type {AccessRows} from '../../src/http/access-book.ts';
import {OperatorClient} from '../../src/http/client.ts';
import {EventHub, type EventHubOptions} from '../../src/http/events.ts';
import type {MasterHandle, RecordedCapture} from '../../src/http/handle.ts';
import {type OperatorServerOptions, openOperatorServer} from '../../src/http/server.ts';
import {type BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';

export const TOKEN = 'f'.repeat(64);
/** Nobody but the owner. */
export const OWNER_ALONE: AccessRows = {rows: [], save: () => undefined};
export const NODE = asNodeId('0123456789abcdef0123456789abcdef');
export const OTHER = asNodeId('ff23456789abcdef0123456789abcdef');
export const crypto = new NodeCrypto();

export const idOf = (bytes: Uint8Array): BlobId =>
  asBlobId(Buffer.from(crypto.sha256(bytes)).toString('hex'));

export const batchView = (id: number, changes: Partial<BatchView> = {}): BatchView => ({
  id: asBatchId(id),
  name: `b${id}`,
  appName: 'primes',
  appId: asBlobId('a'.repeat(64)),
  runtime: 'wasm',
  action: '',
  args: [],
  input: {kind: 'range', start: 0, end: 1_000, chunk: 1},
  count: 1_000,
  policy: {
    minQuorum: 2,
    targetReplicas: 2,
    maxErrorReplicas: 3,
    maxTotalReplicas: 8,
    leaseSeconds: 60,
    priority: 0,
    timeLimitSeconds: 60,
    memoryLimitMib: 64,
    outputLimitBytes: 65_536,
  },
  state: 'running',
  reason: '',
  createdAt: 1,
  endedAt: 0,
  done: 0,
  failed: 0,
  replicas: 0,
  results: 0,
  disagreements: 0,
  errors: 0,
  rechecking: 0,
  confirmed: 0,
  replaced: 0,
  singles: 0,
  lastReportNo: 0,
  salt: 1,
  open: 0,
  out: 0,
  perSecond: 0,
  ...changes,
});

export const nodeView = (nodeId: NodeId): NodeView => ({
  nodeId,
  identityKey: '00'.repeat(32),
  name: 'n1',
  labels: [],
  state: 'up',
  address: '127.0.0.1:1',
  heardAt: 1,
  arch: 'x64',
  engine: 'v8',
  cores: 4,
  slots: 4,
  memoryMib: 1_024,
  sandboxLevel: 2,
  allowed: 4,
  cpuPercent: 100,
  draining: false,
  heldBy: '',
  preferences: {},
  speed: 0,
  actions: [],
  version: '0.1.0',
  out: 0,
  validated: 0,
  disagreed: 0,
  errors: 0,
  credit: 0,
  load: 0,
  revokedAt: 0,
  doubts: 0,
});

export const captureView = (id: number): CaptureView => ({
  id: asCaptureId(id),
  action: 'camera',
  state: 'running',
  createdAt: 1,
  shots: 1,
  atWallMs: [0],
  rows: [],
  spreadMs: [-1],
});

export const transferView = (id: number, changes: Partial<TransferView> = {}): TransferView => ({
  id,
  state: 'sending',
  purpose: 'push',
  blob: 'ab'.repeat(32),
  size: 3,
  fileName: 'file.bin',
  createdAt: 1,
  bitsPerSecond: 1e6,
  sent: 2,
  symbols: 2,
  nodes: [{nodeId: NODE, name: 'n1', state: 'listening', part: 0.5}],
  ...changes,
});

type Bytes3 = [Uint8Array, Uint8Array, Uint8Array];

export class FakeHandle implements MasterHandle {
  readonly requests: OperatorRequest[] = [];
  readonly actors: (Actor | undefined)[] = [];
  readonly batchViews = new Map<number, BatchView>();
  readonly captureViews = new Map<number, CaptureView>();
  readonly transferViews = new Map<number, TransferView>();
  readonly nodeViews: NodeView[] = [nodeView(NODE)];
  readonly pendingViews: PendingView[] = [];
  readonly tokenViews: TokenView[] = [];
  readonly appRows: AppRow[] = [];
  readonly blobKeys = new Map<NodeId, Uint8Array>([[NODE, crypto.random(32)]]);
  readonly stored: [BlobId, number][] = [];
  readonly rows = new Map<string, Uint8Array>();
  readonly listeners = new Set<(about: Announcement) => void>();
  answer: OperatorAnswer = {
    ok: true,
    batchId: asBatchId(1),
    captureId: asCaptureId(1),
    settingsId: 1,
    transferId: 1,
  };
  wanted = true;
  isFull = false;
  /** Pages scanned so far. */
  scanned = 0;

  async operator(request: OperatorRequest, actor?: Actor): Promise<OperatorAnswer> {
    this.requests.push(request);
    this.actors.push(actor);
    return this.answer;
  }

  pending(): readonly PendingView[] {
    return this.pendingViews;
  }

  tokens(): readonly TokenView[] {
    return this.tokenViews;
  }

  status(): StatusView {
    return {
      clusterId: 'c',
      version: '0.1.0',
      epoch: 1,
      journalNo: 1,
      startedAt: 1,
      nodes: {known: 1, up: 1, slots: 4},
      batches: {running: 0, total: 0},
      paused: false,
      state: {...FIRST_STATE, taken: 0},
      forgotten: {nodes: 0, validated: 0, disagreed: 0, errors: 0, credit: 0},
      space: {free: 1e9, floor: 0, full: false},
      alarms: [],
      counters: {},
    };
  }

  apps = (): readonly AppRow[] => this.appRows;
  nodes = (): readonly NodeView[] => this.nodeViews;
  batches = (): readonly BatchView[] => [...this.batchViews.values()];
  batch = (id: BatchId): BatchView | undefined => this.batchViews.get(id);
  captures = (): readonly CaptureView[] => [...this.captureViews.values()];
  captureLooks = 0;
  capture = (id: CaptureId): CaptureView | undefined => {
    this.captureLooks += 1;
    return this.captureViews.get(id);
  };
  captureMark = (id: CaptureId): string | undefined => this.captureViews.get(id)?.state;
  captureRecord = (id: CaptureId): RecordedCapture | undefined => {
    const capture = this.captureViews.get(id);
    const [body, signature, trust] = [1, 2, 3].map(byte => Uint8Array.of(byte)) as Bytes3;
    return capture && {capture, record: {body, signature, trust}};
  };
  transfers = (): readonly TransferView[] => [...this.transferViews.values()];
  transfer = (id: number): TransferView | undefined => this.transferViews.get(id);
  transferMark = (id: number): string => this.transferViews.get(id)?.state ?? '';
  blobKeyOf = (id: NodeId): Uint8Array | undefined => this.blobKeys.get(id);
  mayUpload = (): UploadVerdict => (!this.wanted ? 'unwanted' : this.isFull ? 'full' : 'wanted');

  blobStored(blobId: BlobId, size: number): void {
    this.stored.push([blobId, size]);
  }

  watch(listener: (about: Announcement) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  announce(about: Announcement): void {
    for (const listener of this.listeners) listener(about);
  }

  change(id: number, changes: Partial<BatchView>): void {
    this.batchViews.set(id, batchView(id, {...this.batchViews.get(id), ...changes}));
    this.announce({kind: 'batch', batchId: asBatchId(id)});
  }

  async read(table: TableName, key: string): Promise<Uint8Array | undefined> {
    return this.rows.get(`${table}/${key}`);
  }

  async *scan(
    table: TableName,
    from: string,
    to: string,
  ): AsyncGenerator<readonly [string, Uint8Array]> {
    const keys = [...this.rows.keys()]
      .filter(key => key.startsWith(`${table}/`))
      .map(key => key.slice(table.length + 1))
      .filter(key => key >= from && key < to)
      .sort();
    for (const key of keys) {
      this.scanned += 1;
      yield [key, this.rows.get(`${table}/${key}`) ?? new Uint8Array()];
    }
  }
}

export async function openFolder(t: ExecutionContext): Promise<{dir: string; blobs: BlobStore}> {
  const dir = await mkdtemp(join(tmpdir(), 'volley-http-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  return {dir, blobs: await openBlobStore(join(dir, 'blobs'))};
}

export type Rig = {
  readonly url: string;
  readonly handle: FakeHandle;
  readonly blobs: BlobStore;
  readonly dir: string;
  readonly hub: EventHub;
  readonly client: OperatorClient;
};

export async function openRig(
  t: ExecutionContext,
  changes: Partial<OperatorServerOptions> = {},
  hubChanges: Partial<EventHubOptions> = {},
): Promise<Rig> {
  const handle = new FakeHandle();
  const {dir, blobs} = await openFolder(t);
  const hub = new EventHub({handle, ...hubChanges});
  const indexBlobId = asBlobId('b'.repeat(64));
  const server = await openOperatorServer({
    handle,
    blobs,
    token: TOKEN,
    access: OWNER_ALONE,
    crypto,
    appKeys: [],
    port: 0,
    hub,
    indexLines: async source => {
      const {blobId, size} = await blobs.putStream(source);
      return {blobId, indexBlobId, count: size};
    },
    indexFiles: async files => ({
      blobId: files[0]?.blob ?? indexBlobId,
      indexBlobId,
      count: files.length,
    }),
    ...changes,
  });
  const client = new OperatorClient({url: server.url, token: TOKEN});
  t.teardown(async () => {
    client.close();
    await server.close();
  });
  return {url: server.url, handle, blobs, dir, hub, client};
}

export type Answer = {status: number; headers: Record<string, unknown>; body: string};

export type RawAsk = {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
};

/** A request as anybody could make it: no token unless given. */
export function ask(
  url: string,
  {method = 'GET', headers = {}, body}: RawAsk = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {method, headers, agent: false}, response => {
      const parts: Buffer[] = [];
      response.on('data', part => parts.push(part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(parts).toString('latin1'),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const BEARER = {authorization: `Bearer ${TOKEN}`};
export const JSON_BEARER = {...BEARER, 'content-type': 'application/json'};
export const codeOf = (answer: Answer): string => JSON.parse(answer.body).error.code;
export const fieldsOf = (answer: Answer): Record<string, unknown> =>
  JSON.parse(answer.body).error.fields;

/** Waits until `holds` does; the test's own timeout is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 2));
}

export async function* chunks(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

export async function allOf<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
