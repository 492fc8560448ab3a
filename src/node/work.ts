// The work in hand: which of it may run now, which stands still, what is given back. The guest says how much;
// this says which. A node that rests keeps its leases for a while, since most rests are short, and then lets
// others have the work; what ran goes on from its saved state should it come here again. One that the master has
// stopped has none left (node-desk.ts), so it keeps nothing: what it went on with would be for nothing.

import {assert, assertNever} from '../base/assert.ts';
import {toUtf8} from '../base/bytes.ts';
import {addMono, type BatchId, type MonoMs, NEVER, type ReplicaId} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {NodeEffect, NodeEvent} from '../core/core.ts';
import type {GuestEvent} from '../core/guest.ts';
import {checkPreferences, isFault} from '../core/preferences.ts';
import {decodeJson, encodeJson, put} from '../core/tables.ts';
import type {
  AssignedBatch,
  Guest as GuestState,
  PreferencesMessage,
  Renewal,
  ResultItem,
} from '../wire/message.ts';
import {Guest} from './guest.ts';
import {type NodeMemory, SUSPENDED_KEY, WISHES_KEY} from './memory.ts';
import type {Orders} from './orders.ts';
import {type Held, heldOf, refOf, renewalOf, Slots} from './slots.ts';

/** What has not begun is kept so long through a rest … */
const WAITING_KEPT_MS = 30 * SECOND_MS;
/** … and what stands still so long: its memory is taken all the time. */
const RUNNING_KEPT_MS = 10 * MINUTE_MS;
/** Of one Pull. */
const RETURNED_PER_PULL = 16;
/** Given back and not told yet: the rest runs out by itself. */
const RETURNED_MAX = 4_096;
/** How an aborted replica ended, as its result says it: what its run took is not known. */
const ABORTED = {reason: 'refused', detail: 'aborted by the owner of the node', cpuMs: 0} as const;

/** A replica is over here, with a result to report. */
export type Ended = Extract<NodeEvent, {type: 'computed' | 'failed' | 'aborted'}>;

export class Work {
  readonly slots: Slots;
  readonly guest: Guest;
  readonly #slotCount: number;
  readonly #memory: NodeMemory;
  readonly #orders: Orders;
  readonly #emit: (effect: NodeEffect) => void;
  #pace = '|100';
  readonly #returned: Renewal[] = [];
  #told: string;

  constructor(parts: {
    slotCount: number;
    memory: NodeMemory;
    orders: Orders;
    emit: (effect: NodeEffect) => void;
  }) {
    const {slotCount, memory, orders, emit} = parts;
    this.#orders = orders;
    this.#slotCount = slotCount;
    this.#memory = memory;
    this.#emit = emit;
    this.slots = new Slots(slotCount);
    this.guest = new Guest(slotCount, memory.wishes.preferences, memory.suspended);
    this.#told = this.#gist;
  }

  /** Whether nothing new may begin. */
  get isResting(): boolean {
    return this.#letsOthers || this.#orders.rests;
  }

