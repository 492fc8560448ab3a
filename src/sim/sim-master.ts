// The master's machine: a disk, keys and blobs that outlive its processes, and at most one process.

import {fromHex, toHex, viewOf} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Address, BlobId, PeerId} from '../base/types.ts';
import type {UploadPurpose} from '../core/core.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import type {MasterCore} from '../master/master.ts';
import {MasterRestore} from '../master/restore.ts';
import {type MasterPorts, MasterRuntime} from '../runtime/master-runtime.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import type {Receipt} from '../wire/message.ts';
import {MasterLink} from '../wire/session-master.ts';
import {
  type Fabric,
  GROUP_ADDRESS,
  MASTER_ADDRESS,
  SECOND_ADDRESS,
  WALL_AT_ZERO,
  type Watcher,
} from './fabric.ts';
import {auditDisk, restoreMaster} from './sim-boot.ts';
import {SimBulk, type SimBulkOptions} from './sim-bulk.ts';
import {SimClock} from './sim-clock.ts';
import {SimComparer} from './sim-comparer.ts';
import {type Folder, isSigned, newFolder, signedBy} from './sim-folder.ts';
import {SimInputs} from './sim-inputs.ts';
import type {SimNode} from './sim-node.ts';
import {lookups} from './sim-shelf.ts';
import {SimStore} from './sim-store.ts';
import {type Bundle, idOf, rowOf, type SimVault, type TrustFiles} from './sim-vault.ts';
import {WatchedStore} from './watched-store.ts';

export const MASTER_NO = 0;
/** Far from all numbers of nodes. */
const SECOND_NO = 0xffff;
/** An app takes longer than a disk: long enough that a master dies meanwhile. */
const SLOW_COMPARISON = 20;

type Process = {
  readonly core: MasterCore;
  readonly clock: SimClock;
  readonly link: MasterLink;
  readonly runtime: MasterRuntime;
  /** What this life read of the folder. */
  readonly trust: TrustFiles;
};

type Options = {
  /** Runs on a copy of this one's folder, at another address; nobody watches it. */
  readonly first?: SimMaster;
  /** Keys are rotated, and apps are signed. */
  readonly hasVault?: boolean;
};

export class SimMaster {
  readonly store: WatchedStore;
  /** Files of the blob folder, by hash: their sizes. */
  readonly blobs = new Map<BlobId, number>();
  /** Signed apps and their modules, by hash. */
  readonly appBlobs: Map<BlobId, Uint8Array>;
  readonly folder: Folder;
  /** The operator's, on no machine; undefined = nobody rotates keys. */
  readonly vault: SimVault | undefined;
  readonly address: Address;
  readonly #no: number;
  readonly #isFirst: boolean;
  readonly #fabric: Fabric;
  readonly #beaconMs: number;
  #process: Process | undefined;
  #wallAtZero = WALL_AT_ZERO;
  /** By signature: which life of the master signed a receipt. */
  readonly #receipts = new Map<string, number>();
  readonly #issuedAt = new Map<string, number>();
  /** How long the machine slept in all: time that its clock does not know of. */
  sleptMs = 0;
  readonly #wallOfEpoch = new Map<number, number>();
  /** More than one where it was raised. */
  readonly #epochsOfLife = new Set<number>();
  #wallOfLife = WALL_AT_ZERO;
  lives = 0;

