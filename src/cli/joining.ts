// What a person sees of a node's way into the cluster, and when the process gives up.

import {VolleyError} from '../base/errors.ts';
import {SECOND_MS} from '../base/units.ts';
import {fingerprintText} from '../wire/identity.ts';
import {print, safe, shortId, tell} from './output.ts';

const NOTICE_MS = 10 * SECOND_MS;

const NEW_TOKEN = '`volley nodes token` on the master makes a new one';

/** Refusals that end a node that is not a member, by its token. */
const BAD_TOKEN: Readonly<Record<string, string>> = {
  'token-used': `it is used up (${NEW_TOKEN})`,
  'token-expired': `it has expired (${NEW_TOKEN})`,
  'token-revoked': `it was revoked (${NEW_TOKEN})`,
};

/** Refusals that end any node: waiting would not help. */
const FINAL: Readonly<Record<string, (data: string) => string>> = {
  revoked: data =>
    'its membership was revoked on the master, for ever. To make a new node of this machine, remove ' +
    `${data}/node.keys and ${data}/membership.json and join again`,
  denied: () => 'it was turned away (`volley nodes deny`). Ask whoever runs the master',
  binding: data => wrongKeys(data),
  identity: data => wrongKeys(data),
};

const wrongKeys = (data: string): string =>
  `its keys do not belong together. Bring ${data}/node.keys back from a backup, or remove it and ` +
  `${data}/membership.json and join again`;

/** Refusals that may end by themselves; said once. */
const WAITING: Readonly<Record<string, string>> = {
  full: 'too many nodes ask, or are there; it tries again',
  clone:
    'another machine works with the same key (a copied SD card?). End one of them, remove its node.keys ' +
    'and membership.json, and join it again; it tries again',
  epoch: 'it says that it has seen an epoch that cannot be; it tries again',
};

export type JoiningOptions = {
  /** With a token given by hand the node gives up. */
  readonly byToken: boolean;
  /** After so long; 0 = never. */
  readonly seconds: number;
  readonly data: string;
  readonly fatal: (error: unknown) => void;
};

/**
 * A master does not answer a wrong token (it answers no stranger), so silence is all that a node sees. It
 * is said after a while.
 */
export class Joining {
  readonly #options: JoiningOptions;
  readonly #notice: NodeJS.Timeout;
  readonly #giveUp: NodeJS.Timeout | undefined;
  readonly #said = new Set<string>();
  #who = '';
  #fingerprint = '';
  #joined = 0;

  constructor(options: JoiningOptions) {
    this.#options = options;
    const {byToken, seconds, fatal} = options;
    const reason = `no master answers; it is out of reach, or the token is wrong (${NEW_TOKEN})`;
    this.#notice = setTimeout(() => {
      tell(`volley: ${byToken ? reason : 'no master answers yet'}; still trying`);
    }, NOTICE_MS);
    if (byToken && seconds > 0)
      this.#giveUp = setTimeout(
        () => fatal(new VolleyError('VOLLEY_BAD_TOKEN', {reason})),
        seconds * SECOND_MS,
      );
  }

  about(name: string, nodeId: string): void {
    this.#who = `${name} (${shortId(nodeId)})`;
    this.#fingerprint = fingerprintText(nodeId);
    if (this.#said.has('pending')) this.#askToApprove(); // the master was quicker
    if (this.#joined > 0) this.#tell();
  }

  done(): void {
    this.stop();
    this.#said.clear();
    this.#joined++;
    if (this.#who !== '') this.#tell();
  }

  refused(why: string): void {
    const {data, fatal} = this.#options;
    const token = this.#joined === 0 ? BAD_TOKEN[why] : undefined;
    if (token !== undefined) return fatal(new VolleyError('VOLLEY_BAD_TOKEN', {reason: token}));
    const final = FINAL[why]?.(data);
    if (final !== undefined) return fatal(new VolleyError('VOLLEY_REFUSED', {reason: final}));
    this.stop(); // it answers
    if (this.#said.has(why)) return;
    this.#said.add(why);
    if (why === 'pending') return this.#askToApprove();
    tell(`volley: the master refuses this node: ${WAITING[why] ?? `${safe(why)}; it tries again`}`);
  }

  #askToApprove(): void {
    if (this.#fingerprint === '') return; // its keys are still being read
    print('Waiting to be approved. Its fingerprint is');
    print(`  ${this.#fingerprint}`);
    print('On the master, compare it with `volley nodes pending`, and let it in with');
    print(`  volley nodes approve ${this.#fingerprint.replaceAll(' ', '-')}`);
  }

  stop(): void {
    clearTimeout(this.#notice);
    clearTimeout(this.#giveUp);
  }

  #tell(): void {
    print(`${this.#who} has ${this.#joined > 1 ? 're' : ''}joined the cluster.`);
  }
}
