// Work on a node: replicas that wait and replicas that run. A slot runs one at a time, but is handed the
// next ones ahead when they are so short that the way to the runner and back would be most of the time.

import {assert} from '../base/assert.ts';
import type {BatchId, BlobId, MonoMs, ReplicaId, WorkunitId} from '../base/types.ts';
import {replicaId, workunitId} from '../base/types.ts';
import type {RunOrder} from '../core/core.ts';
import type {AssignedBatch, BlobRef, Input, Lease, Renewal, ReplicaRef} from '../wire/message.ts';

/** One lease in hand. */
export type Held = ReplicaRef & {
  readonly id: ReplicaId;
  readonly proof: number;
  readonly appId: BlobId;
  readonly args: readonly string[];
  readonly input: Input;
  readonly timeLimitMs: number;
  readonly memoryLimitMib: number;
  readonly outputLimitBytes: number;
  readonly shared: BlobRef | undefined;
  /** When the master last heard that we have it. */
  renewedAt: MonoMs;
  /** How far it says it is, 0 … 1000. */
  permille: number;
  /** Since when it stands still or may not begin; undefined = it may run. */
  restingSince: MonoMs | undefined;
  /** -1 = waiting. */
  slot: number;
  /** What its result will say of itself: nothing, or why it is suspicious. */
  odd: {readonly suspicion?: number};
};

/** Of Suspicion in volley.proto. */
const SLEPT = 1;
/** Less is what time daemons do all day. */
const ODD_JUMP_MS = 1_000;

/** Orders that a slot may have ahead: about this much work … */
const AHEAD_MS = 20;
/** … and at most so many: the pipe to the runner holds them all. */
const AHEAD_MAX = 64;
/** Weight of the newest run time in the moving average. */
const NEWEST = 0.2;
const APPS_MAX = 256;

export class Slots {
  readonly #held = new Map<ReplicaId, Held>();
  readonly #waiting = new Map<ReplicaId, Held>();
  /** Orders in each slot. */
  readonly #busy: number[];
  readonly #runMs = new Map<BlobId, number>();
  /** Replicas of each app in hand, and those of them that wait: a turn must not walk all of them. */
  readonly #heldOf = new Map<BlobId, number>();
  readonly #waitingOf = new Map<BlobId, number>();
  /** Slots that may run at the same time; the others stand still. */
  #allowed: number;
  /** Busy slots, the one that became busy first in front. */
  readonly #queue: number[] = [];

  constructor(slots: number) {
    this.#busy = new Array<number>(slots).fill(0);
    this.#allowed = slots;
  }

  get count(): number {
    return this.#busy.length;
  }

  get allowed(): number {
    return this.#allowed;
  }

  /** From now on so many slots run: those that became busy first. */
  allow(slots: number): void {
    this.#allowed = Math.min(slots, this.#busy.length);
  }

  /** Busy slots that have to stand still. */
  get resting(): readonly number[] {
    return this.#queue.slice(this.#allowed);
  }

  get size(): number {
    return this.#held.size;
  }

