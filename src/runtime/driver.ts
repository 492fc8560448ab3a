// The only loop between a core and the world.
//
//   event → inbox → turn (≤ 256 events) → effects → ONE synced commit → everything else, in order
//
// Nothing leaves before the commit of its own turn and of every turn before it (rule "save before send"),
// but for effects marked `early`: they promise nothing, and whoever marks one says why.
// While a commit is under way further turns run and gather into the next one: that is the group commit.
// The store takes one commit at a time; how far turns may run ahead is bounded by PENDING_OPS_MAX.
// A failed commit or a broken invariant is fatal: the store is the truth, memory only a cache.

import type {MonoMs, PeerId} from '../base/types.ts';
import type {Core} from '../core/core.ts';
import {type Head, journalOps} from '../core/journal.ts';
import type {Op} from '../core/tables.ts';
import type {Crypto} from '../wire/crypto.ts';
import {
  INBOX_EVENTS_MAX,
  INBOX_EVENTS_PER_PEER_MAX,
  PENDING_OPS_MAX,
  TURN_EVENTS_MAX,
} from '../wire/limits.ts';
import type {Clock, Store} from './ports.ts';

type Tick = {readonly type: 'tick'};
type Save = {readonly type: 'save'; readonly op: Op};

export type DriverOptions<E extends {type: string}, F extends {type: string}> = {
  readonly core: Core<E | Tick, F | Save>;
  readonly clock: Clock;
  readonly store: Store;
  readonly crypto: Pick<Crypto, 'sha256'>;
  /** End of the journal as found at open. */
  readonly head: Head;
  /** Does one effect; `journalNo` is the last durable commit, which holds the effect's turn. */
  readonly perform: (effect: F, journalNo: number) => void;
  readonly fatal: (error: unknown) => void;
  /** After each turn; the simulator checks invariants here. */
  readonly afterTurn?: () => void;
};

export class Driver<E extends {type: string}, F extends {type: string}> {
  readonly #options: DriverOptions<E, F>;
  #head: Head;
  #inbox: E[] = [];
  /** Whose each event of the inbox is, and how many of each peer wait. */
  #senders: (PeerId | undefined)[] = [];
  readonly #waitingOf = new Map<PeerId, number>();
  #taken = 0;
  #turnDue = false;
  #isPatient = false;
  #turnSkipped = false;
  #committing = false;
  #stopped = false;
  #ops: Op[] = [];
  #effects: F[] = [];
  #early: F[] = [];

  constructor(options: DriverOptions<E, F>) {
    this.#options = options;
    this.#head = options.head;
  }

  /** Number of the last durable commit. */
  get journalNo(): number {
    return this.#head.journalNo;
  }

  /** true when nothing waits: no event, no operation, no commit under way. */
  get idle(): boolean {
    return !this.#committing && this.#ops.length === 0 && this.#waiting === 0;
  }