  /** Whether this node alone rests: through a pause of the whole cluster all keep what they have. */
  get #letsOthers(): boolean {
    return this.guest.isSuspended || this.guest.isDraining || this.#orders.isSuspended;
  }

  take(batches: readonly AssignedBatch[], now: MonoMs): void {
    for (const batch of batches)
      for (const lease of batch.leases) this.slots.add(heldOf(batch, lease, now));
  }

  dropBatch(batchId: BatchId): void {
    for (const held of this.slots.ofBatch(batchId)) {
      this.slots.remove(held.id);
      this.#emit({type: 'stop', replicaId: held.id, keepsState: false});
    }
  }

  onNews(event: Exclude<GuestEvent, Ended>, now: MonoMs): void {
    switch (event.type) {
      case 'progress': {
        const held = this.slots.heldOne(event.replicaId);
        if (held) held.permille = event.permille;
        return;
      }
      case 'sampled':
        return this.guest.sample(event.sample, this.#isWorking, now);
      case 'preferred':
        return this.guest.prefer(event.by, event.preferences, now);
      case 'ordered':
        return this.#onOrder(event, now);
      default:
        return assertNever(event);
    }
  }

  get #isWorking(): boolean {
    return this.slots.ordered > 0 && !this.guest.isSuspended;
  }

  /** What the owner says holds over starts of the node, until the owner says otherwise. */
  #onOrder({by, suspended, draining}: Extract<GuestEvent, {type: 'ordered'}>, now: MonoMs): void {
    if (draining !== undefined) this.guest.drain({draining, by}, now);
    if (suspended === undefined || !this.guest.order({suspended, by}, now)) return;
    if (by !== 'owner') return;
    this.#memory.suspended = suspended;
    this.#emit({type: 'save', op: put('meta', SUSPENDED_KEY, encodeJson({suspended}))});
  }

  /** What the operator wishes. One that makes no sense is passed over, and named as known: it stays as it is. */
  onWishes({id, json}: PreferencesMessage, now: MonoMs): void {
    if (id === this.#memory.wishes.id) return;
    const value = checkPreferences(decodeJson(toUtf8(json)), false);
    if (isFault(value)) {
      const fields = {why: value.fault};
      this.#emit({type: 'note', note: {level: 'warn', what: 'preferences refused', fields}});
    }
    const preferences = isFault(value) ? this.#memory.wishes.preferences : value;
    this.#memory.wishes = {id, preferences};
    this.#emit({type: 'save', op: put('meta', WISHES_KEY, encodeJson(this.#memory.wishes))});
    this.guest.prefer('operator', preferences, now);
  }

  /** What to report of it; undefined = it was stopped meanwhile. */
  ended(event: Ended): ResultItem | undefined {
    const {replicaId} = event;
    const held = this.slots.remove(replicaId);
    if (!held) return undefined;
    if (event.type === 'computed') {
      const {cpuMs} = event;
      this.slots.noteRunMs(held.appId, cpuMs);
      return {...refOf(held), cpuMs, status: 'done', output: event.output, ...held.odd};
    }
    // One that waits may have a state of an earlier run.
    if (event.type === 'aborted') this.#emit({type: 'stop', replicaId, keepsState: false});
    const {reason, detail, cpuMs} = event.type === 'aborted' ? ABORTED : event;
    const fields = {replica: replicaId, reason, detail};
    this.#emit({type: 'note', note: {level: 'warn', what: 'workunit failed', fields}});
    return {...refOf(held), cpuMs, status: reason, reason: detail};
  }

  /** It ended here, and not by its own doing: another node may have it. */
  giveBack(id: ReplicaId): void {
    const held = this.slots.remove(id);
    if (held && this.#returned.length < RETURNED_MAX) this.#returned.push(renewalOf(held));
  }

  /** What is due after a turn: starts, stops, what is given back. true = it may work again. */
  endTurn(now: MonoMs): boolean {
    const rested = this.#wasResting;
    this.#act(now);
    return rested && !this.#wasResting;
  }

  #act(now: MonoMs): void {
    for (const note of this.guest.takeNotes()) this.#emit({type: 'note', note});
    this.slots.allow(this.guest.allowed.slots);
    if (this.#orders.isSuspended) this.#leaveAll();
    this.#rest(now);
    if (this.#orders.rests)
      for (const replicaId of this.slots.hold())
        this.#emit({type: 'stop', replicaId, keepsState: true});
    else if (!this.isResting)
      for (const order of this.slots.start()) this.#emit({type: 'run', order});
    const {cpuPercent} = this.guest.allowed;
    const held = this.slots.resting;
    const pace = `${held.join()}|${cpuPercent}`;
    if (pace === this.#pace) return;
    this.#pace = pace;
    this.#emit({type: 'pace', held, cpuPercent});
  }

  #rest(now: MonoMs): void {
    if (!this.#mayRest) return;
    const resting = new Set(this.slots.resting);
    const over: Held[] = [];
    for (const held of this.slots.held()) {
      const rests = held.slot < 0 ? this.#letsOthers : resting.has(held.slot);
      held.restingSince = rests ? (held.restingSince ?? now) : undefined;
      if (rests && this.#leaveAt(held) <= now) over.push(held);
    }
    for (const held of over) this.#leave(held);
  }

  /** The master has taken it all back. It is named as returned all the same: its word may have come late. */
  #leaveAll(): void {
    for (const held of [...this.slots.held()]) this.#leave(held);
  }

  #leave(held: Held): void {
    this.giveBack(held.id);
    if (held.slot >= 0) this.#emit({type: 'stop', replicaId: held.id, keepsState: true});
  }

  /** A turn of a node that nothing holds back must not walk all that is in hand. */
  get #mayRest(): boolean {
    const rests = this.#letsOthers || this.slots.resting.length > 0;
    const did = this.#wasResting;
    this.#wasResting = rests;
    return rests || did;
  }
  #wasResting = false;

  #leaveAt({restingSince = NEVER, slot}: Held): MonoMs {
    if (slot >= 0) return addMono(restingSince, RUNNING_KEPT_MS);
    return this.guest.isDraining ? restingSince : addMono(restingSince, WAITING_KEPT_MS);
  }

  /** When something is to be given back. */
  wakeAt(): MonoMs {
    if (!this.#wasResting) return NEVER;
    let at = NEVER;
    for (const held of this.slots.held())
      if (held.restingSince !== undefined && this.#leaveAt(held) < at) at = this.#leaveAt(held);
    return at;
  }

  /** Something that the master has not been told: a Pull should go soon. */
  get hasNews(): boolean {
    return this.#returned.length > 0 || this.#told !== this.#gist;
  }

  /** What counts as news: not each tenth of a degree. */
  get #gist(): string {
    const {slots, cpuPercent, reasons} = this.guest.allowed;
    return `${slots} ${cpuPercent} ${reasons.map(({by}) => by).join()}`;
  }

  /** For a Pull that is made now. */
  readonly news = (
    room: number,
  ): {readonly guest: GuestState; readonly returned: readonly Renewal[]} => {
    this.#told = this.#gist;
    const returned = this.#returned.splice(0, Math.min(room, RETURNED_PER_PULL));
    return {guest: this.#state(), returned};
  };

  get bufferMs(): number {
    return this.guest.bufferMs;
  }

  /** After a turn. */
  check(): void {
    this.slots.check();
    const isIdle = !this.#orders.isSuspended || this.slots.size === 0;
    assert(isIdle, `suspended by the master, and ${this.slots.size} replicas are in hand`);
  }

  #state(): GuestState {
    const {slots, cpuPercent, reasons} = this.guest.allowed;
    const [first] = reasons;
    const more = reasons.length > 1 ? ` (+${reasons.length - 1})` : '';
    const reason = first === undefined ? '' : `${first.by}: ${first.text}${more}`;
    return {
      heldSlots: this.#slotCount - slots,
      cpuPercent,
      reason,
      draining: this.guest.isDraining,
      preferencesId: this.#memory.wishes.id,
    };
  }
}
