// Slots that compute nothing and take their time. What comes out depends on who the node is.

import {assertNever} from '../base/assert.ts';
import type {Prng} from '../base/prng.ts';
import type {ReplicaId} from '../base/types.ts';
import type {RunOrder} from '../core/core.ts';
import type {Runner, Tell} from '../runtime/ports.ts';
import type {FailReason, OutputRef} from '../wire/message.ts';
import {exponential} from './dice.ts';
import type {SimClock} from './sim-clock.ts';
import {EVENT} from './timeline.ts';
import {compute} from './truth.ts';

export type Profile =
  | 'honest'
  /** Honest, twenty times slower. */
  | 'slow'
  /** Other wrong bytes each time. */
  | 'wrong'
  /** The wrong bytes that all its friends return. */
  | 'colluding'
  /** Fails, for one reason or another; never a trap, which would be a vote. */
  | 'failing'
  /** Computes until its time is over. */
  | 'hung';

const SLOW_FACTOR = 20;
const REASONS: readonly FailReason[] = ['timedOut', 'outOfMemory', 'runnerLost', 'inputMissing'];

/** Time of one run: the app's first argument, in milliseconds on average. */
const meanMsOf = (order: RunOrder): number => Number(order.args[0] ?? 1);

export class SimRunner implements Runner {
  readonly #clock: SimClock;
  readonly #prng: Prng;
  readonly #profile: Profile;
  readonly #tell: Tell;
  readonly #keep: (output: OutputRef) => void;
  readonly #running = new Map<ReplicaId, RunOrder>();
  readonly #freeAt: number[] = [];

  /** @param keep writes an output that is a blob to the node's disk */
  constructor(
    clock: SimClock,
    prng: Prng,
    profile: Profile,
    tell: Tell,
    keep: (output: OutputRef) => void,
  ) {
    this.#clock = clock;
    this.#prng = prng;
    this.#profile = profile;
    this.#tell = tell;
    this.#keep = keep;
  }

  run(order: RunOrder): void {
    const {mono} = this.#clock.now();
    const cpuMs = this.#drawMs(order);
    const startAt = Math.max(mono, this.#freeAt[order.slot] ?? 0);
    this.#freeAt[order.slot] = startAt + cpuMs;
    this.#running.set(order.replicaId, order);
    this.#clock.after(startAt + cpuMs - mono, EVENT.runner, () => this.#end(order, cpuMs));
  }

  stop(replicaId: ReplicaId): void {
    this.#running.delete(replicaId);
  }

  #drawMs(order: RunOrder): number {
    if (this.#profile === 'hung') return order.timeLimitMs;
    const factor = this.#profile === 'slow' ? SLOW_FACTOR : 1;
    return Math.min(order.timeLimitMs, meanMsOf(order) * exponential(this.#prng) * factor);
  }

  #end(order: RunOrder, cpuMs: number): void {
    const {replicaId} = order;
    if (this.#running.get(replicaId) !== order) return;
    this.#running.delete(replicaId);
    const output = this.#outputOf(order);
    if (output) {
      this.#keep(output);
      this.#tell({type: 'computed', replicaId, output, cpuMs});
      return;
    }
    const reason = this.#profile === 'hung' ? 'timedOut' : this.#prng.pick(REASONS);
    this.#tell({type: 'failed', replicaId, reason, detail: 'simulated', cpuMs});
  }

  #outputOf({input, args}: RunOrder): OutputRef | undefined {
    switch (this.#profile) {
      case 'honest':
      case 'slow':
        return compute(input, args);
      case 'wrong':
        return compute(input, args, `lie ${this.#prng.uint32()}`);
      case 'colluding':
        return compute(input, args, 'our lie');
      case 'failing':
      case 'hung':
        return undefined;
      default:
        return assertNever(this.#profile);
    }
  }
}
