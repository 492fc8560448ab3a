// Where a node looks for its master: at the address that it was given or that once proved to be the master's,
// and wherever beacons say it is. Anybody can repeat a beacon from anywhere, so a place that only a beacon
// names gets one initiation for each beacon: never more bytes than came from it.

import type {Address} from '../base/types.ts';

/** Places that beacons may name between two tries; a stranger has to be quick to fill them all. */
const HINTS_MAX = 8;

export class Whereabouts {
  readonly #home: Address | undefined;
  readonly #hints = new Set<Address>();

  /** @param home tried every time; undefined = no place is known but by beacons */
  constructor(home: Address | undefined) {
    this.#home = home;
  }

  /** A beacon came from there; false = that is no news. */
  hint(at: Address): boolean {
    if (this.#hints.has(at) || this.#hints.size >= HINTS_MAX) return false;
    this.#hints.add(at);
    return true;
  }

  /** Where to knock now; hints are used up. */
  take(): Address[] {
    const home = this.#home === undefined ? [] : [this.#home];
    const places = new Set([...home, ...this.#hints]);
    this.#hints.clear();
    return [...places];
  }
}
