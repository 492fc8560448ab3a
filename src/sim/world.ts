// A whole cluster in one heap of plain functions: a master, nodes, an operator, a network, and disasters.
//
//   safety phase, with faults ──▶ heal ──▶ liveness phase: everything ends ──▶ audit of all rows

import {assert} from '../base/assert.ts';
import {fromHex} from '../base/bytes.ts';
import {Prng} from '../base/prng.ts';
import type {BlobId, NodeId} from '../base/types.ts';
import type {MasterCore} from '../master/master.ts';
import type {Crypto} from '../wire/crypto.ts';
import {AppForger} from './app-forger.ts';
import {Attack, owesForEver} from './attack.ts';
import {isBad} from './attack-plan.ts';
import {Backups} from './backups.ts';
import {Checkers} from './checkers.ts';
import {Calamity} from './disasters.ts';
import {Fabric, holds, SimFailure} from './fabric.ts';
import {KeyDesk} from './key-desk.ts';
import {Laggards} from './laggards.ts';
import type {AbortPlan, BatchPlan, HoldPlan, Plan} from './plan.ts';
import {Recovery} from './recovery.ts';
import {rollCall} from './roll-call.ts';
import {SimCrypto} from './sim-crypto.ts';
import {SimMaster} from './sim-master.ts';
import {SimNetwork} from './sim-network.ts';
import {SimNode} from './sim-node.ts';
import {SimOperator, TOKEN_ID, TOKEN_PSK} from './sim-operator.ts';
import {SimOrders} from './sim-orders.ts';
import {EVENT, Timeline} from './timeline.ts';

/** After the last workunit has ended: spools empty, captures close, silent nodes come back. */
const DRAIN_MS = 90_000;
/** Everybody is back after the heal within this. */
const REJOIN_MS = 30_000;
const CALLED_MAX = 64;
/** Who wants to abort something and finds nothing in hand looks again. */
const LOOK_MS = 50;
/** Any number: it only keeps these dice from others of the same seed. */
const KEYS_APART = 0x0a77;
/** More events than this at one instant are a loop. */
const EVENTS_AT_ONCE_MAX = 1_000_000;

export class World {
  readonly plan: Plan;
  readonly timeline = new Timeline();
  readonly network: SimNetwork;
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly operator: SimOperator;
  readonly orders: SimOrders;
  readonly checkers: Checkers;
  readonly attack: Attack | undefined;
  readonly recovery: Recovery;
  readonly forger: AppForger | undefined;
  readonly #dice: Prng;
  readonly #calamity: Calamity;

