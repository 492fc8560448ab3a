// One node's machine: disk, keys and files that outlive its processes, and at most one process.

import type {Address, BlobId, MonoMs, NodeId} from '../base/types.ts';
import type {NodeConfig} from '../node/memory.ts';
import type {NodeCore} from '../node/node.ts';
import {NodeRestore} from '../node/restore.ts';
import {NodeRuntime} from '../runtime/node-runtime.ts';
import type {JoinSecret} from '../wire/attempt.ts';
import {CommandReceiver} from '../wire/command.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {nodeIdOf} from '../wire/identity.ts';
import {FRAME} from '../wire/session.ts';
import {NodeLink} from '../wire/session-node.ts';
import {type Fabric, GROUP_ADDRESS, MASTER_ADDRESS, nodeAddress, WALL_AT_ZERO} from './fabric.ts';
import {type MachinePlan, machineAt} from './machine-plan.ts';
import type {Misdeed} from './misdeeds.ts';
import {blankImage, type Image, type KnownTrust} from './node-image.ts';
import {auditDisk, restoreNode} from './sim-boot.ts';
import {SimClock} from './sim-clock.ts';
import type {Pushed, SimEar} from './sim-ear.ts';
import {handsOf} from './sim-hands.ts';
import type {SimMaster} from './sim-master.ts';
import {SimOwner} from './sim-owner.ts';
import type {Profile} from './sim-runner.ts';
import {SimStore} from './sim-store.ts';
import {WatchedStore} from './watched-store.ts';

export type NodePlan = {
  readonly profile: Profile;
  readonly slots: number;
  readonly labels: readonly string[];
  readonly actions: readonly string[];
  /** Parts in one. */
  readonly drift: number;
  readonly wallOffsetMs: number;
  /** What it does wrong beside what its profile computes; undefined = it says what it should. */
  readonly misdeed?: Misdeed;
  /** Results that it computes honestly before its first lie; undefined = its dice say. */
  readonly honestFor?: number;
  /** What it is; undefined = the usual one. */
  readonly machine?: MachinePlan;
};

/** Who a node is. Two machines with the same ones are clones. */
export type NodeKeys = {readonly identity: KeyPair; readonly staticKey: KeyPair};

const newKeys = (crypto: Crypto): NodeKeys => ({
  identity: crypto.ed25519KeyPair(),
  staticKey: crypto.x25519KeyPair(),
});

type Process = {
  readonly core: NodeCore;
  readonly clock: SimClock;
  readonly link: NodeLink;
  readonly runtime: NodeRuntime;
  readonly ear: SimEar;
};

export class SimNode {
  /** 1, 2, 3 … */
  readonly no: number;
  readonly plan: NodePlan;
  readonly address: Address;
  readonly store: WatchedStore;
  readonly files = new Map<BlobId, number>();
  /** What bulk transfers brought. */
  readonly pushed: Pushed = {whole: new Map(), parts: new Map(), ever: new Set()};
  readonly #fabric: Fabric;
  readonly #master: SimMaster;
  #keys: NodeKeys;
  #nodeId: NodeId;
  readonly #token: JoinSecret;
  readonly #keepsSnapshots: boolean;
  /** The membership file: the join token goes when the first Welcome is there. */
  #join: JoinSecret | undefined;
  #masterAddress: Address = MASTER_ADDRESS;
  #known: KnownTrust;
  #process: Process | undefined;
  /** The machine as it was at the last start but one. */
  #before: Image;
  #atBoot: Image;
  #buried = false;
  #wallStepMs = 0;
  readonly owner = new SimOwner(said => {
    const process = this.#process;
    process?.clock.run(() => process.runtime.post(said(process.core)));
  });
  lives = 0;

