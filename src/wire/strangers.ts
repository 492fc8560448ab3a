// Peers that the master does not know and that show no token: they may ask to be let in, few of each host at
// a time, and few in all. Whoever fills this table keeps other strangers out for half a minute at a time,
// and harms nobody else: sessions of members are not counted here.

import type {Address, MonoMs, PeerId} from '../base/types.ts';
import {MINUTE_MS} from '../base/units.ts';
import {hostOf, STRANGERS_MAX, STRANGERS_PER_HOST_MAX} from './limits.ts';

/** Then it has to make a new session, if it still asks. */
const STRANGER_LIFE_MS = 10 * MINUTE_MS;

type Stranger = {readonly host: string; readonly since: MonoMs};

export class Strangers {
  readonly #knows: (peer: PeerId) => boolean;
  readonly #strangers = new Map<PeerId, Stranger>();

  constructor(knows: (peer: PeerId) => boolean) {
    this.#knows = knows;
  }

  get size(): number {
    return this.#strangers.size;
  }

  /** May a handshake of this one be answered? */
  admit(peer: PeerId, from: Address, now: MonoMs): boolean {
    if (this.#strangers.has(peer)) return true;
    const host = hostOf(from);
    let same = 0;
    for (const stranger of this.#strangers.values()) if (stranger.host === host) same += 1;
    if (this.#strangers.size >= STRANGERS_MAX || same >= STRANGERS_PER_HOST_MAX) return false;
    this.#strangers.set(peer, {host, since: now});
    return true;
  }

  /** Its session is gone. */
  forget(peer: PeerId): void {
    this.#strangers.delete(peer);
  }

  /** Those that were let in are strangers no more; answers those whose time is up. */
  sweep(now: MonoMs): PeerId[] {
    const old: PeerId[] = [];
    for (const [peer, {since}] of this.#strangers)
      if (this.#knows(peer)) this.#strangers.delete(peer);
      else if (now - since >= STRANGER_LIFE_MS) old.push(peer);
    return old;
  }
}