  /** @param crypto another one than the ideal one; runs are then not equal bit for bit */
  constructor(plan: Plan, crypto?: Crypto) {
    const prng = new Prng(plan.seed);
    this.plan = plan;
    this.#dice = prng.fork();
    this.network = new SimNetwork(this.timeline, prng.fork(), {...plan.network});
    this.fabric = new Fabric({
      timeline: this.timeline,
      network: this.network,
      crypto: crypto ?? new SimCrypto(prng.fork()),
      prng: prng.fork(),
      host: plan.host,
    });
    this.master = new SimMaster(this.fabric, plan.beaconMs, {hasVault: plan.keys !== undefined});
    const psk = fromHex(TOKEN_PSK);
    assert(psk, 'the psk is hex');
    const join = {id: TOKEN_ID, psk};
    this.nodes = plan.nodes.map(
      (node, i) =>
        new SimNode(this.fabric, this.master, i + 1, node, join, plan.disasters.rollbackMs > 0),
    );
    this.operator = new SimOperator(this.fabric, this.master, plan);
    const nodesById = new Map<NodeId, SimNode>(this.nodes.map(node => [node.nodeId, node]));
    for (const {at, nodeNo} of plan.revokes ?? []) {
      const node = this.nodes[nodeNo - 1];
      if (node) this.operator.revoke(at, node);
    }
    this.orders = this.#ordersOf(plan);
    const plans = new Map(plan.batches.map(batch => [batch.request.name, batch]));
    this.checkers = new Checkers({
      crypto: this.fabric.crypto,
      master: this.master,
      nodes: nodesById,
      plans,
      now: () => this.timeline.now,
      hasSecond: plan.secondMasterAt > 0,
      wasLost: () => this.fabric.stateWasLost,
      turnsPerCheck: plan.turnsPerCheck,
    });
    this.fabric.watcher = this.checkers;
    const {fabric, master, nodes, checkers, operator} = this;
    const hasTrust = plan.keys?.backupHasTrust ?? false;
    const backups = new Backups(fabric, master, nodes, checkers, operator, hasTrust);
    this.forger = this.#withVault(plans);
    this.recovery = new Recovery({fabric, master, nodes, checkers, operator, backups});
    this.#calamity = new Calamity(plan, this.#dice, {
      fabric: this.fabric,
      master: this.master,
      nodes: this.nodes,
      bootMaster: () => this.#bootMaster(),
      backups,
      recovery: this.recovery,
      onReflash: node => nodesById.set(node.nodeId, node),
    });
    const {attack} = plan;
    this.attack = attack && new Attack({plan, attack, fabric, master, nodes, join});
    this.fabric.mischief = this.attack;
  }

  #ordersOf({orders = [], safetyMs: until}: Plan): SimOrders {
    const {fabric, master, nodes} = this;
    return new SimOrders({fabric, master, nodes, orders, until, operator: this.operator});
  }

  /** The operator rotates keys, and somebody is after them. @param plans of batches whose results count */
  #withVault(plans: Map<string, BatchPlan>): AppForger | undefined {
    const {plan, fabric, master, nodes, operator} = this;
    const {keys} = plan;
    const {vault} = master;
    if (!keys || !vault) return undefined;
    fabric.appTransferMs = keys.transferMs;
    const dice = new Prng(plan.seed ^ KEYS_APART);
    const parts = {plan: keys, fabric, master, vault, nodes, bootMaster: () => this.#bootMaster()};
    operator.desk = new KeyDesk({...parts, dice: dice.fork()});
    const forger = new AppForger({
      ...parts,
      dice: dice.fork(),
      onSubmit: request => plans.set(request.name, {at: 0, request, cancelAt: undefined}),
    });
    fabric.onMasterBoot = booted => forger.masterBooted(booted);
    return forger;
  }

  /** The whole run. Throws what went wrong. */
  run(): void {
    this.start();
    this.runUntil(this.plan.safetyMs);
    this.heal();
    this.rejoin();
    this.liveness();
    this.rollCall();
    this.audit();
  }

  start(): void {
    this.#bootMaster();
    this.operator.start();
    for (const node of this.nodes)
      this.timeline.after(this.#dice.fraction() * this.plan.startMs, EVENT.fault, node.no, () =>
        node.boot(),
      );
    this.orders.start();
    this.#calamity.start();
    new Laggards(this.plan, this.fabric, this.nodes).start();
    this.operator.desk?.start();
    this.forger?.start();
    this.attack?.start();
    for (const hold of this.plan.holds ?? []) this.#hold(hold);
    for (const abort of this.plan.aborts ?? [])
      this.timeline.after(abort.at, EVENT.fault, abort.nodeNo, () => this.#abort(abort));
  }

  #hold({at, nodeNo, forMs, how}: HoldPlan): void {
    const set = (when: number, isHeld: boolean): void =>
      this.timeline.after(when, EVENT.fault, nodeNo, () =>
        this.nodes[nodeNo - 1]?.owner.hold(how, isHeld),
      );
    if (at < this.plan.safetyMs) set(at, true);
    if (at + forMs < this.plan.safetyMs) set(at + forMs, false);
  }

  #abort(abort: AbortPlan): void {
    const {nodeNo, share} = abort;
    const all = [...this.nodes.slice(nodeNo - 1), ...this.nodes.slice(0, nodeNo - 1)];
    const node = all.find(({core}) => core !== undefined && core.slots.size > 0);
    const isLast = this.timeline.now + LOOK_MS >= this.plan.safetyMs;
    if (node || isLast) return (node ?? all[0])?.owner.abort(share);
    this.timeline.after(LOOK_MS, EVENT.fault, nodeNo, () => this.#abort(abort));
  }

  /** Runs to this instant, or until `done`; false = the instant came first. */
  runUntil(until: number, done?: () => boolean): boolean {
    let atOnce = 0;
    let last = this.timeline.now;
    for (;;) {
      if (done?.()) return true;
      if (!this.timeline.step(until)) return false;
      if (this.fabric.failure !== undefined) throw this.fabric.failure;
      atOnce = this.timeline.now === last ? atOnce + 1 : 0;
      last = this.timeline.now;
      holds(atOnce < EVENTS_AT_ONCE_MAX, 'P10', () => `time stands still at ${last}`);
    }
  }

  #bootMaster(): void {
    if (this.master.up) return;
    this.master.boot();
    const {deleted} = this.checkers.masterChecker.model.orders;
    if (this.master.core) this.operator.checkPromised(this.master.core, deleted);
  }

  heal(): void {
    this.attack?.end();
    this.forger?.end();
    this.operator.desk?.heal();
    for (const node of this.nodes) node.owner.letGo();
    this.#calamity.heal();
  }

  /** L2: soon after the heal every living node is in the present epoch of the master. */
  rejoin(): void {
    const joined = this.runUntil(this.timeline.now + REJOIN_MS, () => this.#allJoined());
    if (!joined) throw new SimFailure('L2', `not all are back after the heal: ${this.hanging()}`);
    this.checkers.appChecker.allKnow(this.nodes.filter(node => !this.#isAside(node)));
  }

  /** Of a large room thousands of shots would only take time. */
  rollCall(): void {
    if (this.nodes.length > CALLED_MAX) return;
    const {master, nodes} = this;
    const runUntil = (until: number, done: () => boolean) => this.runUntil(until, done);
    rollCall({master, nodes, now: () => this.timeline.now, runUntil});
  }

  #allJoined(): boolean {
    const context = this.master.core?.context;
    if (!context) return false;
    return this.nodes.every(node => {
      const state = context.roster.node(node.nodeId);
      if (this.#isAside(node)) return true;
      return node.core?.welcomed === true && state?.up && state.epochTold === context.epoch;
    });
  }

  /** Nobody waits for it. */
  #isAside(node: SimNode): boolean {
    const row = this.master.core?.context.roster.node(node.nodeId)?.row;
    return node.buried || owesForEver(node) || (row?.revokedAt ?? 0) > 0;
  }

  /** P10: every batch ends in bounded time, and then all that waits is gone. */
  liveness(): void {
    const until = this.timeline.now + this.plan.livenessMs;
    const {operator, orders} = this;
    const ended = this.runUntil(until, () => operator.done && orders.done && this.#allEnded());
    if (!ended) throw new SimFailure('P10', `not over after the heal: ${this.hanging()}`);
    const drained = this.runUntil(this.timeline.now + DRAIN_MS, () => this.#isQuiet());
    if (!drained) throw new SimFailure('P10', `does not come to rest: ${this.hanging()}`);
  }

  #allEnded(): boolean {
    const context = this.master.core?.context;
    if (context?.running.size !== 0) return false;
    for (const {deleting} of this.checkers.masterChecker.model.batches.values())
      if (deleting) return false;
    for (const {row} of context.roster.all()) if (row.revokedAt > 0 && !row.rechecked) return false; // its results are still looked up
    return true;
  }

  #isQuiet(): boolean {
    const {core} = this.master;
    if (!core) return false;
    if (this.checkers.transferChecker?.hanging(core, this.#lives).length) return false;
    const {roster} = core.context;
    return this.nodes.every(node => {
      if (roster.node(node.nodeId)?.row.revokedAt) return true; // nobody waits for it
      return owesForEver(node) || this.#isIdle(node, core);
    });
  }

  /** Nothing is left for it to do, and it obeys the newest state of the cluster. */
  #isIdle(node: SimNode, {context}: MasterCore): boolean {
    if (node.buried) return true;
    if (node.core?.spool.size !== 0 || node.core.slots.size !== 0) return false;
    const state = context.roster.node(node.nodeId);
    if (!state?.up) return false;
    return isBad(node.plan) || state.stateGeneration === context.state.generation;
  }

  /** What is not over, for people. */
  hanging(): string {
    const {core} = this.master;
    if (!core) return 'the master is down';
    const parts: string[] = [];
    if (!this.operator.done) parts.push('the operator still asks');
    if (!this.orders.done) parts.push('something is still held');
    for (const batch of core.context.running) {
      const open = [...batch.open.values()].slice(0, 3).map(({index, wanted, votes, replicas}) => {
        const holders = replicas.map(({nodeId}) => this.#noOf(nodeId)).join('+');
        const voters = votes.map(({nodeId, status}) => `${this.#noOf(nodeId)} ${status}`).join('+');
        return `${index} wants ${wanted}, at ${holders}, votes ${voters}`;
      });
      parts.push(
        `batch ${batch.row.id} (${batch.row.input.kind}) ${batch.decided}/${batch.row.count}, ` +
          `${batch.open.size} open (${open.join('; ')}), ${batch.feeder.remaining} not taken up`,
      );
    }
    for (const node of this.nodes) {
      if (this.#isIdle(node, core)) continue;
      const state = core.context.roster.node(node.nodeId);
      parts.push(
        `node ${node.no} (${node.plan.misdeed ?? node.plan.profile}, ${node.linkState}, ` +
          `${state?.up ? 'up' : 'not up'}) spooled ${node.core?.spool.size ?? 0}, ` +
          `holds ${node.core?.slots.size ?? 0}, obeys state ${state?.stateGeneration}`,
      );
    }
    parts.push(...(this.checkers.transferChecker?.hanging(core, this.#lives) ?? []));
    return parts.slice(0, 8).join(' | ');
  }

  #noOf(nodeId: NodeId): number {
    return this.nodes.find(node => node.nodeId === nodeId)?.no ?? -1;
  }

  /** A node that is there, and is to get what is for everybody. */
  readonly #lives = (nodeId: NodeId): boolean =>
    this.nodes.some(node => node.nodeId === nodeId && node.up && !this.#isAside(node));

  /** All rows once more, as a new life of the master reads them. */
  audit(): void {
    const idle = (): boolean => this.master.core !== undefined;
    holds(idle(), 'P10', () => 'the master is down at the end');
    this.checkers.masterChecker.booted();
    this.checkers.masterChecker.auditRevoked();
    if (this.master.core) this.checkers.transferChecker?.audit(this.master.core, this.#lives);
    this.master.crash(0);
    this.#bootMaster();
    for (const node of this.nodes) node.core?.check();
    this.#nothingFailed();
  }

  /** Where no node ever fails a run and policies are patient, no workunit fails either. */
  #nothingFailed(): void {
    const failing = this.nodes.some(
      ({plan}) => plan.profile === 'failing' || plan.profile === 'hung',
    );
    if (failing) return;
    for (const row of this.checkers.masterChecker.model.batches.values()) {
      if (this.#isRefused(row.appId)) continue;
      const isPatient = row.policy.maxTotalReplicas >= 200;
      const story = `${row.failed} workunits of batch ${row.id} failed, and no node does: ${row.reason}`;
      holds(!isPatient || row.failed === 0, 'P10', () => story);
    }
  }

  /** An app whose key is named no longer: what was begun with it fails. */
  #isRefused(appId: BlobId): boolean {
    const {vault} = this.master;
    const bundle = vault?.bundleOf(appId);
    return vault !== undefined && (bundle === undefined || !vault.isNamed(bundle));
  }
}
