// Several alarms on one clock: the driver's for its core and one for the sessions beside it.

import {type MonoMs, NEVER, type Now} from '../base/types.ts';
import type {Clock} from './ports.ts';

type Entry = {at: MonoMs; ring: () => void};

export class Alarm {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A clock with an alarm of its own. */
  channel(name: string): Clock {
    return {
      now: (): Now => this.#clock.now(),
      soon: turn => this.#clock.soon(turn),
      alarmAt: (at, ring) => {
        this.#entries.set(name, {at, ring});
        this.#arm();
      },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#entries.clear();
    this.#clock.alarmAt(NEVER, () => undefined);
  }

  #arm(): void {
    if (this.#stopped) return;
    let least: MonoMs = NEVER;
    for (const {at} of this.#entries.values()) if (at < least) least = at;
    this.#clock.alarmAt(least, () => this.#ring());
  }

  #ring(): void {
    const {mono} = this.#clock.now();
    const due: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.at > mono) continue;
      entry.at = NEVER;
      due.push(entry);
    }
    for (const {ring} of due) ring();
    this.#arm();
  }
}
