// The master's clock in the node: learnt by probes, forgotten when this machine or the master's slept.

import {toHex} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import type {MonoMs, Now, WallMs} from '../base/types.ts';
import {ClockSync} from '../core/clock-sync.ts';
import type {Note} from '../core/core.ts';
import type {TimeProbe, TimeReply, Welcome} from '../wire/message.ts';
import {ClockWatch} from './clock-watch.ts';
import {Prober} from './prober.ts';

export class Timekeeper {
  readonly clock = new ClockSync();
  readonly #watch = new ClockWatch();
  readonly #prober: Prober;
  /** The life of the master whose clock it is. */
  #instance = '';

  constructor(prng: Prng) {
    this.#prober = new Prober(prng);
  }

  /** To be called first with every event; a note when the clock has to be learnt anew. */
  jumped(now: Now): Note | undefined {
    const ms = Math.round(this.#watch.jumpOf(now));
    if (ms === 0) return undefined;
    return {level: 'info', what: 'this machine slept, or its clock was set', fields: {ms}};
  }

  contradicts(said: WallMs, now: MonoMs): boolean {
    return this.#watch.contradicts(this.clock, said, now);
  }

  forget(): void {
    this.clock.reset();
    this.#prober.forget();
  }

  /**
   * A new session. With the same life of the master its clock is what it was: in a crowded moment, when sessions
   * break, another round of probes would know it worse.
   *
   * @param sentAt when the question was sent that `wallMs` answers; undefined = nobody knows
   */
  welcomed(
    sentAt: MonoMs | undefined,
    {wallMs, instanceId}: Pick<Welcome, 'wallMs' | 'instanceId'>,
    heardAt: MonoMs,
    now: MonoMs,
  ): void {
    const instance = toHex(instanceId);
    if (instance !== this.#instance) this.clock.reset();
    this.#instance = instance;
    if (sentAt !== undefined) this.clock.sample(sentAt, wallMs, wallMs, heardAt);
    this.#prober.begin(now);
  }

  /** Asks several times soon. */
  begin(now: MonoMs): void {
    this.#prober.begin(now);
  }

  /** The session is over: what the next one says of the clock counts from its Welcome on. */
  end(): void {
    this.#prober.end();
  }

  onReply(reply: TimeReply, heardAt: MonoMs): void {
    this.#prober.onReply(reply, heardAt, this.clock);
  }

  next(now: MonoMs): TimeProbe | undefined {
    return this.#prober.next(now, this.clock.boundMs(now));
  }

  wakeAt(): MonoMs {
    return this.#prober.wakeAt();
  }
}