  /** Slots that have nothing to do and may run. */
  get freeSlots(): number {
    return Math.max(0, this.#allowed - this.#queue.length);
  }

  /** Orders given to slots and not ended. */
  get ordered(): number {
    return this.#held.size - this.#waiting.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  has(id: ReplicaId): boolean {
    return this.#held.has(id);
  }

  heldOne(id: ReplicaId): Held | undefined {
    return this.#held.get(id);
  }

  /** Replicas in hand that somebody means: by a workunit all of it, one as a rule. */
  named(name: ReplicaId | WorkunitId): Held[] {
    const isMeant = ({id, batchId, index}: Held): boolean =>
      id === name || workunitId(batchId, index) === name;
    return [...this.#held.values()].filter(isMeant);
  }

  held(): IterableIterator<Held> {
    return this.#held.values();
  }

  add(held: Held): void {
    if (this.#held.has(held.id)) return;
    this.#held.set(held.id, held);
    this.#waiting.set(held.id, held);
    count(this.#heldOf, held.appId, 1);
    count(this.#waitingOf, held.appId, 1);
  }

  /** Measured run time of the app, ms; undefined before its first run here. */
  runMs(appId: BlobId): number | undefined {
    return this.#runMs.get(appId);
  }

  /** Milliseconds of work that wait; a replica of an app never run here counts as `unknownMs`. */
  waitingMs(unknownMs: number): number {
    let ms = 0;
    for (const [appId, replicas] of this.#waitingOf)
      ms += replicas * (this.#runMs.get(appId) ?? unknownMs);
    return ms;
  }

  /** Apps of the replicas in hand. */
  apps(): IterableIterator<BlobId> {
    return this.#heldOf.keys();
  }

  /** Orders for slots that have room, the emptiest slot first. */
  start(): RunOrder[] {
    const orders: RunOrder[] = [];
    if (this.#allowed === 0) return orders;
    for (const held of this.#waiting.values()) {
      const slot = this.#emptiest();
      if ((this.#busy[slot] ?? 0) >= this.#depth(held.appId)) break;
      if ((this.#busy[slot] ?? 0) === 0) this.#queue.push(slot);
      this.#waiting.delete(held.id);
      count(this.#waitingOf, held.appId, -1);
      held.slot = slot;
      this.#busy[slot] = (this.#busy[slot] ?? 0) + 1;
      orders.push(orderOf(held));
    }
    return orders;
  }

  /** All that is in slots waits again, to begin anew or from what it saved; answers what was there. */
  hold(): ReplicaId[] {
    if (this.ordered === 0) return [];
    const held: ReplicaId[] = [];
    for (const each of this.#held.values()) {
      if (each.slot < 0) continue;
      held.push(each.id);
      each.slot = -1;
      each.odd = {};
      this.#waiting.set(each.id, each);
      count(this.#waitingOf, each.appId, 1);
    }
    this.#busy.fill(0);
    this.#queue.length = 0;
    return held;
  }

  /** Of all slots while another may run, else of those that do run. */
  #emptiest(): number {
    const candidates =
      this.freeSlots > 0 ? this.#busy.keys() : this.#queue.slice(0, this.#allowed).sort(rising);
    let emptiest: number | undefined;
    for (const slot of candidates)
      if (emptiest === undefined || (this.#busy[slot] ?? 0) < (this.#busy[emptiest] ?? 0))
        emptiest = slot;
    return emptiest ?? 0;
  }

  #depth(appId: BlobId): number {
    const runMs = this.#runMs.get(appId);
    if (runMs === undefined) return 1;
    return Math.max(1, Math.min(AHEAD_MAX, Math.floor(AHEAD_MS / Math.max(runMs, 0.01))));
  }

  /** Takes a replica out of hand; undefined when it is not (a result that nobody waits for). */
  remove(id: ReplicaId): Held | undefined {
    const held = this.#held.get(id);
    if (!held) return undefined;
    this.#held.delete(id);
    count(this.#heldOf, held.appId, -1);
    if (this.#waiting.delete(id)) count(this.#waitingOf, held.appId, -1);
    if (held.slot < 0) return held;
    this.#busy[held.slot] = (this.#busy[held.slot] ?? 1) - 1;
    if (this.#busy[held.slot] === 0) this.#queue.splice(this.#queue.indexOf(held.slot), 1);
    return held;
  }

  noteRunMs(appId: BlobId, ms: number): void {
    const before = this.#runMs.get(appId);
    if (before === undefined && this.#runMs.size >= APPS_MAX) this.#runMs.clear();
    this.#runMs.set(appId, before === undefined ? ms : before * (1 - NEWEST) + ms * NEWEST);
  }

  /** The machine slept, or its clock was set: what runs now may have suffered. */
  jumped(ms: number): void {
    if (Math.abs(ms) < ODD_JUMP_MS) return;
    for (const held of this.#held.values()) if (held.slot >= 0) held.odd = {suspicion: SLEPT};
  }

  ofBatch(batchId: BatchId): Held[] {
    return [...this.#held.values()].filter(held => held.batchId === batchId);
  }

  check(): void {
    const orders = this.#busy.reduce((sum, count) => sum + count, 0);
    assert(
      orders + this.#waiting.size === this.#held.size,
      `${this.#held.size} replicas held, ${orders} in slots, ${this.#waiting.size} waiting`,
    );
    for (const count of this.#busy) assert(count >= 0, 'a slot ran less than nothing');
    const busy = [...this.#busy.keys()].filter(slot => this.#busy[slot] !== 0);
    assert(busy.join() === [...this.#queue].sort(rising).join(), 'busy slots are queued wrongly');
    const sum = (counts: ReadonlyMap<BlobId, number>): number =>
      [...counts.values()].reduce((total, replicas) => total + replicas, 0);
    assert(sum(this.#heldOf) === this.#held.size, 'replicas in hand are counted wrongly');
    assert(sum(this.#waitingOf) === this.#waiting.size, 'waiting replicas are counted wrongly');
  }
}

function count(counts: Map<BlobId, number>, appId: BlobId, more: number): void {
  const replicas = (counts.get(appId) ?? 0) + more;
  if (replicas === 0) counts.delete(appId);
  else counts.set(appId, replicas);
}

const rising = (a: number, b: number): number => a - b;

const orderOf = (held: Held): RunOrder => ({
  replicaId: held.id,
  slot: held.slot,
  appId: held.appId,
  args: held.args,
  input: held.input,
  timeLimitMs: held.timeLimitMs,
  memoryLimitMib: held.memoryLimitMib,
  outputLimitBytes: held.outputLimitBytes,
  ...(held.shared ? {shared: held.shared} : {}),
  seed: seedOf(held.batchId, held.index),
});

/** The same for every replica of a workunit, different for its neighbours. */
export const seedOf = (batchId: BatchId, index: number): number =>
  (Math.imul(batchId, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;

/** A lease as it comes in hand. */
export const heldOf = (batch: AssignedBatch, lease: Lease, now: MonoMs): Held => ({
  batchId: batch.batchId,
  index: lease.index,
  replicaNo: lease.replicaNo,
  id: replicaId(batch.batchId, lease.index, lease.replicaNo),
  proof: lease.proof,
  appId: batch.appId,
  args: batch.args,
  input: lease.input,
  timeLimitMs: batch.timeLimitMs,
  memoryLimitMib: batch.memoryLimitMib,
  outputLimitBytes: batch.outputLimitBytes,
  shared: batch.shared,
  renewedAt: now,
  permille: 0,
  restingSince: undefined,
  slot: -1,
  odd: {},
});

export const renewalOf = ({batchId, index, replicaNo, permille, proof}: Held): Renewal => ({
  batchId,
  index,
  replicaNo,
  permille,
  proof,
});

export const refOf = (held: Held): ReplicaRef & {readonly proof: number} => ({
  batchId: held.batchId,
  index: held.index,
  replicaNo: held.replicaNo,
  proof: held.proof,
});
