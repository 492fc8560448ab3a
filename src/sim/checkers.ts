// All checkers of a world behind one ear, by the promise or invariant they watch:
//
//   P1 acknowledged results survive        P2 nodes forget only what is acknowledged
//   P3 canonical is true, or ≥ quorum lied P4 one decision, one credit grant for each
//   P5 commands at most once, in time      S13 the disk is what was made durable
//   S14 only apps of the operator run (app-checker.ts)
//   S15 revoked nodes are out (revoke-checker.ts)
//   S18 what is held is given no work (order-checker.ts)
//   S21 what is one node's own is at no other (broadcast-checker.ts)
//   S22 a stage begins with what the one before has put out (stage-checker.ts)
//   S23 a node's clock is inside its bound (clock-checker.ts)
//   S24 what fires was to be fired, and then; S25 what is told of a shot is what happened (capture-checker.ts)
//   S26 who is said to have a file that was pushed has it (transfer-checker.ts)
//   check: a core's own invariants         P10 (world.ts) everything ends after the network heals

import {hex32} from '../base/bytes.ts';
import type {MonoMs, NodeId, Now} from '../base/types.ts';
import type {NodeEffect, NodeEvent, RunOrder} from '../core/core.ts';
import {captureKey, decodeJson, type Op} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import type {Spooled} from '../node/spool.ts';
import type {FireOrder} from '../runtime/ports.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {ShotStatement} from '../wire/message.ts';
import {AppChecker} from './app-checker.ts';
import {CaptureChecker} from './capture-checker.ts';
import {ClockChecker} from './clock-checker.ts';
import {CommandChecker} from './command-checker.ts';
import {holds, type Watcher} from './fabric.ts';
import {machineAt} from './machine-plan.ts';
import {LYING, type MasterBelief, MasterChecker} from './master-checker.ts';
import {NodeChecker} from './node-checker.ts';
import {OrderChecker} from './order-checker.ts';
import type {BatchPlan} from './plan.ts';
import {RevokeChecker} from './revoke-checker.ts';
import type {Salvaged} from './salvage-checker.ts';
import type {Loaded} from './sim-apps.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import {TransferChecker} from './transfer-checker.ts';

export type CheckersOptions = {
  readonly crypto: Crypto;
  readonly master: SimMaster;
  readonly nodes: ReadonlyMap<NodeId, SimNode>;
  readonly plans: ReadonlyMap<string, BatchPlan>;
  readonly now: () => number;
  /** Whether a second master will run at the same time. */
  readonly hasSecond: boolean;
  /** Whether the master's disk was ever replaced by an older one. */
  readonly wasLost: () => boolean;
  /** The master's invariants are looked at after every so many turns: they cost its whole state. */
  readonly turnsPerCheck: number;
};

export class Checkers implements Watcher {
  readonly masterChecker: MasterChecker;
  readonly nodeChecker: NodeChecker;
  readonly commandChecker: CommandChecker;
  readonly revokeChecker = new RevokeChecker();
  readonly appChecker: AppChecker;
  readonly orderChecker = new OrderChecker();
  /** undefined while there are two masters: whose clock? */
  readonly clockChecker: ClockChecker | undefined;
  /** undefined while there are two masters: whose row? */
  readonly captureChecker: CaptureChecker | undefined;
  /** undefined while there are two masters: whose row? */
  readonly transferChecker: TransferChecker | undefined;
  readonly #options: CheckersOptions;
  #turns = 0;

  constructor(options: CheckersOptions) {
    this.#options = options;
    const {crypto, master, nodes, plans, now} = options;
    const profileOf = (nodeId: NodeId) => {
      const plan = nodes.get(nodeId)?.plan;
      return plan?.misdeed ?? plan?.profile;
    };
    this.commandChecker = new CommandChecker(master, now);
    const machineOf = (nodeId: NodeId) => {
      const plan = nodes.get(nodeId)?.plan;
      return plan && machineAt(plan);
    };
    const liars = (): number =>
      [...nodes.keys()].filter(nodeId => LYING.has(profileOf(nodeId) ?? 'honest')).length;
    const {hasSecond} = options;
    const who = {profileOf, machineOf, liars};
    this.masterChecker = new MasterChecker(crypto, master, plans, who, hasSecond);
    this.appChecker = new AppChecker(crypto, master);
    const honest = (nodeId: NodeId) =>
      profileOf(nodeId) === 'honest' ? nodes.get(nodeId) : undefined;
    this.captureChecker = hasSecond
      ? undefined
      : new CaptureChecker(master, {wasLost: options.wasLost, now, honest});
    this.transferChecker = hasSecond ? undefined : new TransferChecker(master, honest);
    this.clockChecker = hasSecond ? undefined : new ClockChecker(master, now);
    this.nodeChecker = new NodeChecker(
      crypto,
      master,
      now,
      {
        results: (nodeId, items, journalNo) =>
          this.masterChecker.acknowledged(nodeId, items, journalNo),
        shot: (nodeId, statement) => this.#shotKept(nodeId, statement),
      },
      hasSecond,
    );
  }