  get #waiting(): number {
    return this.#inbox.length - this.#taken;
  }

  /**
   * Queues an event of the network; false = the inbox, or this peer's part of it, is full and the event is
   * dropped (the caller counts it). Peers repeat what they say.
   *
   * @param peer whose it is; without one only the whole inbox is the limit
   */
  post(event: E, peer?: PeerId): boolean {
    if (this.#stopped || this.#waiting >= INBOX_EVENTS_MAX) return false;
    if (peer !== undefined) {
      const count = this.#waitingOf.get(peer) ?? 0;
      if (count >= INBOX_EVENTS_PER_PEER_MAX) return false;
      this.#waitingOf.set(peer, count + 1);
      this.#senders[this.#inbox.length] = peer;
    }
    return this.postOwn(event);
  }

  #onTaken(at: number): void {
    const peer = this.#senders[at];
    if (peer === undefined) return;
    const count = this.#waitingOf.get(peer) ?? 0;
    if (count > 1) this.#waitingOf.set(peer, count - 1);
    else this.#waitingOf.delete(peer);
  }

  /**
   * Queues an event of this process, which nobody repeats: the core waits for its answers (inputs, results,
   * uploads), and what it asked for bounds them. false = stopped.
   *
   * @param patienceMs the turn may wait so long for more events
   */
  postOwn(event: E, patienceMs = 0): boolean {
    if (this.#stopped) return false;
    this.#inbox.push(event);
    if (patienceMs > 0) this.#waitForMore(patienceMs);
    else this.#scheduleTurn();
    return true;
  }

  /** A turn in so many milliseconds, if nothing brings one before: more of the same is on its way. */
  #waitForMore(ms: number): void {
    if (this.#turnDue || this.#isPatient) return;
    this.#isPatient = true;
    const {clock, core} = this.#options;
    const at = Math.min(core.wakeAt(), clock.now().mono + ms) as MonoMs;
    clock.alarmAt(at, () => this.#scheduleTurn());
  }

  /** First turn: lets the core save and say what it has from its start. */
  start(): void {
    this.#scheduleTurn();
  }

  /** No further turn; a commit under way may still end. */
  stop(): void {
    this.#stopped = true;
  }

  #scheduleTurn(): void {
    if (this.#turnDue || this.#stopped) return;
    this.#turnDue = true;
    this.#options.clock.soon(() => {
      if (this.#turnDue) this.#turn();
    });
  }

  /** The turn that is due, now and not after what else waits in the event loop. Never from within a turn. */
  hurry(): void {
    if (this.#turnDue) this.#turn();
  }

  #turn(): void {
    this.#turnDue = false;
    this.#isPatient = false;
    this.#turnSkipped = this.#ops.length > PENDING_OPS_MAX;
    if (this.#stopped || this.#turnSkipped) return; // the commit's end goes on
    try {
      this.#runCore();
      this.#options.afterTurn?.();
      this.#performAll(this.#early.splice(0));
      this.#flush();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#waiting > 0) this.#scheduleTurn();
    this.#options.clock.alarmAt(this.#options.core.wakeAt(), () => this.#scheduleTurn());
  }

  #runCore(): void {
    const {core, clock} = this.#options;
    const now = clock.now();
    const last = Math.min(this.#inbox.length, this.#taken + TURN_EVENTS_MAX);
    for (let i = this.#taken; i < last; i++) {
      this.#onTaken(i);
      this.#take(core.handle(this.#inbox[i] as E, now));
    }
    this.#taken = last;
    if (this.#taken === this.#inbox.length) {
      this.#inbox = [];
      this.#taken = 0;
      this.#senders = [];
    }
    if (core.wakeAt() <= now.mono) this.#take(core.handle({type: 'tick'}, now));
    this.#take(core.endTurn(now));
  }

  #take(effects: readonly (F | Save)[]): void {
    for (const effect of effects) {
      if (effect.type === 'save') this.#ops.push((effect as Save).op);
      else if ('early' in effect && effect.early) this.#early.push(effect as F);
      else this.#effects.push(effect as F);
    }
  }

  #flush(): void {
    if (this.#committing) return;
    const effects = this.#effects;
    this.#effects = [];
    if (this.#ops.length === 0) {
      this.#performAll(effects);
      return;
    }
    const {ops, head} = journalOps(this.#options.crypto, this.#head, this.#ops);
    this.#ops = [];
    this.#committing = true;
    this.#options.store.commit(ops, error => {
      this.#committing = false;
      if (error) {
        this.#fail(error);
        return;
      }
      this.#head = head;
      try {
        this.#performAll(effects);
        if (!this.#stopped) this.#flush();
      } catch (cause) {
        this.#fail(cause);
        return;
      }
      if (this.#waiting > 0 || this.#turnSkipped) this.#scheduleTurn();
    });
  }

  #performAll(effects: readonly F[]): void {
    for (const effect of effects) this.#options.perform(effect, this.#head.journalNo);
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#options.fatal(error);
  }
}