  constructor(fabric: Fabric, beaconMs: number, {first, hasVault = false}: Options = {}) {
    const {crypto, network, prng} = fabric;
    this.#fabric = fabric;
    this.#beaconMs = beaconMs;
    this.#isFirst = first === undefined;
    this.#no = first ? SECOND_NO : MASTER_NO;
    this.address = first ? SECOND_ADDRESS : MASTER_ADDRESS;
    const made = first ?? newFolder(crypto, hasVault);
    this.folder = first ? {...first.folder} : made.folder;
    this.vault = made.vault;
    this.appBlobs = new Map(first?.appBlobs);
    const disk = new SimStore({
      after: fabric.diskTimer(this.#no),
      latencyMs: () => fabric.diskMs(),
      prng: prng.fork(),
    });
    if (first) {
      disk.restore(first.store.disk.snapshot());
      this.#wallAtZero = first.#wallAtZero;
    }
    this.store = new WatchedStore(disk, ops => this.#watcher?.masterDurable(ops));
    for (const address of first ? [SECOND_ADDRESS] : [MASTER_ADDRESS, GROUP_ADDRESS])
      network.attach(address, this.#no, (bytes, from) => {
        const process = this.#process;
        process?.clock.run(() => process.runtime.datagram(bytes, from));
      });
  }

  get commandKey(): KeyPair {
    return this.folder.commandKey;
  }

  get clusterId(): Uint8Array {
    return this.folder.clusterId;
  }

  get rootFingerprint(): Uint8Array {
    return this.folder.rootFingerprint;
  }

  get #watcher(): Watcher | undefined {
    return this.#isFirst ? this.#fabric.watcher : undefined;
  }

  get core(): MasterCore | undefined {
    return this.#process?.core;
  }

  get clock(): SimClock | undefined {
    return this.#process?.clock;
  }

  get link(): MasterLink | undefined {
    return this.#process?.link;
  }

  get up(): boolean {
    return this.#process !== undefined;
  }

  /** Version of the trust document that it runs with. */
  get trustVersion(): number | undefined {
    return this.#process?.trust.version;
  }

  /** The cluster's clock at the start of the world, as this life keeps it. */
  get clusterAtZero(): number {
    return this.#wallOfLife;
  }

  /** Wall clock at the start of the world, as the life with this epoch had it. */
  wallAtZero(epoch: number): number {
    return this.#wallOfEpoch.get(epoch) ?? this.#wallOfLife;
  }