  #shotKept(nodeId: NodeId, {captureId, shot, salt}: ShotStatement): void {
    const {disk} = this.#options.master.store;
    if (disk.damage !== undefined) return; // what it has lost comes out when it is opened
    const capture = disk.get('capture', captureKey(captureId));
    // A capture that an old backup does not have, or another one under its number: of no use any more.
    const isLost = !capture || (decodeJson(capture) as {salt: number}).salt !== salt;
    if (isLost && this.#options.wasLost()) return;
    const key = `${hex32(captureId)}${hex32(shot)}${nodeId}`;
    const row = disk.get('shot', key);
    holds(row, 'P1', () => `shot ${key} was acknowledged and is not in the store`);
  }

  /** The master's folder is an old backup. */
  rolledBack(belief: MasterBelief): void {
    this.masterChecker.rolledBack(belief);
    this.revokeChecker.rolledBack(this.masterChecker.model);
    this.nodeChecker.rolledBack();
  }

  /** The master's disk was damaged, and is a new one of what was left. */
  salvaged(salvaged: Salvaged): void {
    this.masterChecker.salvaged(salvaged);
    this.revokeChecker.rolledBack(this.masterChecker.model);
    this.nodeChecker.rolledBack();
  }

  masterBooted(core: MasterCore): void {
    core.check();
    this.revokeChecker.masterBooted(core);
    this.appChecker.masterBooted();
    this.commandChecker.booted();
    this.orderChecker.booted();
    this.masterChecker.booted();
  }

  masterDurable(ops: readonly Op[]): void {
    this.masterChecker.durable(ops);
    this.revokeChecker.masterDurable(ops);
    this.appChecker.masterDurable(ops);
    this.captureChecker?.durable(ops);
    this.transferChecker?.durable(ops);
  }

  masterTurn(core: MasterCore): void {
    this.#turns += 1;
    if (this.#turns % this.#options.turnsPerCheck !== 0) return;
    core.check();
    this.masterChecker.decisions.leases(core, this.masterChecker.model);
    this.orderChecker.turned(core);
    this.masterChecker.broadcasts.turned(core);
    for (const {up, out, row} of core.context.roster.all())
      holds(up || out.size === 0, 'S5', () => `${row.name} is silent and holds ${out.size} leases`);
  }

  nodeBooted(node: SimNode): void {
    this.nodeChecker.booted(node);
    this.clockChecker?.booted(node);
  }

  nodeDurable(node: SimNode, ops: readonly Op[]): void {
    this.nodeChecker.durable(node, ops);
  }

  nodeTook(
    node: SimNode,
    event: NodeEvent,
    effects: readonly NodeEffect[],
    now: Now,
    spooled?: Spooled,
  ): void {
    this.revokeChecker.nodeTook(node.nodeId, effects);
    this.nodeChecker.took(node, event, effects, now, spooled);
    this.captureChecker?.took(node, event, effects);
    this.clockChecker?.took(node, effects, now);
  }

  ordered(node: SimNode, order: FireOrder, now: MonoMs): void {
    this.nodeChecker.ordered(node, order, now);
    this.captureChecker?.ordered(node, order, this.nodeChecker.saltOf(order));
  }

  fired(node: SimNode, order: FireOrder): void {
    this.nodeChecker.fired(node, order);
    this.captureChecker?.fired(node, order, this.nodeChecker.saltOf(order));
  }

  trustKept(node: SimNode): void {
    this.appChecker.trustKept(node);
  }

  wentBack(node: SimNode): void {
    this.appChecker.wentBack(node);
  }

  started(node: SimNode, order: RunOrder, loaded: Loaded): void {
    this.appChecker.startedApp(node, order, loaded);
  }
}
