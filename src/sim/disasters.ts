// What happens to machines and cables in the safety phase, each kind at random instants with the mean time
// between two of them that the plan names; and the heal that ends it all.

import {Prng} from '../base/prng.ts';
import type {Address} from '../base/types.ts';
import type {Backups} from './backups.ts';
import {exponential} from './dice.ts';
import {DAMAGES} from './disk-damage.ts';
import {CALM_HOST, DiskFailure, type Fabric, MASTER_ADDRESS} from './fabric.ts';
import type {Disasters, Plan} from './plan.ts';
import type {Recovery} from './recovery.ts';
import {MASTER_NO, SimMaster} from './sim-master.ts';
import {CALM} from './sim-network.ts';
import type {SimNode} from './sim-node.ts';
import {EVENT} from './timeline.ts';

/** A second master has the room for itself for so long, on average. */
const SECOND_ALONE_MS = 8_000;

/**
 * A recovered master works for so long, on average, before an old copy is put back after all: its nodes know a
 * far later epoch then. Dice of their own leave all other things of a seed as they are.
 */
const SECOND_THOUGHTS_MS = 5_000;
const SECOND_THOUGHTS = 0x02d7;

const SOON_MS = 1_000;
const PAUSE_MS_MAX = 12_000;

export type Victims = {
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly bootMaster: () => void;
  readonly backups: Backups;
  readonly recovery: Recovery;
  /** A node has new keys. */
  readonly onReflash: (node: SimNode) => void;
};

/** No machine sleeps for less, and one that did would not notice: its two clocks are read one after the other. */
const SLEEP_MS_MIN = 10;

export class Calamity {
  readonly #plan: Plan;
  readonly #dice: Prng;
  readonly #on: Victims;
  readonly #secondThoughts: Prng;
  #calm = false;
  #second: SimMaster | undefined;

  constructor(plan: Plan, dice: Prng, victims: Victims) {
    this.#plan = plan;
    this.#dice = dice;
    this.#on = victims;
    this.#secondThoughts = new Prng(plan.seed ^ SECOND_THOUGHTS);
  }

