// Everybody in a world who means harm: bad nodes, clones, an insider, strangers, somebody in a cable. Their
// deeds end with the heal; nodes that lie go on lying.

import {assert} from '../base/assert.ts';
import {Prng} from '../base/prng.ts';
import type {Address, NodeId} from '../base/types.ts';
import type {Note} from '../core/core.ts';
import type {JoinSecret} from '../wire/attempt.ts';
import type {Report} from '../wire/message.ts';
import {AttackChecker} from './attack-checker.ts';
import type {AttackPlan} from './attack-plan.ts';
import {BadNode} from './byzantine.ts';
import {exponential} from './dice.ts';
import {type Fabric, GROUP_ADDRESS, MASTER_ADDRESS, type Mischief} from './fabric.ts';
import {ManInTheMiddle} from './man-in-the-middle.ts';
import type {Misdeed} from './misdeeds.ts';
import {Outsider} from './outsider.ts';
import type {Plan} from './plan.ts';
import type {SimMaster} from './sim-master.ts';
import {SimNode} from './sim-node.ts';
import {EVENT} from './timeline.ts';

export type Town = {
  readonly plan: Plan;
  readonly attack: AttackPlan;
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly nodes: readonly SimNode[];
  readonly join: JoinSecret;
};

/** Any number: it only keeps these dice from others of the same seed. */
const APART = 0x0bad0de;
const STRANGERS = /^10\.(66|77)\./;
/** Clones are numbered from here. */
const CLONE_NO = 1_000;
const OVERHEARD_MAX = 64;
/** Who does not come to rest: the master never takes what they say, or they never say it. */
const OWING: readonly (Misdeed | undefined)[] = [
  'hugeOutput',
  'greedy',
  'badSigner',
  'lateComer',
  'quiet',
  'clonedKey',
];

export const owesForEver = ({plan}: SimNode): boolean => OWING.includes(plan.misdeed);

export class Attack implements Mischief {
  readonly checker = new AttackChecker(address => STRANGERS.test(address));
  readonly #town: Town;
  readonly #dice: Prng;
  readonly #bad = new Map<SimNode, BadNode>();
  readonly #clones: SimNode[] = [];
  readonly #outsiders: Outsider[];
  readonly #middle: ManInTheMiddle | undefined;
  readonly #overheard: {readonly nodeId: NodeId; readonly report: Report}[] = [];
  readonly #badIds = new Set<string>();
  #over = false;

  constructor(town: Town) {
    const {plan, attack, fabric, master, nodes, join} = town;
    this.#town = town;
    this.#dice = new Prng(plan.seed ^ APART);
    for (const node of nodes) {
      const {misdeed} = node.plan;
      if (misdeed === undefined) continue;
      this.#badIds.add(node.nodeId);
      const parts = {node, master, fabric, dice: this.#dice.fork(), overheard: this.#overheard};
      this.#bad.set(node, new BadNode(misdeed, parts));
      if (misdeed === 'clonedKey')
        this.#clones.push(
          new SimNode(fabric, master, CLONE_NO + node.no, node.plan, join, false, node.keys),
        );
    }
    this.#outsiders = Array.from({length: attack.outsiders}, (_, no) => this.#outsider(no));
    const victim = attack.middle === undefined ? undefined : nodes[attack.middle % nodes.length];
    this.#middle = victim && this.#manInTheMiddle(victim);
    fabric.network.tap = (from, to, bytes) => this.#hears(from, to, bytes);
  }

