// A clock that stands still until a test lets time pass.

import {asMonoMs, asWallMs, type MonoMs, NEVER, type Now} from '../../src/base/types.ts';
import type {Clock} from '../../src/runtime/ports.ts';

export class FakeClock implements Clock {
  mono = 0;
  queue: (() => void)[] = [];
  alarm: {at: MonoMs; ring: () => void} = {at: NEVER, ring: () => {}};

  now(): Now {
    return {mono: asMonoMs(this.mono), wall: asWallMs(this.mono)};
  }

  alarmAt(at: MonoMs, ring: () => void): void {
    this.alarm = {at, ring};
  }

  soon(turn: () => void): void {
    this.queue.push(turn);
  }

  /** Runs what waits, and what that makes wait. */
  run(): void {
    for (let next = this.queue.shift(); next; next = this.queue.shift()) next();
  }

  pass(ms: number): void {
    const until = this.mono + ms;
    for (;;) {
      this.run();
      if (this.alarm.at > until) break;
      const {at, ring} = this.alarm;
      this.alarm = {at: NEVER, ring: () => {}};
      this.mono = Math.max(this.mono, at);
      ring();
    }
    this.mono = until;
  }
}
