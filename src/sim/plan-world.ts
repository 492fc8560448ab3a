// `volley sim plan`: the master's own core, thousands of model boards, one batch, a virtual clock. What is
// decided is decided by the code that runs in production; what is left out is what would not change it: bytes
// on a wire, sessions, disks, real work. Everything is one heap in one total order, so a seed gives one run.
//
// Memory follows what is open: a row is looked at as it is written (plan-store.ts) and forgotten.

import {Heap} from '../base/heap.ts';
import {Prng} from '../base/prng.ts';
import type {PeerId} from '../base/types.ts';
import {DAY_MS, HOUR_MS, SECOND_MS} from '../base/units.ts';
import type {RunOrder} from '../core/core.ts';
import {HANDSHAKES_PER_SECOND} from '../wire/limits.ts';
import type {Command} from '../wire/message.ts';
import {exponential} from './dice.ts';
import {holds} from './fabric.ts';
import {nowAt, PLAN_TOKEN, PlanMaster, type Word} from './plan-master.ts';
import {type Ended, PlanNode} from './plan-node.ts';
import {type PlanOptions, slowestRunMs} from './plan-options.ts';
import {SimCrypto} from './sim-crypto.ts';

/** Of the boards that come back after a death, those that are new ones. */
const REPLACED = 0.5;
/** A batch of which so long nothing was decided does not end. */
const STUCK_MS = DAY_MS;
const STUCK_RUNS = 50;

type Due =
  | {readonly kind: 'ended'; readonly node: PlanNode; readonly life: number; readonly run: Ended}
  | {readonly kind: 'look' | 'death'; readonly node: PlanNode; readonly life: number}
  | {readonly kind: 'start'; readonly node: PlanNode}
  | {readonly kind: 'submit'};

export class PlanWorld {
  readonly options: PlanOptions;
  readonly master: PlanMaster;
  readonly nodes: PlanNode[] = [];
  now = 0;
  events = 0;
  /** When the batch was submitted. */
  submittedAt = -1;
  deaths = 0;
  /** Milliseconds of runs that ended, and of slots that were there, since the batch was submitted. */
  busyMs = 0;
  readonly #prng: Prng;
  readonly #heap = new Heap<Due>();
  readonly #byPeer = new Map<PeerId, PlanNode>();
  #lastSeq = 0;
  #stuckAt = Number.POSITIVE_INFINITY;
  #decided = 0;
  #slotMs = 0;
  #slotsUp = 0;
  #slotsSince = 0;

  constructor(options: PlanOptions) {
    this.options = options;
    this.#prng = new Prng(options.seed);
    const crypto = new SimCrypto(this.#prng.fork());
    this.master = new PlanMaster(crypto, this.#prng.fork());
    const {clusterId} = this.master;
    const board = {crypto, clusterId, prng: this.#prng.fork(), slots: options.slots};
    const speeds = spread(options, this.#prng);
    for (let i = 0; i < options.nodes; i++) {
      const isWrong = i < Math.round(options.wrong * options.nodes);
      const node = new PlanNode(i + 1, board, speeds[i] ?? 1, isWrong);
      this.nodes.push(node);
      this.#heap.push((i * SECOND_MS) / HANDSHAKES_PER_SECOND, {kind: 'start', node});
    }
    const joinedMs = (options.nodes * SECOND_MS) / HANDSHAKES_PER_SECOND;
    this.#heap.push(joinedMs + SECOND_MS, {kind: 'submit'});
  }

  /** Whether the batch is over; one that nothing is decided of any more is given up. */
  get isOver(): boolean {
    const {batch} = this.master;
    return (batch !== undefined && !batch.running) || this.isStuck;
  }

  get isStuck(): boolean {
    return this.now > this.#stuckAt;
  }

  /** Time of all slots of boards that were up, since the batch was submitted. */
  get slotMs(): number {
    return this.#slotMs + this.#slotsUp * (this.now - this.#slotsSince);
  }

  /** So many events more; true = the batch is over. */
  run(events: number): boolean {
    for (let i = 0; i < events && !this.isOver; i++) this.#step();
    return this.isOver;
  }

  #step(): void {
    this.events += 1;
    const {turnAt} = this.master;
    const at = this.#heap.peekAt();
    if (turnAt <= at) {
      this.now = Math.max(this.now, turnAt);
      this.#turn();
      return;
    }
    this.now = at;
    const due = this.#heap.pop();
    if (due) this.#act(due);
  }

  #act(due: Due): void {
    switch (due.kind) {
      case 'ended':
        if (due.node.life === due.life) this.#ended(due.node, due.run);
        return;
      case 'look':
        if (due.node.life === due.life) this.#look(due.node);
        return;
      case 'death':
        if (due.node.life === due.life) this.#die(due.node);
        return;
      case 'start':
        return this.#start(due.node);
      default:
        return this.#submit();
    }
  }

  #submit(): void {
    this.master.submit(this.options, this.now);
    this.submittedAt = this.now;
    this.#slotMs = 0;
    this.#slotsSince = this.now;
    this.#watchProgress();
  }

  // ---- the master --------------------------------------------------------------------------------

  #turn(): void {
    const spoken = new Set<PlanNode>();
    for (const word of this.master.turn(this.now)) this.#deliver(word, spoken);
    for (const node of spoken) this.#speak(node);
    this.#watchProgress();
  }

