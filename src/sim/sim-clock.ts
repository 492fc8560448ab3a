// The clock of one process: its own monotonic origin and drift, its own idea of the wall. Alarms of a dead
// process never ring; a process that stands still (SIGSTOP, a long pause) rings them when it goes on.

import {asMonoMs, asWallMs, type MonoMs, NEVER, type Now} from '../base/types.ts';
import type {Clock} from '../runtime/ports.ts';
import {EVENT, type EventKind, type Timeline} from './timeline.ts';

export type SimClockOptions = {
  readonly timeline: Timeline;
  /** Number of the process in the digest. */
  readonly no: number;
  /** Reading of the monotonic clock at the start of the process. */
  readonly monoAtStart: number;
  /** Wall clock at the start of the world, on this machine. */
  readonly wallAtZero: number;
  /** Parts in one: 1e-5 gains 10 µs a second. */
  readonly drift: number;
  /** How long a turn waits for what comes with it. */
  readonly turnMs: () => number;
};

/** Rounding must not ring an alarm before its time: the core would be asked again and again. */
const SLACK_MS = 1e-3;

export class SimClock implements Clock {
  readonly #options: SimClockOptions;
  readonly #startedAt: number;
  #dead = false;
  #stoppedUntil = 0;
  /** How long the machine slept: its monotonic clock stood still, its wall clock did not. */
  #sleptMs = 0;
  #wallStepMs = 0;
  #ring: () => void = () => undefined;
  /** In time of the world. */
  #alarmAt = Number.POSITIVE_INFINITY;
  #setAt = Number.POSITIVE_INFINITY;
  #alarmNo = 0;

  constructor(options: SimClockOptions) {
    this.#options = options;
    this.#startedAt = options.timeline.now;
  }

  get dead(): boolean {
    return this.#dead;
  }

  now(): Now {
    const {timeline, drift, monoAtStart, wallAtZero} = this.#options;
    const mono = monoAtStart + (timeline.now - this.#startedAt - this.#sleptMs) * (1 + drift);
    return {mono: asMonoMs(mono), wall: asWallMs(wallAtZero + timeline.now + this.#wallStepMs)};
  }

  /** The process dies: nothing it waited for happens any more. */
  kill(): void {
    this.#dead = true;
  }

  /** The process stands still for so long. */
  pause(ms: number): void {
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.#options.timeline.now + ms);
  }

  /** The machine is suspended for so long (CLOCK_MONOTONIC of Linux does not count it). */
  suspend(ms: number): void {
    this.pause(ms);
    this.#sleptMs += ms;
  }

  /** Somebody sets the wall clock. */
  stepWall(ms: number): void {
    this.#wallStepMs += ms;
  }

  /** Runs `act` in this process: never when it is dead, later when it stands still. */
  run(act: () => void): void {
    if (this.#dead) return;
    const {timeline, no} = this.#options;
    if (timeline.now < this.#stoppedUntil)
      timeline.at(this.#stoppedUntil, EVENT.other, no, () => this.run(act));
    else act();
  }

  after(ms: number, kind: EventKind, act: () => void): void {
    const {timeline, no} = this.#options;
    timeline.after(ms, kind, no, () => this.run(act));
  }

  soon(turn: () => void): void {
    this.after(this.#options.turnMs(), EVENT.turn, turn);
  }

  alarmAt(at: MonoMs, ring: () => void): void {
    this.#ring = ring;
    if (at === NEVER) {
      this.#alarmAt = at;
      return;
    }
    const {drift, monoAtStart, timeline} = this.#options;
    const wanted = this.#startedAt + this.#sleptMs + (at - monoAtStart) / (1 + drift) + SLACK_MS;
    this.#alarmAt = Math.max(wanted, timeline.now);
    // An event that is due before is left there and sets the next: most alarms are put off, not rung.
    if (this.#alarmAt < this.#setAt) this.#set();
  }

  #set(): void {
    const {timeline, no} = this.#options;
    const alarmNo = ++this.#alarmNo;
    this.#setAt = this.#alarmAt;
    timeline.at(this.#alarmAt, EVENT.alarm, no, () => {
      if (alarmNo === this.#alarmNo) this.run(() => this.#onSet(alarmNo));
    });
  }

  #onSet(alarmNo: number): void {
    if (alarmNo !== this.#alarmNo) return;
    this.#setAt = Number.POSITIVE_INFINITY;
    if (this.#alarmAt === Number.POSITIVE_INFINITY) return;
    if (this.#alarmAt > this.#options.timeline.now) {
      this.#set();
      return;
    }
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#ring();
  }
}
