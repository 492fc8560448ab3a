// Asking for work: one pull at a time, repeated with back-off until all parts of its answer are here; a
// pull that says nothing new is the heartbeat. How much is asked for follows from the measured run times.

import type {Prng} from '../base/prng.ts';
import {addMono, type MonoMs, NEVER} from '../base/types.ts';
import {RENEWALS_PER_PULL} from '../wire/codec-sizes.ts';
import type {Assign, EarReport, Guest, Pull, Renewal} from '../wire/message.ts';
import {longerWait, RoundTrip} from './round-trip.ts';
import {type Held, renewalOf, type Slots} from './slots.ts';

/**
 * Work kept waiting, in milliseconds for each slot, when nobody wants more: hides the way to the master and
 * back.
 */
export const BUFFER_MS = 250;
/** With no more than that, longer workunits are not asked for ahead: another node may be idle. */
const AHEAD_MS_MAX = 500;
const WAITING_MAX = 192;
/** A node that is to go on without its master for a while keeps more; all of it is renewed in turn. */
const BUFFERED_MAX = 1_024;
/** Before the master's own pace is known. */
const RETRY_MS_MIN = 60;
const RETRY_MS_MAX = 1_000;
/**
 * Unanswered so often, and no other word of the master meanwhile (3 to 5 s): it is gone, or has forgotten us.
 * On a link that loses a third each way, half of all questions go unanswered and one in 4,000 so often.
 */
const TRIES_MAX = 12;

type Asked = {
  pull: Pull;
  /** undefined = not since the session began. */
  askedAt: MonoMs | undefined;
  waitMs: number;
  retryAt: MonoMs;
  readonly parts: Set<number>;
  /** In how many parts the answer comes; 0 = none has come. */
  partCount: number;
};

/** How the owner of the node wants it to ask. */
export type Manners = {
  /** Work to keep ahead, in milliseconds for each slot. */
  readonly bufferMs: number;
  /** What the next Pull tells beside, with room for so many leases; asked when it is made. */
  readonly news?: (room: number) => {
    readonly guest?: Guest;
    readonly returned?: readonly Renewal[];
  };
};

export class Puller {
  /** The newest group key that this node has. */
  groupKeyId = 0;
  /** Of the state of the cluster that this node obeys. */
  stateGeneration = 0;
  readonly #prng: Prng;
  readonly #ear: (now: MonoMs) => EarReport | undefined;
  readonly #roundTrip = new RoundTrip(RETRY_MS_MIN);
  #nonce = 0;
  #asked: Asked | undefined;
  #heartbeatMs = 1_000;
  /** Of the master that is asked: another life of it has forgotten what it gave. */
  #epoch = 0;
  /** Tries since the master was last heard. */
  #unheard = 0;
  #nextAt: MonoMs = NEVER;
  #renewAt = Number.NEGATIVE_INFINITY as MonoMs;
  /** When this life of the master was met: what was named last before that, it does not know of. */
  #metAt = Number.NEGATIVE_INFINITY as MonoMs;
  /** Replicas in hand may be left that this life of the master was not told of. */
  #untold = false;
  /** Told that there is nothing: wait for a heartbeat or for work to become available. */
  #idle = false;
  /** Work became available after the question that is under way was asked. */
  #woken = false;

  /** @param ear what was heard of pulses since it was asked last */
  constructor(prng: Prng, ear: (now: MonoMs) => EarReport | undefined = () => undefined) {
    this.#prng = prng;
    this.#ear = ear;
    this.#nonce = prng.below(2 ** 30);
  }

