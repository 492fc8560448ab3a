// Slots that compute nothing and take their time. What comes out depends on who the node is.

import {assertNever} from '../base/assert.ts';
import type {Prng} from '../base/prng.ts';
import type {ReplicaId} from '../base/types.ts';
import type {RunOrder} from '../core/core.ts';
import type {FetchedApp} from '../node/app-shelf.ts';
import type {Runner, Tell} from '../runtime/ports.ts';
import type {FailReason, OutputRef} from '../wire/message.ts';
import {exponential} from './dice.ts';
import type {MachinePlan} from './machine-plan.ts';
import type {Loaded, SimApps} from './sim-apps.ts';
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

/** When a run will be over; `leftMs`: what it has left, while it stands still. */
type End = {
  readonly order: RunOrder;
  readonly cpuMs: number;
  at: number;
  leftMs: number | undefined;
};

/** Time of one run: the app's first argument, in milliseconds on average. */
const meanMsOf = (order: RunOrder): number => Number(order.args[0] ?? 1);

export type SimRunnerOptions = {
  readonly clock: SimClock;
  readonly prng: Prng;
  readonly profile: Profile;
  readonly machine: MachinePlan;
  readonly tell: Tell;
  /** Writes an output that is a blob to the node's disk. */
  readonly keep: (output: OutputRef) => void;
  /** undefined = whatever is ordered runs. */
  readonly apps: SimApps | undefined;
  /** An app is handed to the slot. */
  readonly onLoaded: (order: RunOrder, loaded: Loaded) => void;
};

export class SimRunner implements Runner {
  readonly #options: SimRunnerOptions;
  readonly #running = new Map<ReplicaId, RunOrder>();
  readonly #freeAt: number[] = [];
  readonly #ends = new Map<ReplicaId, End>();

  constructor(options: SimRunnerOptions) {
    this.#options = options;
  }

  run(order: RunOrder): void {
    const {apps} = this.#options;
    this.#running.set(order.replicaId, order);
    if (!apps) return this.#start(order);
    apps.get(order.appId, (found, loaded) => {
      if (this.#running.get(order.replicaId) !== order) return; // stopped meanwhile
      if (found.kind !== 'app' || !loaded) return this.#refuse(order, found);
      this.#options.onLoaded(order, loaded);
      this.#start(order);
    });
  }

  /** As io/runner.ts: an app that cannot be had is no fault of the app. */
  #refuse(order: RunOrder, found: FetchedApp): void {
    const {clock, tell} = this.#options;
    const {replicaId} = order;
    const [reason, detail]: readonly [FailReason, string] =
      found.kind === 'refused' ? ['refused', found.reason] : ['inputMissing', 'no app'];
    clock.after(0, EVENT.runner, () => {
      if (this.#running.get(replicaId) !== order) return;
      this.#running.delete(replicaId);
      tell({type: 'failed', replicaId, reason, detail, cpuMs: 0});
    });
  }

  #start(order: RunOrder): void {
    const {clock} = this.#options;
    const {mono} = clock.now();
    const cpuMs = this.#drawMs(order);
    const startAt = Math.max(mono, this.#freeAt[order.slot] ?? 0);
    this.#freeAt[order.slot] = startAt + cpuMs;
    this.#running.set(order.replicaId, order);
    this.#endAfter(startAt + cpuMs - mono, order, cpuMs);
  }

  stop(replicaId: ReplicaId): void {
    this.#running.delete(replicaId);
    this.#ends.delete(replicaId);
  }

  /** Slots that stand still end nothing; what they had left is left when they go on. */
  pace(held: readonly number[]): void {
    const {mono} = this.#options.clock.now();
    for (const [replicaId, end] of this.#ends) {
      const isHeld = held.includes(end.order.slot);
      if (isHeld && end.leftMs === undefined) end.leftMs = Math.max(0, end.at - mono);
      if (isHeld || end.leftMs === undefined) continue;
      this.#ends.delete(replicaId);
      this.#endAfter(end.leftMs, end.order, end.cpuMs);
    }
  }

  #endAfter(ms: number, order: RunOrder, cpuMs: number): void {
    const end: End = {order, cpuMs, at: this.#options.clock.now().mono + ms, leftMs: undefined};
    this.#ends.set(order.replicaId, end);
    this.#options.clock.after(ms, EVENT.runner, () => {
      if (this.#ends.get(order.replicaId) !== end || end.leftMs !== undefined) return;
      this.#ends.delete(order.replicaId);
      this.#end(order, cpuMs);
    });
  }

  #drawMs(order: RunOrder): number {
    const {profile, prng} = this.#options;
    if (profile === 'hung') return order.timeLimitMs;
    const factor = profile === 'slow' ? SLOW_FACTOR : 1;
    return Math.min(order.timeLimitMs, meanMsOf(order) * exponential(prng) * factor);
  }

  #end(order: RunOrder, cpuMs: number): void {
    const {replicaId} = order;
    const {profile, prng, tell, keep} = this.#options;
    if (this.#running.get(replicaId) !== order) return;
    this.#running.delete(replicaId);
    const output = this.#outputOf(order);
    if (output) {
      keep(output);
      tell({type: 'computed', replicaId, output, cpuMs});
      return;
    }
    const reason = profile === 'hung' ? 'timedOut' : prng.pick(REASONS);
    tell({type: 'failed', replicaId, reason, detail: 'simulated', cpuMs});
  }

  #outputOf({input, args, shared}: RunOrder): OutputRef | undefined {
    const {profile, prng, machine} = this.#options;
    switch (profile) {
      case 'honest':
      case 'slow':
        return compute(input, args, '', machine, shared);
      case 'wrong':
        return compute(input, args, `lie ${prng.uint32()}`);
      case 'colluding':
        return compute(input, args, 'our lie');
      case 'failing':
      case 'hung':
        return undefined;
      default:
        return assertNever(profile);
    }
  }
}