  #watchProgress(): void {
    const {batch} = this.master;
    if (!batch || (batch.decided === this.#decided && this.#stuckAt < Number.POSITIVE_INFINITY))
      return;
    this.#decided = batch.decided;
    this.#stuckAt = this.now + Math.max(STUCK_MS, STUCK_RUNS * slowestRunMs(this.options));
  }

  #deliver(word: Word, spoken: Set<PlanNode>): void {
    switch (word.type) {
      case 'multicast':
        if (word.seq > this.#lastSeq) this.#command(word.command, spoken);
        this.#lastSeq = Math.max(this.#lastSeq, word.seq);
        return;
      case 'repair':
        return; // nothing was lost on the way: it did not say in time that it heard, and that is all
      case 'forget':
        return;
      case 'send': {
        const node = this.#upNode(word.to);
        if (!node) return;
        node.hear(word.message, nowAt(this.now).mono);
        spoken.add(node);
        return;
      }
      case 'receipt': {
        const node = this.#upNode(word.to);
        if (node) node.unacknowledged -= 1;
        return;
      }
      default:
        holds(false, 'plan', () => `the master wants what a plan does not have: ${word.type}`);
    }
  }

  #upNode(peer: PeerId): PlanNode | undefined {
    const node = this.#byPeer.get(peer);
    return node?.isUp ? node : undefined;
  }

  #command({what, target}: Command, spoken: Set<PlanNode>): void {
    const meant = new Set(target.nodes);
    for (const node of this.nodes) {
      if (!node.isUp || (meant.size > 0 && !meant.has(node.nodeId))) continue;
      if (what.kind === 'workAvailable') node.called(what.spreadMs, nowAt(this.now).mono);
      else if (what.kind === 'cancelBatch') node.drop(what.batchId);
      spoken.add(node);
    }
  }

  // ---- the boards --------------------------------------------------------------------------------

  #start(node: PlanNode): void {
    if (node.life > 0 && this.#prng.chance(REPLACED)) this.#replace(node);
    this.#countSlots(this.options.slots);
    this.#byPeer.set(node.peer, node);
    for (const event of node.start(PLAN_TOKEN, nowAt(this.now).mono))
      this.master.post(event, this.now);
    const {dyingPerHour} = this.options;
    if (dyingPerHour === 0) return;
    const livesMs = (exponential(this.#prng) * HOUR_MS) / dyingPerHour;
    this.#heap.push(this.now + livesMs, {kind: 'death', node, life: node.life});
  }

  /** The operator takes the old board off the list. */
  #replace(node: PlanNode): void {
    this.#byPeer.delete(node.peer);
    this.master.ask({kind: 'forgetNode', nodeId: node.nodeId}, this.now);
    node.becomeNew();
    node.isWrong = this.#prng.chance(this.options.wrong);
  }

  #die(node: PlanNode): void {
    this.deaths += 1;
    this.#countSlots(-this.options.slots);
    node.die();
    const downMs = this.#prng.jitter(this.options.downMs, 0.5, 1.5);
    this.#heap.push(this.now + downMs, {kind: 'start', node});
  }

  #countSlots(more: number): void {
    this.#slotMs = this.slotMs;
    this.#slotsSince = this.now;
    this.#slotsUp += more;
  }

  #ended(node: PlanNode, run: Ended): void {
    if (!node.ended(run, nowAt(this.now).mono)) return;
    this.busyMs += run.cpuMs;
    this.#speak(node);
  }

  #look(node: PlanNode): void {
    if (this.now !== node.dueAt) return; // it was looked at meanwhile, and is due later
    node.dueAt = Number.POSITIVE_INFINITY;
    if (node.wakeAt() <= nowAt(this.now).mono) this.#speak(node);
    else this.#lookAgain(node);
  }

  #speak(node: PlanNode): void {
    const {mono} = nowAt(this.now);
    const {peer} = node;
    const orders = node.turn(mono, message =>
      this.master.post({type: 'message', peer, message, heardAt: mono}, this.now),
    );
    for (const order of orders) this.#run(node, order);
    this.#lookAgain(node);
  }

  #lookAgain(node: PlanNode): void {
    const at = node.wakeAt() - nowAt(0).mono;
    if (at >= node.dueAt) return;
    node.dueAt = at;
    this.#heap.push(at, {kind: 'look', node, life: node.life});
  }

  #run(node: PlanNode, order: RunOrder): void {
    const {runMsMin, runMsMax, errors, lying} = this.options;
    const prng = this.#prng;
    const cpuMs = (runMsMin + (runMsMax - runMsMin) * prng.fraction()) / node.speed;
    const endsAt = Math.max(this.now, node.freeAt[order.slot] ?? 0) + cpuMs;
    node.freeAt[order.slot] = endsAt;
    const isWrong = node.isWrong || (lying > 0 && prng.chance(lying));
    const isError = errors > 0 && prng.chance(errors);
    const outcome = isError ? 'error' : isWrong ? 'wrong' : 'right';
    const run = {order, cpuMs, outcome} as const;
    this.#heap.push(endsAt, {kind: 'ended', node, life: node.life, run});
  }
}

/** The speed of each board: shares of all of them, in an order of the dice. */
function spread({nodes, speeds}: PlanOptions, prng: Prng): number[] {
  const all: number[] = [];
  let upTo = 0;
  for (const {speed, share} of speeds) {
    upTo += share;
    while (all.length < Math.round(upTo * nodes)) all.push(speed);
  }
  while (all.length < nodes) all.push(speeds.at(-1)?.speed ?? 1);
  for (let i = all.length - 1; i > 0; i--) {
    const other = prng.below(i + 1);
    [all[i], all[other]] = [all[other] ?? 1, all[i] ?? 1];
  }
  return all;
}
