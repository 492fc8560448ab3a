// Builds a real master: files, store, sockets, core, runtime, HTTP. `openMaster` gives a ready thing.

import {randomBytes} from 'node:crypto';
import {join} from 'node:path';
import {equalBytes, fromHex} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {Prng} from '../base/prng.ts';
import type {Address, BatchId, BlobId, CaptureId, PeerId} from '../base/types.ts';
import {openSignedApp} from '../core/app.ts';
import type {Announcement} from '../core/core.ts';
import {masterFloor} from '../core/free-space.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import {type AppRow, encodeJson} from '../core/tables.ts';
import {BLOB_PORT, openBlobServer} from '../http/blob-server.ts';
import type {MasterHandle} from '../http/handle.ts';
import type {HttpTimes} from '../http/listen.ts';
import {openOperatorServer} from '../http/server.ts';
import {readAccess, writeAccess} from '../io/access-file.ts';
import {openBlobStore} from '../io/blob-store.ts';
import type {BulkLine} from '../io/bulk-line.ts';
import {type Cluster, MASTER_SECRETS, openCluster} from '../io/cluster-files.ts';
import {NodeCrypto} from '../io/crypto.ts';
import {DiskWatch} from '../io/disk-space.ts';
import {indexLines} from '../io/index-lines.ts';
import {BlobInputs} from '../io/inputs.ts';
import {chooseInterface} from '../io/interfaces.ts';
import {checkSecretFolder} from '../io/key-files.ts';
import {type LevelStore, openLevelStore} from '../io/level-store.ts';
import {Log, type LogLevel} from '../io/log.ts';
import {StoredOutputs} from '../io/outputs.ts';
import {SECURITY_FILES, SecurityLog} from '../io/security-log.ts';
import {StoredShelf} from '../io/shelf.ts';
import {StoredSingles} from '../io/singles.ts';
import {auditStore} from '../io/store-audit.ts';
import {checkStoreIsThere, markStoreBegun} from '../io/store-begun.ts';
import {SystemClock} from '../io/system-clock.ts';
import {readRootSteps, trustIn} from '../io/trust-files.ts';
import {openUdp} from '../io/udp.ts';
import {witnessOf} from '../master/capture-witness.ts';
import type {MasterConfig} from '../master/context.ts';
import type {MasterCore} from '../master/master.ts';
import {MasterRestore} from '../master/restore.ts';
import {
  viewApps,
  viewBatch,
  viewBatches,
  viewCaptures,
  viewNodes,
  viewOneCapture,
  viewStatus,
} from '../master/status.ts';
import {transferMark, viewTransfer, viewTransfers} from '../master/transfer-view.ts';
import {MasterRuntime} from '../runtime/master-runtime.ts';
import {MasterLink} from '../wire/session-master.ts';
import {openTrust} from '../wire/trust.ts';
import {publishPrepared} from './built-in-apps.ts';
import {Closers} from './closers.ts';
import {openBulk} from './master-bulk.ts';
import {openComparer} from './master-comparer.ts';
import {type MasterSweeper, openSweeper} from './master-sweeper.ts';
import {goodApps, restoreMaster} from './store-check.ts';
import {packageVersion} from './version.ts';

const BEACON_MS = 1_000;

export type MasterOptions = {
  readonly data: string;
  /** Name or address; default: the one with the default route. */
  readonly interface?: string;
  readonly port?: number;
  readonly groupPort?: number;
  readonly httpPort?: number;
  readonly httpListen?: string;
  /** Names that others reach it by. */
  readonly httpNames?: readonly string[];
  /** Where they differ from HTTP_TIMES, for both servers. */
  readonly httpTimes?: Partial<HttpTimes>;
  readonly blobPort?: number;
  /** Bytes of the store's disk below which nothing new is taken; default 64 MiB or 5 %. */
  readonly minFreeBytes?: number;
  /** The store may be gone: begin anew. */
  readonly emptyStore?: boolean;
  /** Batches that ended so long ago are deleted; undefined = they are kept. */
  readonly retentionMs?: number;
  readonly logFormat?: 'human' | 'json';
  readonly logLevel?: LogLevel;
  /** A broken invariant, a failed disk: the process must end. */
  readonly fatal: (error: unknown) => void;
};

