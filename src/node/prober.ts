// Learns the master's clock: a quick round of probes after joining, then ever more rarely. The first show where the
// clock is, those further apart how fast it runs (core/clock-sync.ts).

import type {Prng} from '../base/prng.ts';
import {addMono, type MonoMs, NEVER} from '../base/types.ts';
import type {ClockSync} from '../core/clock-sync.ts';
import type {TimeProbe, TimeReply} from '../wire/message.ts';

/** Eight samples find a quiet moment on a LAN; spaced so that they do not queue behind one another. */
const QUICK_PROBES = 8;
const QUICK_MS = 25;
const FIRST_REST_MS = 1_000;
const SLOW_MS = 15_000;
/** While the clock is worse than this (a busy start, a lossy link) it is asked for more often. */
const GOOD_MS = 2;
const BETTER_MS = 500;

export class Prober {
  readonly #prng: Prng;
  #nonce = 0;
  #sentAt: MonoMs | undefined;
  #left = 0;
  #restMs = FIRST_REST_MS;
  #nextAt: MonoMs = NEVER;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** The answer to what was asked is no longer listened to. */
  forget(): void {
    this.#sentAt = undefined;
  }

  /** The session is over: the next may be with a later life of the master, which has another clock. */
  end(): void {
    this.forget();
    this.#nextAt = NEVER;
  }

  begin(now: MonoMs): void {
    this.forget();
    this.#left = QUICK_PROBES;
    this.#restMs = FIRST_REST_MS;
    this.#nextAt = now;
  }

  /** @param boundMs how wrong the clock may be now; negative = not known */
  next(now: MonoMs, boundMs: number): TimeProbe | undefined {
    if (this.#nextAt > now) return undefined;
    this.#left = Math.max(0, this.#left - 1);
    this.#nextAt = addMono(now, this.#prng.jitter(this.#left > 0 ? QUICK_MS : this.#rest(boundMs)));
    this.#nonce = this.#prng.uint32();
    this.#sentAt = now;
    return {type: 'timeProbe', nonce: this.#nonce};
  }

  #rest(boundMs: number): number {
    if (boundMs < 0 || boundMs > GOOD_MS) return BETTER_MS;
    const restMs = this.#restMs;
    this.#restMs = Math.min(SLOW_MS, restMs * 2);
    return restMs;
  }

  onReply(reply: TimeReply, heardAt: MonoMs, clock: ClockSync): void {
    if (reply.nonce !== this.#nonce || this.#sentAt === undefined) return;
    clock.sample(this.#sentAt, reply.receivedWallMs, reply.sentWallMs, heardAt);
    this.#sentAt = undefined;
  }

  wakeAt(): MonoMs {
    return this.#nextAt;
  }
}