  #outsider(no: number): Outsider {
    const {fabric, master, nodes} = this.#town;
    const addresses = nodes.map(({address}) => address);
    return new Outsider(no, {
      crypto: fabric.crypto,
      dice: this.#dice.fork(),
      clusterId: master.clusterId,
      masterStatic: master.folder.staticKey.publicKey,
      nodeStatics: nodes.map(({keys}) => keys.staticKey.publicKey),
      addresses: [MASTER_ADDRESS, ...addresses, GROUP_ADDRESS],
      nodes: addresses,
      send: (from, to, bytes) => this.#inject(from, to, bytes, this.#dice.fraction() * 2),
    });
  }

  #manInTheMiddle({address, keys}: SimNode): ManInTheMiddle {
    const {fabric, nodes} = this.#town;
    return new ManInTheMiddle({
      crypto: fabric.crypto,
      dice: this.#dice.fork(),
      node: address,
      nodeStatic: keys.staticKey.publicKey,
      others: [MASTER_ADDRESS, ...nodes.map(node => node.address)],
      pass: (from, to, bytes, ms) => this.#inject(from, to, bytes, ms),
      now: () => fabric.timeline.now,
    });
  }

  #inject(from: Address, to: Address, bytes: Uint8Array, ms: number): void {
    if (STRANGERS.test(to)) return;
    this.checker.heard(hostOf(to), from, bytes.length);
    this.#town.fabric.network.inject(from, to, bytes, ms);
  }

  #hears(from: Address, to: Address, bytes: Uint8Array): boolean {
    if (STRANGERS.test(to)) this.checker.said(hostOf(from), to, bytes.length);
    if (this.#over) return false;
    for (const outsider of this.#outsiders) outsider.hear({from, to, bytes});
    for (const bad of this.#bad.values()) if (bad.node.address === to) bad.record(bytes);
    return this.#middle?.takes(from, to, bytes) ?? false;
  }

  nodeBooted(node: SimNode): void {
    this.checker.watchNode(node);
    const bad = this.#bad.get(node);
    if (bad) bad.booted();
    else this.#overhear(node);
  }

  #overhear(node: SimNode): void {
    const {link} = node;
    assert(link, 'a node that starts has a process');
    const seal = link.seal.bind(link);
    link.seal = (peer, message, ...more) => {
      if (message.type === 'report' && this.#overheard.length < OVERHEARD_MAX)
        this.#overheard.push({nodeId: node.nodeId, report: message});
      return seal(peer, message, ...more);
    };
  }

  /** The one that everybody knows, or a second one on a copy of its folder. */
  masterBooted(master: SimMaster): void {
    const {nodes, plan} = this.#town;
    // A node with a new card is a new one for the master.
    const most = nodes.length + plan.reflashAt.length;
    this.checker.watchMaster(master, master.address, most);
  }

  /** What is written about bad nodes, or by them, is no wonder. */
  excuses(name: string, {fields}: Note): boolean {
    if (typeof fields['node'] === 'string' && this.#badIds.has(fields['node'])) return true;
    for (const {no} of [...this.#bad.keys(), ...this.#clones])
      if (name === `node ${no}`) return true;
    return false;
  }

  start(): void {
    const {fabric, attack, plan} = this.#town;
    const {deedMs} = attack;
    for (const outsider of this.#outsiders) this.#every(deedMs, 0, () => outsider.deed());
    for (const bad of this.#bad.values()) this.#every(deedMs, bad.node.no, () => bad.deed());
    if (this.#middle) this.#every(deedMs, 0, () => this.#middle?.tend());
    for (const clone of this.#clones)
      fabric.timeline.after(this.#dice.fraction() * plan.safetyMs, EVENT.fault, clone.no, () => {
        if (!this.#over) clone.boot();
      });
  }

  #every(meanMs: number, no: number, act: () => void): void {
    const {timeline} = this.#town.fabric;
    timeline.after(meanMs * exponential(this.#dice), EVENT.fault, no, () => {
      if (this.#over) return;
      act();
      this.#every(meanMs, no, act);
    });
  }

  /** The heal: strangers go home, cables are repaired, clones are switched off. */
  end(): void {
    this.#over = true;
    this.#middle?.end();
    for (const clone of this.#clones) clone.crash();
  }
}

/** The master listens on two addresses. */
const hostOf = (address: Address): Address =>
  address === GROUP_ADDRESS ? MASTER_ADDRESS : address;