  /**
   * @param keepsSnapshots whether it will ever be rolled back
   * @param keys of the node that this one is a clone of
   */
  constructor(
    fabric: Fabric,
    master: SimMaster,
    no: number,
    plan: NodePlan,
    join: JoinSecret,
    keepsSnapshots: boolean,
    keys?: NodeKeys,
  ) {
    const {crypto} = fabric;
    this.no = no;
    this.plan = plan;
    this.address = nodeAddress(no);
    this.#fabric = fabric;
    this.#master = master;
    this.#token = join;
    this.#join = join;
    this.#before = this.#atBoot = blankImage(master.rootFingerprint);
    this.#known = this.#before.known;
    this.#keys = keys ?? newKeys(crypto);
    this.#nodeId = nodeIdOf(crypto, this.#keys.identity.publicKey);
    const disk = new SimStore({
      after: fabric.diskTimer(no),
      latencyMs: () => fabric.diskMs(),
      prng: fabric.prng.fork(),
    });
    this.store = new WatchedStore(disk, ops => fabric.watcher?.nodeDurable(this, ops));
    this.#keepsSnapshots = keepsSnapshots;
    fabric.network.attach(this.address, no, (bytes, from) => {
      const process = this.#process;
      process?.clock.run(() => {
        // A transfer has a socket of its own, on the port of its group.
        if (bytes[0] !== FRAME.bulk || !process.ear.hear(bytes))
          process.runtime.datagram(bytes, from);
      });
    });
  }

  get known(): KnownTrust {
    return this.#known;
  }

  get keys(): NodeKeys {
    return this.#keys;
  }

  get nodeId(): NodeId {
    return this.#nodeId;
  }

  /** It never comes back. */
  get buried(): boolean {
    return this.#buried;
  }

  get core(): NodeCore | undefined {
    return this.#process?.core;
  }

  get clock(): SimClock | undefined {
    return this.#process?.clock;
  }

  get up(): boolean {
    return this.#process !== undefined;
  }

  get runtime(): NodeRuntime | undefined {
    return this.#process?.runtime;
  }

  get link(): NodeLink | undefined {
    return this.#process?.link;
  }

  get linkState(): string {
    return this.#process?.link.state ?? 'dead';
  }

