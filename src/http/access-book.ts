// The tokens that open the operator interface: the owner's, and those that the owner made for others.

import {timingSafeEqual} from 'node:crypto';
import {fromHex, toHex, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {
  ACCESS_MAX,
  ACCESS_NAME,
  type AccessRow,
  type AccessView,
  OWNER,
  type Role,
} from '../core/access.ts';
import type {Crypto} from '../wire/crypto.ts';
import {Refusal, usage} from './problem.ts';

const TOKEN_BYTES = 32;

/** Where the hashes are kept. */
export type AccessRows = {
  readonly rows: readonly AccessRow[];
  /** Durable when it returns. */
  readonly save: (rows: readonly AccessRow[]) => void;
};

/** Whose token a request showed. */
export type Speaker = {readonly name: string; readonly role: Role};

export type NewAccess = AccessView & {
  /** 64 hex characters; shown once. */
  readonly token: string;
};

type Holder = {readonly speaker: Speaker; readonly hash: Uint8Array};

export class AccessBook {
  readonly #crypto: Pick<Crypto, 'sha256' | 'random'>;
  readonly #save: AccessRows['save'];
  readonly #owner: Holder;
  #rows: readonly AccessRow[];
  #holders: readonly Holder[] = [];

  constructor(
    crypto: Pick<Crypto, 'sha256' | 'random'>,
    ownerToken: string,
    {rows, save}: AccessRows,
  ) {
    this.#crypto = crypto;
    this.#save = save;
    this.#owner = {
      speaker: {name: OWNER, role: 'admin'},
      hash: crypto.sha256(toUtf8(ownerToken)),
    };
    this.#rows = rows;
    this.#settle(rows);
  }

  /** Takes as long for a wrong token as for any: hashes have one length, and all are looked at. */
  find(token: string): Speaker | undefined {
    const shown = this.#crypto.sha256(toUtf8(token));
    let found: Speaker | undefined;
    for (const {speaker, hash} of this.#holders) if (timingSafeEqual(shown, hash)) found = speaker;
    return found;
  }

  list(): readonly AccessView[] {
    return this.#rows.map(({tokenHash: _, ...view}) => view);
  }

  /** Saved before it is told. Throws a Refusal that says what to do. */
  add(role: Role, name: string, createdAt: number): NewAccess {
    if (!ACCESS_NAME.test(name) || name === OWNER)
      throw usage(
        `"${name}" cannot be the name of a token; take up to 32 letters, digits, ".", "-" and "_", ` +
          `and not "${OWNER}"`,
        {field: 'name'},
      );
    if (this.#rows.some(row => row.name === name))
      throw new Refusal(
        409,
        usage(
          `there is a token named "${name}" already; choose another name, or ` +
            `\`volley access revoke ${name}\` first`,
        ),
      );
    if (this.#rows.length >= ACCESS_MAX)
      throw new Refusal(
        409,
        usage(`there are ${ACCESS_MAX} tokens, and no more are kept; revoke one first`),
      );
    const token = toHex(this.#crypto.random(TOKEN_BYTES));
    const tokenHash = toHex(this.#crypto.sha256(toUtf8(token)));
    this.#settle([...this.#rows, {name, role, tokenHash, createdAt}]);
    return {name, role, createdAt, token};
  }

  /** From here on the token opens nothing. */
  revoke(name: string): AccessView {
    if (name === OWNER)
      throw new Refusal(
        409,
        usage(
          "the owner's token is the file operator.token; to change it, write 64 other hex digits into " +
            'it and start the master anew',
        ),
      );
    const gone = this.list().find(row => row.name === name);
    if (gone === undefined) throw new VolleyError('VOLLEY_UNKNOWN_ACCESS', {name});
    this.#settle(this.#rows.filter(row => row.name !== name));
    return gone;
  }

  #settle(rows: readonly AccessRow[]): void {
    if (rows !== this.#rows) this.#save(rows);
    this.#rows = rows;
    const others = rows.map(({name, role, tokenHash}) => ({
      speaker: {name, role},
      hash: fromHex(tokenHash) ?? new Uint8Array(32),
    }));
    this.#holders = [this.#owner, ...others];
  }
}
