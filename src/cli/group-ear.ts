// Does this node hear multicast at all? The master's beacons come every second; a member that hears none of
// them gets its commands late, by unicast, and nobody would know why.

import {SECOND_MS} from '../base/units.ts';
import {every} from '../io/system-clock.ts';
import type {Journal} from '../runtime/ports.ts';

const LOOK_MS = 10 * SECOND_MS;

export class GroupEar {
  readonly #journal: Journal;
  readonly #port: number;
  readonly #stop: () => void;
  #heard = false;
  #joined = false;
  #told = false;

  constructor(journal: Journal, port: number) {
    this.#journal = journal;
    this.#port = port;
    this.#stop = every(LOOK_MS, () => this.#look());
  }

  /** A datagram of the group came in. */
  heard(): void {
    this.#heard = true;
  }

  joined(): void {
    if (!this.#joined) this.#heard = false;
    this.#joined = true;
  }

  close(): void {
    this.#stop();
  }

  #look(): void {
    if (this.#joined && !this.#heard && !this.#told)
      this.#journal.note({
        level: 'warn',
        what: 'no multicast is heard: commands come late, by unicast',
        fields: {groupPort: this.#port, advice: '--group-port as on the master? IGMP querier?'},
      });
    this.#told = this.#joined && !this.#heard;
    this.#heard = false;
  }
}