export type Master = {
  readonly core: MasterCore;
  readonly clusterName: string;
  readonly rootFingerprint: Uint8Array;
  /** Where nodes reach it. */
  readonly address: Address;
  readonly httpUrl: string;
  readonly operatorToken: string;
  operator(request: OperatorRequest): Promise<OperatorAnswer>;
  close(): Promise<void>;
};

export async function openMaster(options: MasterOptions): Promise<Master> {
  const closers = new Closers();
  try {
    return await buildMaster(options, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function buildMaster(given: MasterOptions, closers: Closers): Promise<Master> {
  let stop = (): void => {};
  // Nothing is acknowledged after a failure, also while the process is closing.
  const fatal = (error: unknown): void => {
    stop();
    given.fatal(error);
  };
  const options = {...given, fatal};
  const cluster = openCluster(options.data);
  checkSecretFolder(options.data, [...MASTER_SECRETS, ...SECURITY_FILES]);
  checkTrust(cluster, options.data);
  const on = chooseInterface(options.interface);
  const {address} = on;
  const base = await openBase(options, cluster, closers);
  const udp = await openUdp({
    role: 'master',
    address,
    ...(options.port === undefined ? {} : {port: options.port, masterPort: options.port}),
    ...(options.groupPort === undefined ? {} : {groupPort: options.groupPort}),
  });
  closers.add(() => udp.close());
  const sweeper = openSweeper({...base, ...options, settled: () => runtime.fence()}, closers);
  const {watchers, onAnnounce} = watchersOf(sweeper);
  const singles = new StoredSingles(base.store, base.crypto, options.fatal);
  const shelf = new StoredShelf(base.store, options.fatal);
  const inputs = new BlobInputs(base.blobs);
  const outputs = new StoredOutputs(base.store, base.blobs);
  const comparer = openComparer({...base, data: options.data, signedTrust: cluster.signedTrust});
  const bulk = openBulk(base.blobs, on, () => runtime, closers);
  const runtime = new MasterRuntime({
    core: base.core,
    link: linkOf(base, cluster, Number(udp.address.split(':')[1]), options.data),
    ports: {...base, network: udp, inputs, outputs, singles, shelf, comparer, bulk, fatal},
    commandSecretKey: cluster.commandKey.secretKey,
    head: base.head,
    beaconMs: BEACON_MS,
    onAnnounce,
    onUnnamed: sweeper.unnamed,
  });
  udp.onDatagram((bytes, from) => runtime.datagram(bytes, from));
  stop = () => runtime.stop();
  runtime.start();
  for (const reader of [singles, comparer, shelf, outputs]) closers.add(() => reader.close());
  closers.add(() => runtime.stop());
  const disk = await watchDisk(options, runtime, sweeper);
  closers.add(() => disk.close());
  const handle = handleOf({...base, runtime, watchers, disk, cluster});
  const httpUrl = await openDoors({options, cluster, address, base, handle, bulk, closers});
  return {
    core: base.core,
    clusterName: cluster.name,
    rootFingerprint: cluster.rootFingerprint,
    address: udp.address,
    httpUrl,
    operatorToken: cluster.operatorToken,
    operator: request => handle.operator(request),
    close: () => closers.closeAll(),
  };
}

function watchersOf({heard}: MasterSweeper) {
  const watchers = new Set([heard]);
  const onAnnounce = (about: Announcement): void => {
    for (const watcher of watchers) watcher(about);
  };
  return {watchers, onAnnounce};
}

/** A master whose trust document is not that of its keys would be listened to by nobody, and not know it. */
function checkTrust(cluster: Cluster, data: string): void {
  const trust = openTrust(new NodeCrypto(), cluster.signedTrust, cluster.rootFingerprint);
  const isOurs =
    trust &&
    equalBytes(trust.commandKey, cluster.commandKey.publicKey) &&
    equalBytes(trust.masterStatic, cluster.staticKey.publicKey) &&
    equalBytes(trust.clusterId, cluster.clusterId);
  if (!isOurs)
    throw new VolleyError('VOLLEY_KEY_DAMAGED', {
      path: join(data, 'trust'),
      reason: 'it is not what the root signed for these keys; bring it back from a backup',
    });
}

type Base = Awaited<ReturnType<typeof openBase>>;

/** What stands without a network: log, store, blobs, and the core with what it remembers. */
async function openBase(options: MasterOptions, cluster: Cluster, closers: Closers) {
  const crypto = new NodeCrypto();
  const clock = new SystemClock();
  const log = new Log({
    clock,
    format: options.logFormat ?? 'human',
    level: options.logLevel ?? 'info',
  });
  closers.add(() => log.close());
  const journal = new SecurityLog({dir: options.data, clock, log});
  closers.add(() => journal.close());
  checkStoreIsThere(options.data, options.emptyStore ?? false);
  const store = await openLevelStore(join(options.data, 'store'));
  closers.add(() => store.close());
  const blobs = await openBlobStore(join(options.data, 'blobs'), options.fatal);
  const head = await journal.audited(() => auditStore(store, crypto));
  markStoreBegun(options.data, clock.now().wall);
  const config: MasterConfig = {
    clusterId: cluster.clusterId,
    instanceId: crypto.random(8),
    leaseSecret: cluster.leaseSecret,
    blobSecret: crypto.random(32),
    groupKey: crypto.random(32),
    groupKeyId: crypto.random(1)[0] ?? 0,
    blobPort: options.blobPort ?? BLOB_PORT,
    signedTrust: cluster.signedTrust,
    version: packageVersion(),
    ...(options.retentionMs === undefined ? {} : {retentionMs: options.retentionMs}),
  };
  const prng = new Prng(randomBytes(6).readUIntBE(0, 6));
  const rows = new MasterRestore(config, crypto, prng, clock.now());
  const {appKeys} = trustIn(options.data, cluster.signedTrust);
  const signed = goodApps(row => isSigned(row, {crypto, appKeys, blobs, journal}));
  const core = await restoreMaster(store, rows, signed);
  store.onFailure(options.fatal);
  return {crypto, clock, journal, log, store, blobs, head, core};
}

/** What is free is known before the first request is answered. */
async function watchDisk(
  options: MasterOptions,
  runtime: MasterRuntime,
  sweeper: MasterSweeper,
): Promise<DiskWatch> {
  const floorOf = (total: number): number => options.minFreeBytes ?? masterFloor(total);
  const disk = new DiskWatch(options.data, floorOf, seen => {
    sweeper.see(seen);
    runtime.post({type: 'freeSpace', ...seen});
  });
  await disk.look();
  return disk;
}

const linkOf = ({core, crypto}: Base, cluster: Cluster, port: number, data: string): MasterLink =>
  new MasterLink({
    crypto,
    staticKey: cluster.staticKey,
    signedTrust: cluster.signedTrust,
    rootSteps: readRootSteps(data, crypto, trustIn(data, cluster.signedTrust)),
    port,
    strangersMayAsk: true,
    knows: (peer: PeerId) => core.context.roster.byPeer(peer) !== undefined,
    pskOf: tokenId => {
      const psk = core.context.roster.tokens.pskOf(tokenId);
      return psk === undefined ? undefined : fromHex(psk);
    },
  });

/** Blobs for nodes on the cluster's interface, the operator's interface on loopback. Answers its URL. */
async function openDoors(parts: {
  readonly options: MasterOptions;
  readonly cluster: Cluster;
  readonly address: string;
  readonly base: Base;
  readonly handle: MasterHandle;
  readonly bulk: BulkLine;
  readonly closers: Closers;
}): Promise<string> {
  const {options, cluster, address, base, handle, bulk, closers} = parts;
  const {blobs, crypto, clock, journal} = base;
  const appKeys = openTrust(crypto, cluster.signedTrust)?.appKeys ?? [];
  const blobServer = await openBlobServer({
    handle,
    blobs,
    hmac: (key, ...bytes) => crypto.hmacSha256(key, ...bytes),
    host: address,
    port: options.blobPort ?? BLOB_PORT,
    onNoSpace: () => journal.count('refused.noSpace'),
    times: options.httpTimes ?? {},
  });
  closers.add(() => blobServer.close());
  const {wall} = clock.now();
  await publishPrepared(options.data, {handle, blobs, crypto, appKeys, wall});
  const server = await openOperatorServer({
    handle,
    blobs,
    crypto,
    appKeys,
    token: cluster.operatorToken,
    access: {
      rows: readAccess(options.data),
      save: rows => writeAccess(options.data, rows),
    },
    onWrongToken: from => journal.note({level: 'warn', what: 'wrongToken', fields: {from}}),
    hostNames: options.httpNames ?? [],
    times: options.httpTimes ?? {},
    host: options.httpListen ?? '127.0.0.1',
    ...(options.httpPort === undefined ? {} : {port: options.httpPort}),
    onUpload: size => bulk.warm(size),
    indexLines: (lines, form) => indexLines(blobs, lines, form === 'text' ? 'text' : 'lines'),
    indexFiles: files => indexLines(blobs, ndjsonOf(files), 'files'),
  });
  closers.add(() => server.close());
  return server.url;
}

/** Nodes would refuse it: better that no batch is begun with it. Its blob may be missing for a while. */
async function isSigned(
  app: AppRow,
  parts: Pick<Base, 'crypto' | 'blobs' | 'journal'> & {readonly appKeys: readonly Uint8Array[]},
): Promise<boolean> {
  const {crypto, blobs, journal, appKeys} = parts;
  if ((await blobs.size(app.appId)) === undefined) return true;
  if (openSignedApp(crypto, appKeys, await blobs.get(app.appId)).kind === 'app') return true;
  journal.note({
    level: 'warn',
    what: 'an app is not signed by a key that the root names',
    fields: {app: app.name, version: app.version, advice: 'volley app publish signs it anew'},
  });
  return false;
}

async function* ndjsonOf(rows: readonly object[]): AsyncGenerator<Uint8Array> {
  for (const row of rows) yield new TextEncoder().encode(`${JSON.stringify(row)}\n`);
}

function handleOf(parts: {
  readonly runtime: MasterRuntime;
  readonly store: LevelStore;
  readonly clock: SystemClock;
  readonly log: Log;
  readonly watchers: Set<(about: Announcement) => void>;
  readonly disk: DiskWatch;
  readonly crypto: NodeCrypto;
  readonly cluster: Cluster;
}): MasterHandle {
  const {runtime, store, clock, log, watchers, disk, crypto, cluster} = parts;
  const {core} = runtime;
  const startedAt = clock.now().wall;
  return {
    operator: (request, actor) => new Promise(answer => runtime.operator(request, answer, actor)),
    status: () =>
      viewStatus(core, {journalNo: runtime.journalNo, startedAt, counters: log.snapshot()}),
    apps: () => viewApps(core),
    nodes: () => viewNodes(core),
    pending: () => core.pending.view(clock.now()),
    tokens: () => core.context.roster.tokens.view(clock.now().wall),
    batches: () => viewBatches(core, clock.now()),
    batch: (id: BatchId) => viewBatch(core, id, clock.now()),
    captures: () => viewCaptures(core),
    capture: (id: CaptureId) => viewOneCapture(core, id),
    captureMark: (id: CaptureId) => {
      const found = core.capture(id);
      return found && `${found.over} ${found.called} ${found.row.calling ?? false}`;
    },
    captureRecord: (id: CaptureId) => {
      const [capture, found] = [viewOneCapture(core, id), core.capture(id)];
      if (!capture || !found) return undefined;
      const body = encodeJson(witnessOf(found, core.context, clock.now().wall));
      const {clusterId, commandKey, signedTrust: trust} = cluster;
      const signature = crypto.sign(commandKey.secretKey, 'capture', clusterId, body);
      return {capture, record: {body, signature, trust}};
    },
    transfers: () => viewTransfers(core),
    transfer: (id: number) => viewTransfer(core, id),
    transferMark: (id: number) => transferMark(core, id),
    blobKeyOf: nodeId => {
      const node = core.context.roster.node(nodeId);
      return node?.welcomed ? node.blobKey : undefined;
    },
    mayUpload: (nodeId, purpose, size) => core.mayUpload(nodeId, purpose, size),
    blobStored: (blobId: BlobId, size: number) => {
      runtime.post({type: 'blobStored', blobId, size});
      void disk.look();
    },
    watch: listener => {
      watchers.add(listener);
      return () => watchers.delete(listener);
    },
    read: (table, key) => store.get(table, key),
    scan: (table, from, to) => store.scan(table, from, to),
  };
}