  /**
   * A session begins: ask at once. A question that the same life of the master has not answered is asked
   * again as it was: the answer may be under way with leases in it, which nobody else would compute until
   * they run out.
   *
   * @param isPaused no work is wanted yet: the question asks for nothing beyond what its answer held
   */
  begin(heartbeatMs: number, epoch: number, now: MonoMs, isPaused = false): void {
    this.#heartbeatMs = heartbeatMs;
    if (epoch !== this.#epoch) {
      this.#asked = undefined;
      this.#metAt = now;
      this.#untold = true;
    }
    this.#epoch = epoch;
    this.#idle = false;
    this.#unheard = 0;
    this.#nextAt = now;
    if (!this.#asked) return;
    if (isPaused) this.#asked.pull = {...this.#asked.pull, wanted: 0};
    this.#asked.askedAt = undefined;
    this.#asked.retryAt = now;
  }

  end(): void {
    this.#nextAt = NEVER;
  }

  /** Any word of the master: it is there, whatever became of our question. */
  heard(): void {
    this.#unheard = 0;
  }

  /** The master should hear what is new with this node. */
  soon(now: MonoMs): void {
    if (this.#nextAt > now && this.#nextAt !== NEVER) this.#nextAt = now;
  }

  /**
   * There is work, for whoever waits for it: a node that has enough asks when it wants more, and thousands of
   * busy ones that answer each call would be most of what the master hears.
   */
  called(now: MonoMs, spreadMs: number): void {
    if (this.#idle || (this.#asked?.pull.wanted ?? 0) > 0) this.wake(now, spreadMs);
  }

  /** Ask within `spreadMs`. */
  wake(now: MonoMs, spreadMs: number): void {
    if (this.#nextAt === NEVER && !this.#asked) return; // no session
    this.#idle = false;
    this.#woken = true;
    const at = now + this.#prng.fraction() * spreadMs;
    this.#nextAt = Math.min(this.#nextAt, at) as MonoMs;
  }

  /** false = a repeat, or the answer to another question. */
  onAssign(assign: Assign, now: MonoMs): boolean {
    const asked = this.#asked;
    if (asked?.pull.nonce !== assign.nonce) return false;
    if (asked.partCount !== assign.parts) {
      asked.partCount = assign.parts; // the master has forgotten its answer and gives another one
      asked.parts.clear();
    }
    if (asked.parts.has(assign.part)) return false;
    asked.parts.add(assign.part);
    // The cluster may have grown since Welcome, and with it the time between heartbeats.
    if (assign.waitMs > 0) this.#heartbeatMs = assign.waitMs;
    if (asked.parts.size < assign.parts) return true;
    if (asked.askedAt !== undefined) this.#roundTrip.answered(now - asked.askedAt);
    this.#asked = undefined;
    this.#idle = asked.pull.wanted > 0 && assign.parts === 1 && assign.batches.length === 0;
    this.#nextAt = addMono(now, this.#prng.jitter(this.#heartbeatMs, 0.7, 1));
    if (this.#woken && this.#idle) {
      this.#idle = false;
      this.#nextAt = now; // the answer may be older than the work
    }
    return true;
  }

  /** The master has not answered for so long that a new session is needed. */
  get isLost(): boolean {
    return this.#unheard >= TRIES_MAX;
  }

  /** The pull to send now, if any. */
  next(
    slots: Slots,
    slotCount: number,
    paused: boolean,
    load: number,
    now: MonoMs,
    manners: Manners = {bufferMs: BUFFER_MS},
  ): Pull | undefined {
    const asked = this.#asked;
    if (asked) return asked.retryAt <= now ? this.#repeat(asked, now) : undefined;
    const beat = this.#nextAt <= now || this.#untold;
    if (this.#nextAt === NEVER) return undefined;
    const mayAsk = !paused && (beat || !this.#idle);
    const wanted = mayAsk ? wantedOf(slots, manners.bufferMs) : 0;
    if (!beat && wanted === 0) return undefined;
    const running = this.#renewals(slots, beat, now);
    const tellsMore = this.#tellsMore(slots);
    // Fewer than RENEWALS_PER_PULL would say that these are all: there is room for others.
    const room = tellsMore ? 0 : RENEWALS_PER_PULL - running.length;
    const pull: Pull = {
      type: 'pull',
      nonce: this.#nonce++ >>> 0,
      wanted: tellsMore ? 0 : wanted,
      wantedMs: wantedMsOf(slots, slotCount, manners.bufferMs),
      running,
      load,
      groupKeyId: this.groupKeyId,
      stateGeneration: this.stateGeneration,
      ...this.#news(manners, room, now),
    };
    this.#woken = false;
    this.#asked = {
      pull,
      askedAt: undefined,
      waitMs: 0,
      retryAt: now,
      parts: new Set(),
      partCount: 0,
    };
    return this.#repeat(this.#asked, now);
  }

  #news(manners: Manners, room: number, now: MonoMs): Pick<Pull, 'guest' | 'returned' | 'ear'> {
    const {guest, returned = []} = manners.news?.(room) ?? {};
    const ear = this.#ear(now);
    return {
      ...(guest ? {guest} : {}),
      ...(returned.length > 0 ? {returned} : {}),
      ...(ear ? {ear} : {}),
    };
  }

  /** A node that asks often puts its heartbeat off with each answer, but not its renewals. */
  #renewals(slots: Slots, beat: boolean, now: MonoMs): Renewal[] {
    if (!beat && now < this.#renewAt) return [];
    this.#renewAt = addMono(now, this.#heartbeatMs * 0.7);
    return renewals(slots, now);
  }

  /** First all that is in hand is named to another life of the master, then more is asked for. */
  #tellsMore(slots: Slots): boolean {
    if (!this.#untold) return false;
    this.#untold = false;
    for (const held of slots.held()) if (held.renewedAt < this.#metAt) this.#untold = true;
    return this.#untold;
  }

  #repeat(asked: Asked, now: MonoMs): Pull {
    if (asked.askedAt === undefined) asked.waitMs = this.#roundTrip.waitMs;
    asked.askedAt ??= now;
    asked.retryAt = addMono(now, this.#prng.jitter(asked.waitMs));
    asked.waitMs = longerWait(asked.waitMs, RETRY_MS_MAX);
    this.#unheard += 1;
    return asked.pull;
  }

  wakeAt(): MonoMs {
    return this.#asked ? this.#asked.retryAt : this.#nextAt;
  }
}

/** Milliseconds of work to ask for, on all slots together. */
const wantedMsOf = (slots: Slots, slotCount: number, bufferMs: number): number =>
  bufferMs <= BUFFER_MS
    ? Math.ceil(bufferMs * slotCount)
    : Math.max(0, Math.ceil(bufferMs * slots.allowed - slots.waitingMs(0)));

/** Leases to ask for: a replica for each free slot, and a buffer of short ones. */
export function wantedOf(slots: Slots, bufferMs = BUFFER_MS): number {
  if (bufferMs > BUFFER_MS) return wantedAhead(slots, bufferMs);
  if (bufferMs === 0) return Math.max(0, slots.freeSlots - slots.waiting);
  if (slots.waiting >= WAITING_MAX / 2) return 0;
  const free = slots.freeSlots - slots.waiting;
  const waitingMs = slots.waitingMs(AHEAD_MS_MAX);
  if (free <= 0 && (waitingMs > BUFFER_MS / 2 || !onlyShort(slots))) return 0;
  return onlyShort(slots) ? WAITING_MAX - slots.waiting : Math.max(0, free);
}

/** Leases for a buffer of seconds or hours: filled up when half of it is gone, by measured run times. */
function wantedAhead(slots: Slots, bufferMs: number): number {
  const free = slots.freeSlots - slots.waiting;
  for (const appId of slots.apps()) if (slots.runMs(appId) === undefined) return Math.max(0, free); // first one run says how long it takes
  if (free <= 0 && slots.waitingMs(0) > (bufferMs * slots.allowed) / 2) return 0;
  return Math.max(0, BUFFERED_MAX - slots.waiting);
}

/** Whether all that is in hand is measured and short. */
function onlyShort(slots: Slots): boolean {
  for (const appId of slots.apps()) {
    const runMs = slots.runMs(appId);
    if (runMs === undefined || runMs > AHEAD_MS_MAX) return false;
  }
  return true;
}

function renewals(slots: Slots, now: MonoMs): Renewal[] {
  const oldest = [...slots.held()].sort((a, b) => a.renewedAt - b.renewedAt);
  return oldest.slice(0, RENEWALS_PER_PULL).map(held => renew(held, now));
}

function renew(held: Held, now: MonoMs): Renewal {
  held.renewedAt = now;
  return renewalOf(held);
}
