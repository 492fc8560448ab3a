// How long shots of each action took of late: how close together they can be (pure).

import {keepNewest} from '../base/newest.ts';
import {ACTIONS_MAX} from '../wire/limits.ts';

/** So few that a change of the exposure is seen soon. */
const TIMES_MAX = 8;

export class ShotTimes {
  readonly #times = new Map<string, readonly number[]>();

  /** @param ms from its firing until the action could fire again */
  took(action: string, ms: number): void {
    this.#times.set(action, [...(this.#times.get(action) ?? []), ms].slice(-TIMES_MAX));
    keepNewest(this.#times, ACTIONS_MAX);
  }

  /** It was set anew: what it takes now nobody knows. */
  forget(action: string): void {
    this.#times.delete(action);
  }

  /** Whole ms, and the longest but one: a hiccup is none of its habits. undefined = not known. */
  shotMs(action: string): number | undefined {
    const sorted = [...(this.#times.get(action) ?? [])].sort((a, b) => b - a);
    const ms = sorted[1] ?? sorted[0];
    return ms === undefined ? undefined : Math.max(1, Math.ceil(ms));
  }
}