  boot(): void {
    if (this.#process || this.#buried) return;
    const fabric = this.#fabric;
    const head = auditDisk(this.store.disk, fabric.crypto);
    if (typeof head === 'string') return fabric.refuses(this, this.no, head);
    if (this.#keepsSnapshots) {
      this.#before = this.#atBoot;
      this.#atBoot = {rows: this.store.disk.snapshot(), known: this.#known};
    }
    const {crypto, prng} = fabric;
    this.lives += 1;
    const clock = this.#makeClock();
    const config = this.#configOf(crypto.random(8));
    const dice = prng.fork();
    const rows = new NodeRestore(config, crypto, dice, clock.now().mono);
    const core = restoreNode(this.store.disk, rows);
    this.#watch(core);
    const link = new NodeLink({
      crypto,
      prng: dice.fork(),
      staticKey: this.keys.staticKey,
      bootId: config.bootId,
      ...this.#known,
      group: GROUP_ADDRESS,
      address: this.#masterAddress,
      ...(this.#join ? {token: this.#join} : {}),
    });
    const tell = (event: Parameters<NodeRuntime['post']>[0]): void => runtime.post(event);
    const hands = handsOf({node: this, fabric, master: this.#master, clock, link, tell});
    const runtime = new NodeRuntime({
      core,
      link,
      commands: new CommandReceiver(crypto, target => core.isTarget(target)),
      ports: {
        clock,
        network: {
          send: (to, bytes) => fabric.network.send(this.address, to, bytes),
          multicast: bytes => fabric.network.multicast(this.address, bytes),
        },
        store: this.store,
        journal: fabric.journalOf(`node ${this.no}`),
        crypto,
        fatal: error => fabric.fatal(this, this.no, error),
        ...hands,
      },
      head,
      onTrust: (trust, rootFingerprint) => this.#keepTrust({trust, rootFingerprint}),
      onJoined: (_trust, master) => {
        this.#join = undefined;
        this.#masterAddress = master ?? this.#masterAddress;
      },
      afterTurn: () => core.check(),
    });
    this.#process = {core, clock, link, runtime, ear: hands.bulkEar};
    fabric.trace?.(`node ${this.no} boots, life ${this.lives}`);
    fabric.watcher?.nodeBooted(this);
    fabric.mischief?.nodeBooted(this);
    runtime.start();
    for (const event of this.owner.said) runtime.post(event);
  }

  /** Where nobody rotates keys a node learns all of it anew at each start. */
  #keepTrust(known: KnownTrust): void {
    if (!this.#master.vault) return;
    this.#known = known;
    this.#fabric.watcher?.trustKept(this);
  }

  #makeClock(): SimClock {
    const {timeline, prng} = this.#fabric;
    return new SimClock({
      timeline,
      no: this.no,
      monoAtStart: prng.fraction() * 1e6,
      wallAtZero: WALL_AT_ZERO + this.plan.wallOffsetMs + this.#wallStepMs,
      drift: this.plan.drift,
      turnMs: () => this.#fabric.turnMs(),
    });
  }

  #configOf(bootId: Uint8Array): NodeConfig {
    const {slots, labels, actions} = this.plan;
    return {
      name: `node-${this.no}`,
      labels,
      ...machineAt(this.plan),
      cores: slots,
      slots,
      memoryMib: 512,
      sandboxLevel: 0,
      runtimes: ['wasm', 'exec'],
      actions,
      version: 'sim',
      identity: this.keys.identity,
      staticKey: this.keys.staticKey.publicKey,
      ...this.#known,
      bootId,
    };
  }

  /** The checkers hear each event and what the core makes of it. */
  #watch(core: NodeCore): void {
    const handle = core.handle.bind(core);
    core.handle = (event, now) => {
      const nonce =
        event.type === 'message' && event.message.type === 'receipt' ? event.message.nonce : -1;
      const spooled = core.spool.entry(nonce);
      const effects = handle(event, now);
      this.#fabric.watcher?.nodeTook(this, event, effects, now, spooled);
      return effects;
    };
  }

  /** The master's wall clock as this node knows it, and how wrong that may be. */
  clockBoundMs(now: MonoMs): number {
    return this.core?.clock.boundMs(now) ?? -1;
  }

  /** SIGKILL. */
  crash(): void {
    if (!this.#process) return;
    this.#fabric.trace?.(`node ${this.no} dies`);
    this.#process.clock.kill();
    this.#process = undefined;
    this.store.crash();
  }

  pause(ms: number): void {
    this.#process?.clock.pause(ms);
  }

  suspend(ms: number): void {
    this.#process?.clock.suspend(ms);
  }

  stepWall(ms: number): void {
    this.#wallStepMs += ms;
    this.#process?.clock.stepWall(ms);
  }

  /** The disk is empty; keys and membership are where they were. */
  wipe(): void {
    this.#fabric.trace?.(`node ${this.no} loses its disk`);
    this.store.disk.restore();
    this.files.clear();
    this.pushed.whole.clear();
    this.pushed.parts.clear();
  }

  /** The disk is as it was at the start before this one. */
  rollBack(): void {
    this.crash();
    this.#fabric.trace?.(`the disk of node ${this.no} is an older one`);
    this.store.disk.restore(this.#before.rows);
    this.#known = this.#before.known;
    this.#fabric.watcher?.wentBack(this);
  }

  /** A new card: new keys, and the join token once more. */
  reflash(): void {
    this.wipe();
    const {crypto} = this.#fabric;
    this.#keys = newKeys(crypto);
    this.#nodeId = nodeIdOf(crypto, this.#keys.identity.publicKey);
    this.#join = this.#token;
    this.#masterAddress = MASTER_ADDRESS;
    this.#before = this.#atBoot = blankImage(this.#master.rootFingerprint);
    this.#known = this.#before.known;
    this.#fabric.watcher?.wentBack(this);
  }

  /** `volley node --join` with a token, on a machine that is or was a member. */
  joinAgain(): void {
    const wasUp = this.up;
    this.crash();
    this.#join = this.#token;
    if (wasUp) this.boot();
  }

  bury(): void {
    this.crash();
    this.#buried = true;
  }
}
