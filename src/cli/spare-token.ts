// The token on the command line of a node that is a member already. It lies by: only when the master says that it
// does not know this node (it was forgotten, or the master's disk forgot) it is shown. One that lets nobody in leaves
// the node where it was without: it waits to be approved.

import {SECOND_MS} from '../base/units.ts';
import type {JoinSecret} from '../wire/attempt.ts';

/** A master answers no token that it does not know. */
export const UNANSWERED_MS = 10 * SECOND_MS;

/** How a master speaks to a node that it does not know; `full`: as many ask already. */
const UNKNOWN_HERE: readonly string[] = ['pending', 'full'];
const REFUSES_TOKEN: Readonly<Record<string, string>> = {
  'token-used': 'is used up',
  'token-expired': 'has expired',
  'token-revoked': 'was revoked',
};

export type SpareTokenOptions = {
  readonly token: JoinSecret;
  /** From now on handshakes show this; undefined = none. */
  readonly show: (token: JoinSecret | undefined) => void;
  readonly tell: (text: string) => void;
  /** Does it after so many ms, unless what it gives back is called. */
  readonly later: (act: () => void, ms: number) => () => void;
};

export class SpareToken {
  readonly #options: SpareTokenOptions;
  #state: 'spare' | 'shown' | 'over' = 'spare';
  #stop = (): void => {};

  constructor(options: SpareTokenOptions) {
    this.#options = options;
  }

  /** false = this refusal is not about it. */
  refused(reason: string): boolean {
    if (this.#state === 'over') return false;
    const fault = this.#state === 'shown' ? REFUSES_TOKEN[reason] : undefined;
    if (fault !== undefined) this.#giveUp(`the token ${fault}`);
    else if (!UNKNOWN_HERE.includes(reason)) return false;
    else if (this.#state === 'spare') this.#show();
    return true; // shown already: it was said before that
  }

  /** The master knows this node. */
  joined(): void {
    this.#stop();
    this.#state = 'over';
  }

  #show(): void {
    const {token, show, tell, later} = this.#options;
    this.#state = 'shown';
    tell('the master does not know this node any more: it joins anew with the token');
    this.#stop = later(
      () => this.#giveUp('the master does not answer to the token'),
      UNANSWERED_MS,
    );
    show(token);
  }

  #giveUp(why: string): void {
    this.#stop();
    this.#state = 'over';
    const {show, tell} = this.#options;
    tell(`${why} (\`volley nodes token\` on the master makes a new one); it asks without one`);
    show(undefined);
  }
}
