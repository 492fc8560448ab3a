// The join tokens that let new nodes in: how often, until when.

import type {WallMs} from '../base/types.ts';
import {DAY_MS} from '../base/units.ts';
import type {TokenRow} from '../core/operator-rows.ts';
import {del, encodeJson, type Op, put} from '../core/tables.ts';
import type {TokenView} from '../core/views.ts';
import {TOKENS_MAX} from '../wire/limits.ts';
import type {RefusalReason} from '../wire/message.ts';

/** A dead token is known for so long: who comes with it is told what is wrong with it. */
const DEAD_KEPT_MS = 7 * DAY_MS;

export class Tokens {
  readonly #rows = new Map<number, TokenRow>();

  /** From the store, also of a version that did not know all fields. */
  restore(row: Partial<TokenRow> & Pick<TokenRow, 'tokenId' | 'psk' | 'usesLeft' | 'expiresAt'>) {
    this.#rows.set(row.tokenId, {uses: row.usesLeft, createdAt: 0, revokedAt: 0, ...row});
  }

  /** The rows to save, or undefined when there are too many that still let nodes in. */
  add(row: TokenRow, wall: WallMs): Op[] | undefined {
    const ops = this.#prune(wall);
    if (this.#rows.size >= TOKENS_MAX && !this.#rows.has(row.tokenId)) {
      const dead = [...this.#rows.values()].filter(token => stateOf(token, wall) !== 'live');
      const oldest = dead.reduce<TokenRow | undefined>(
        (a, b) => (a && a.expiresAt <= b.expiresAt ? a : b),
        undefined,
      );
      if (!oldest) return undefined;
      ops.push(this.#drop(oldest));
    }
    this.#rows.set(row.tokenId, row);
    return [...ops, saveToken(row)];
  }

  #prune(wall: WallMs): Op[] {
    const old = [...this.#rows.values()].filter(({expiresAt}) => expiresAt + DEAD_KEPT_MS < wall);
    return old.map(token => this.#drop(token));
  }

  #drop({tokenId}: TokenRow): Op {
    this.#rows.delete(tokenId);
    return del('token', String(tokenId));
  }

  /**
   * The psk (hex) of a token, also of one that lets nobody in any more: the node whose Welcome was lost comes
   * back with the token it has spent, and one that is too late is told so. What a token is good for is decided
   * at Hello.
   */
  pskOf(tokenId: number): string | undefined {
    return this.#rows.get(tokenId)?.psk;
  }

  /** Why nobody gets in with this token; undefined = one may. */
  faultOf(tokenId: number, wall: WallMs): RefusalReason | undefined {
    const token = this.#rows.get(tokenId);
    const state = token ? stateOf(token, wall) : 'expired';
    return state === 'live' ? undefined : `token-${state}`;
  }

  /** Takes one use; the row to save. */
  spend(tokenId: number): Op[] {
    const token = this.#rows.get(tokenId);
    return token ? [this.#change({...token, usesLeft: token.usesLeft - 1})] : [];
  }

  /** Rows to save; undefined = there is no such token. */
  revoke(tokenId: number, wall: WallMs): Op[] | undefined {
    const token = this.#rows.get(tokenId);
    if (!token) return undefined;
    return token.revokedAt > 0 ? [] : [this.#change({...token, revokedAt: Math.max(1, wall)})];
  }

  #change(row: TokenRow): Op {
    this.#rows.set(row.tokenId, row);
    return saveToken(row);
  }

  /** Newest first, without what they are made of. */
  view(wall: WallMs): TokenView[] {
    return [...this.#rows.values()]
      .sort((a, b) => b.createdAt - a.createdAt || b.expiresAt - a.expiresAt)
      .map(token => {
        const {tokenId, uses, usesLeft, createdAt, expiresAt} = token;
        return {tokenId, state: stateOf(token, wall), uses, usesLeft, createdAt, expiresAt};
      });
  }
}

function stateOf({usesLeft, expiresAt, revokedAt}: TokenRow, wall: WallMs): TokenView['state'] {
  if (revokedAt > 0) return 'revoked';
  if (usesLeft <= 0) return 'used';
  return expiresAt > wall ? 'live' : 'expired';
}

const saveToken = (token: TokenRow): Op => put('token', String(token.tokenId), encodeJson(token));