  start(): void {
    const {fabric, master} = this.#on;
    const {disasters} = this.#plan;
    this.#every(disasters.nodeCrashMs, () => this.#killNode());
    this.#every(disasters.masterCrashMs, () => this.#killMaster());
    fabric.onDead = (machine, no) => this.#onDead(machine.store === master.store, no);
    fabric.onRefused = (machine, no) => this.#onRefused(machine.store === master.store, no);
    this.#every(disasters.diskFailMs, () => {
      const machine = this.#dice.chance(0.3) ? master : this.#anyNode();
      if (machine.up) machine.store.disk.fail(new DiskFailure('EIO'));
    });
    this.#every(disasters.nodePauseMs, () => this.#anyNode().pause(this.#pauseMs()));
    this.#every(disasters.masterPauseMs, () => master.pause(this.#pauseMs()));
    this.#scheduleCables(disasters);
    this.#scheduleClocks(disasters);
    this.#scheduleDisks(disasters);
  }

  #scheduleCables({cutMs, cutForMs, partitionMs, clogMs, burstMs}: Disasters): void {
    const {network, timeline} = this.#on.fabric;
    const someMs = (): number => cutForMs * exponential(this.#dice);
    this.#every(cutMs, () => {
      const {address, no} = this.#anyHost(0.2);
      network.set(address, {cut: true});
      this.#later(cutForMs, no, () => network.set(address, {cut: false}));
    });
    this.#every(partitionMs, () => this.#partition(cutForMs));
    // Several at once, and they come free in another order than they stood still.
    this.#every(clogMs, () => {
      for (let i = this.#dice.below(4); i >= 0; i--)
        network.set(this.#anyHost(0.2).address, {cloggedUntil: timeline.now + someMs()});
    });
    this.#every(burstMs, () =>
      network.set(this.#anyHost(0.2).address, {lossyUntil: timeline.now + someMs()}),
    );
  }

  #partition(forMs: number): void {
    const {network} = this.#on.fabric;
    const kind = this.#dice.pick(['halves', 'noIn', 'noOut', 'deaf', 'allDeaf'] as const);
    const {address, no} = this.#anyHost(0.2);
    if (kind === 'halves' || kind === 'allDeaf') {
      const hosts = [MASTER_ADDRESS, ...this.#on.nodes.map(node => node.address)];
      for (const host of hosts)
        network.set(host, kind === 'halves' ? {side: this.#dice.below(2)} : {deaf: true});
      this.#later(forMs, no, () => {
        for (const host of hosts) network.set(host, {side: 0, deaf: false});
      });
      return;
    }
    network.set(address, {[kind]: true});
    this.#later(forMs, no, () => network.set(address, {[kind]: false}));
  }

  #scheduleClocks({suspendMs, wallStepMs, wallJumpMs}: Disasters): void {
    const {master} = this.#on;
    this.#every(suspendMs, () => {
      const machine = this.#dice.chance(0.2) ? master : this.#anyNode();
      machine.suspend(Math.max(SLEEP_MS_MIN, this.#pauseMs()));
    });
    this.#every(wallStepMs, () => {
      const machine = this.#dice.chance(0.5) ? master : this.#anyNode();
      machine.stepWall((this.#dice.fraction() - 0.5) * 2 * wallJumpMs);
    });
  }

  #scheduleDisks({wipeMs, rollbackMs, restoreMs, diskDamageMs}: Disasters): void {
    const {backups, fabric, onReflash} = this.#on;
    this.#every(wipeMs, () => {
      const node = this.#anyNode();
      node.crash();
      node.wipe();
      this.#bootLater(node);
    });
    this.#every(rollbackMs, () => {
      const node = this.#anyNode();
      node.rollBack();
      this.#bootLater(node);
    });
    this.#every(diskDamageMs, () => this.#damageDisk());
    if (restoreMs > 0) this.#every(restoreMs / 2, () => backups.take());
    this.#every(restoreMs, () => this.#putBackBackup());
    const {secondMasterAt} = this.#plan;
    if (secondMasterAt > 0)
      fabric.timeline.at(secondMasterAt, EVENT.fault, MASTER_NO, () => this.#startSecond());
    for (const at of this.#plan.reflashAt)
      fabric.timeline.at(at, EVENT.fault, 0, () => {
        const node = this.#anyHonest();
        if (!node || this.#calm) return;
        node.crash();
        node.reflash();
        onReflash(node);
        this.#bootLater(node);
      });
  }

  /** Somebody moves the disk's copy to another machine and starts it; the first master comes back later. */
  #startSecond(): void {
    if (this.#calm) return;
    const {fabric, master, bootMaster} = this.#on;
    fabric.stateWasLost = true; // what the second one acknowledges, the first one will never know
    master.crash(0);
    this.#second = new SimMaster(fabric, this.#plan.beaconMs, {first: master});
    this.#second.boot();
    this.#later(SECOND_ALONE_MS, MASTER_NO, bootMaster);
  }

  /** Who joined the second master only is a stranger to the first, and is given a join token again. */
  #retireSecond(): void {
    if (!this.#second) return;
    this.#second.retire();
    const {disk} = this.#on.master.store;
    for (const node of this.#on.nodes) if (!disk.get('node', node.nodeId)) node.joinAgain();
  }

  /** The power goes, and when it comes back the disk is not what it was. */
  #damageDisk(): void {
    const {master, fabric, bootMaster} = this.#on;
    const node = this.#dice.chance(0.4) ? undefined : this.#anyNode();
    if (node) node.crash();
    else master.crash(0);
    const {disk} = (node ?? master).store;
    if (disk.harm(this.#dice.pick(DAMAGES), this.#dice))
      fabric.trace?.(`the disk of machine ${node?.no ?? MASTER_NO}: ${disk.damage}`);
    if (node) this.#bootLater(node);
    else this.#later(this.#plan.disasters.downMs, MASTER_NO, bootMaster);
  }

  /** Its process says what is wrong and does not start: the operator comes, also after the heal. */
  #onRefused(isMaster: boolean, no: number): void {
    const {fabric, nodes, recovery, bootMaster} = this.#on;
    const node = nodes[no - 1];
    const ms = this.#calm ? SOON_MS : this.#plan.disasters.downMs * exponential(this.#dice);
    fabric.timeline.after(ms, EVENT.fault, no, () => {
      if (isMaster) recovery.master(this.#dice);
      else if (node) recovery.node(node, this.#dice);
      if (isMaster) bootMaster();
      else node?.boot();
      if (isMaster) this.#haveSecondThoughts();
    });
  }

  #haveSecondThoughts(): void {
    const dice = this.#secondThoughts;
    if (this.#plan.disasters.restoreMs === 0 || !dice.chance(0.5)) return;
    const ms = SECOND_THOUGHTS_MS * exponential(dice);
    this.#on.fabric.timeline.after(ms, EVENT.fault, MASTER_NO, () => {
      if (!this.#calm) this.#putBackBackup();
    });
  }

  #killNode(): void {
    const node = this.#anyNode();
    if (!node.up) return;
    node.crash();
    this.#bootLater(node);
  }

  #killMaster(): void {
    const {master, bootMaster} = this.#on;
    if (!master.up) return;
    const {wallJumpMs, downMs} = this.#plan.disasters;
    master.crash((this.#dice.fraction() - 0.5) * 2 * wallJumpMs);
    this.#later(downMs, MASTER_NO, bootMaster);
  }

  /** A process whose disk failed ends, and its machine starts anew: also after the heal. */
  #onDead(isMaster: boolean, no: number): void {
    const node = this.#on.nodes[no - 1];
    if (isMaster) this.#on.master.crash(0);
    else node?.crash();
    // A service manager starts it again at once; before the heal somebody may have to come.
    const ms = this.#calm ? SOON_MS : this.#plan.disasters.downMs * exponential(this.#dice);
    this.#on.fabric.timeline.after(ms, EVENT.fault, no, () => {
      if (isMaster) this.#on.bootMaster();
      else node?.boot();
    });
  }

  #putBackBackup(): void {
    const {backups, bootMaster} = this.#on;
    if (!backups.restore()) return;
    this.#later(this.#plan.disasters.downMs, MASTER_NO, bootMaster);
  }

  #bootLater(node: SimNode): void {
    this.#later(this.#plan.disasters.downMs, node.no, () => node.boot());
  }

  #anyNode(): SimNode {
    return this.#dice.pick(this.#on.nodes);
  }

  /** A liar with a second name would be two liars. */
  #anyHonest(): SimNode | undefined {
    const honest = this.#on.nodes.filter(
      ({plan: {profile, misdeed}}) => profile === 'honest' && misdeed === undefined,
    );
    return honest.length > 0 ? this.#dice.pick(honest) : undefined;
  }

  #anyHost(masterShare: number): {readonly address: Address; readonly no: number} {
    const isMaster = this.#dice.chance(masterShare);
    return isMaster ? {address: MASTER_ADDRESS, no: MASTER_NO} : this.#anyNode();
  }

  #pauseMs(): number {
    // The heal does not wake who stands still: nobody may do so for much of the time to come back.
    return Math.min(PAUSE_MS_MAX, this.#plan.disasters.pausedMs * exponential(this.#dice));
  }

  #later(meanMs: number, no: number, act: () => void): void {
    this.#on.fabric.timeline.after(meanMs * exponential(this.#dice), EVENT.fault, no, () => {
      if (!this.#calm) act();
    });
  }

  #every(meanMs: number, act: () => void): void {
    if (meanMs <= 0) return;
    this.#later(meanMs, 0, () => {
      act();
      this.#every(meanMs, act);
    });
  }

  /** Faults end; everybody is up and connected but those who never come back. Liars stay liars. */
  heal(): void {
    this.#calm = true;
    const {fabric, nodes, bootMaster} = this.#on;
    Object.assign(fabric.network.faults, CALM);
    Object.assign(fabric.host, CALM_HOST);
    fabric.network.mend();
    this.#retireSecond();
    bootMaster();
    const living = nodes.length - this.#plan.deadAfterHeal;
    for (const node of nodes) {
      if (node.no <= living) node.boot();
      else node.bury();
    }
    fabric.trace?.('healed');
  }
}