  /** As its lives had them. */
  get wallsAtZero(): readonly number[] {
    return [this.#wallOfLife, ...this.#wallOfEpoch.values()];
  }

  boot(): void {
    const fabric = this.#fabric;
    const {crypto, prng} = fabric;
    const head = auditDisk(this.store.disk, crypto);
    if (typeof head === 'string') return fabric.refuses(this, this.#no, head);
    this.lives += 1;
    const clock = new SimClock({
      timeline: fabric.timeline,
      no: this.#no,
      monoAtStart: prng.fraction() * 1e6,
      wallAtZero: this.#wallAtZero,
      drift: 0,
      turnMs: () => fabric.turnMs(),
    });
    const config = this.#config();
    const rows = new MasterRestore(config, crypto, prng.fork(), clock.now());
    const {trust} = this.folder;
    const core = this.#restore(rows, trust);
    if (!core) return fabric.refuses(this, this.#no, 'its trust document is an old one');
    this.#wallOfLife = this.#wallAtZero;
    this.#epochsOfLife.clear();
    this.#keepEpoch(core.context.epoch);
    const link = this.#linkOf(core, trust);
    const runtime = new MasterRuntime({
      core,
      link,
      ports: {
        clock,
        network: {
          send: (to, bytes) => fabric.network.send(this.address, to, bytes),
          sendToMember: (to, bytes) => fabric.network.send(this.address, to, bytes),
          multicast: bytes => fabric.network.multicast(this.address, bytes),
        },
        store: this.store,
        journal: fabric.journalOf(this.#isFirst ? 'master' : 'second master'),
        ...this.#readers(clock, (transferId, news) =>
          runtime.post({type: 'bulkNews', transferId, news}),
        ),
        crypto: this.#signing(crypto, config.instanceId),
        fatal: error => fabric.fatal(this, this.#no, error),
      },
      commandSecretKey: this.commandKey.secretKey,
      head,
      beaconMs: this.#beaconMs,
      afterTurn: () => {
        this.#keepEpoch(core.context.epoch); // it may have been raised
        this.#watcher?.masterTurn(core);
      },
    });
    this.#process = {core, clock, link, runtime, trust};
    fabric.trace?.(`master boots, life ${this.lives}, epoch ${core.context.epoch}`);
    this.#watcher?.masterBooted(core);
    fabric.mischief?.masterBooted(this);
    fabric.onMasterBoot?.(this);
    runtime.start();
  }

  #readers(
    clock: SimClock,
    tell: SimBulkOptions['tell'],
  ): Pick<MasterPorts, 'inputs' | 'singles' | 'shelf' | 'comparer' | 'outputs' | 'bulk'> {
    const {crypto, network} = this.#fabric;
    const multicast = (bytes: Uint8Array): void => network.multicast(this.address, bytes);
    const takesMs = (): number => this.#fabric.uploadMs();
    return {
      inputs: new SimInputs(clock, takesMs),
      ...lookups(clock, this.store.disk, crypto, takesMs),
      comparer: new SimComparer(clock, () => SLOW_COMPARISON * takesMs()),
      bulk: new SimBulk({clock, crypto, multicast, takesMs, tell}),
    };
  }

  #config() {
    const {crypto} = this.#fabric;
    return {
      clusterId: this.clusterId,
      instanceId: crypto.random(8),
      leaseSecret: this.folder.leaseSecret,
      blobSecret: crypto.random(32),
      groupKey: crypto.random(32),
      groupKeyId: crypto.random(1)[0] ?? 0,
      blobPort: 6274,
      signedTrust: this.folder.trust.signedTrust,
      version: 'sim',
    };
  }

  /** Remembers who signed which receipt: a word of a life whose disk is lost is no promise of this one. */
  #signing(crypto: Crypto, instanceId: Uint8Array): Crypto {
    const life = this.lives;
    const signing: Crypto = {
      random: length => crypto.random(length),
      sha256: (...parts) => crypto.sha256(...parts),
      hmacSha256: (key, ...parts) => crypto.hmacSha256(key, ...parts),
      x25519: (secretKey, publicKey) => crypto.x25519(secretKey, publicKey),
      x25519KeyPair: () => crypto.x25519KeyPair(),
      ed25519KeyPair: () => crypto.ed25519KeyPair(),
      seal: (key, nonce, aad, plaintext) => crypto.seal(key, nonce, aad, plaintext),
      open: (key, nonce, aad, ciphertext) => crypto.open(key, nonce, aad, ciphertext),
      verify: (key, purpose, signature, ...parts) =>
        crypto.verify(key, purpose, signature, ...parts),
      sign: (secretKey, purpose, ...parts) => {
        const signature = crypto.sign(secretKey, purpose, ...parts);
        if (purpose === 'command') this.#noteIssued(instanceId, parts[0]);
        if (purpose === 'receipt') this.#receipts.set(toHex(signature.subarray(0, 16)), life);
        return signature;
      },
    };
    return signing;
  }

  /** When a command was signed first; its header holds the seq (wire/command.ts). */
  #noteIssued(instanceId: Uint8Array, header: Uint8Array | undefined): void {
    if (!header) return;
    const name = `${toHex(instanceId)}/${viewOf(header).getUint32(8)}/${viewOf(header).getUint32(16)}`;
    if (!this.#issuedAt.has(name)) this.#issuedAt.set(name, this.#fabric.timeline.now);
  }

  /** World time at which this command was said first; undefined = not by this master. */
  issuedAt(instanceId: Uint8Array, epoch: number, seq: number): number | undefined {
    return this.#issuedAt.get(`${toHex(instanceId)}/${epoch}/${seq}`);
  }

  /** The life that signed this receipt. */
  lifeOf(receipt: Receipt): number | undefined {
    return this.#receipts.get(toHex(receipt.signature.subarray(0, 16)));
  }

  /** undefined = a later document than the folder's has been seen. */
  #restore(rows: MasterRestore, {signedTrust}: TrustFiles): MasterCore | undefined {
    const wanted = signedBy(this.#fabric.crypto, signedTrust, this.appBlobs);
    try {
      return restoreMaster(this.store.disk, rows, this.vault ? wanted : () => true);
    } catch (error) {
      if (error instanceof VolleyError && error.code === 'VOLLEY_TRUST_OLD') return undefined;
      throw error;
    }
  }

  /** `volley app publish`; false = it is not taken. @param answer as that of operator() */
  publish({appId, signed, manifest, module}: Bundle, answer: (answer: OperatorAnswer) => void) {
    const {crypto} = this.#fabric;
    const process = this.#process;
    if (!process) return false;
    if (!isSigned(crypto, process.trust.signedTrust, signed)) return false;
    this.keepApp(signed, module);
    this.operator({kind: 'addApp', app: rowOf(manifest, appId)}, answer);
    return true;
  }

  /** Blobs that whoever is an operator may upload. */
  keepApp(...blobs: readonly Uint8Array[]): void {
    for (const blob of blobs) this.appBlobs.set(idOf(this.#fabric.crypto, blob), blob);
  }

  #linkOf(core: MasterCore, {signedTrust, steps}: TrustFiles): MasterLink {
    return new MasterLink({
      crypto: this.#fabric.crypto,
      staticKey: this.folder.staticKey,
      signedTrust,
      rootSteps: steps,
      port: 6273,
      strangersMayAsk: true,
      knows: (peer: PeerId) => core.context.roster.byPeer(peer) !== undefined,
      pskOf: tokenId => {
        const psk = core.context.roster.tokens.pskOf(tokenId);
        return psk === undefined ? undefined : fromHex(psk);
      },
    });
  }

  #keepEpoch(epoch: number): void {
    this.#epochsOfLife.add(epoch);
    this.#wallOfEpoch.set(epoch, this.#wallOfLife);
  }

  /** kill -9. @param wallJumpMs how much the wall clock is off in the next life */
  crash(wallJumpMs: number): void {
    if (!this.#process) return;
    this.#fabric.trace?.(this.#isFirst ? 'master dies' : 'the second master dies');
    this.#process.clock.kill();
    this.#process = undefined;
    this.#wallAtZero += wallJumpMs;
    this.store.crash();
  }

  /** Switched off for ever. */
  retire(): void {
    this.crash(0);
    this.#fabric.network.detach(this.address);
  }

  pause(ms: number): void {
    this.#process?.clock.pause(ms);
  }

  /** The machine sleeps, and the cluster's clock with it. */
  suspend(ms: number): void {
    if (!this.#process) return;
    this.sleptMs += ms;
    this.#process.clock.suspend(ms);
    this.#wallOfLife -= ms;
    for (const epoch of this.#epochsOfLife) this.#wallOfEpoch.set(epoch, this.#wallOfLife);
  }

  /** The machine's clock is set: the cluster's follows with the next life. */
  stepWall(ms: number): void {
    this.#wallAtZero += ms;
    this.#process?.clock.stepWall(ms);
  }

  /** The answer never comes when the master dies before. */
  operator(request: OperatorRequest, answer: (answer: OperatorAnswer) => void): void {
    const process = this.#process;
    process?.clock.run(() => process.runtime.operator(request, answer));
  }

  /** What the blob server says to a PUT; undefined = stored. */
  storeBlob(
    node: SimNode,
    blobId: BlobId,
    size: number,
    purpose: UploadPurpose,
  ): string | undefined {
    const process = this.#process;
    if (!process) return 'connection refused';
    const {core, runtime} = process;
    if (!core.context.roster.node(node.nodeId)?.welcomed) return 'not welcomed';
    const isWanted = core.mayUpload(node.nodeId, purpose, size) === 'wanted';
    if (!isWanted && !this.blobs.has(blobId)) return 'not wanted';
    this.blobs.set(blobId, size);
    if (isWanted) runtime.post({type: 'blobStored', blobId, size});
    return undefined;
  }
}
