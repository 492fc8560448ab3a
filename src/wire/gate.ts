// Whom of the strangers the master listens to, and at what cost. The session tables behind it are reached
// only through here.
//
//   calm       fewer than COOKIES_ABOVE_PER_SECOND handshakes come in: all are taken
//   under load for COOKIE_LOAD_MS after more came: only those that show their cookie are taken, so many for
//              each source address; the others get a cookie, when there is budget to make one
//
// An address that shows no cookie may be anybody's, so its bucket is no ban: the spare budget answers those
// whose bucket is empty. Else a stranger who writes a node's address on its packets would lock it out.
// Buckets of addresses that showed their cookie cannot be used up by others.

import {viewOf} from '../base/bytes.ts';
import {type Address, addMono, asMonoMs, type MonoMs} from '../base/types.ts';
import {CookieBaker} from './cookie.ts';
import type {Crypto} from './crypto.ts';
import {
  ANSWERS_PER_SECOND,
  COOKIE_LOAD_MS,
  COOKIES_ABOVE_PER_SECOND,
  HANDSHAKES_AT_ONCE,
  HANDSHAKES_PER_SECOND,
  SOURCE_BURST,
  SOURCE_PER_SECOND,
  SPARE_ANSWERS_PER_SECOND,
} from './limits.ts';
import {hasNoMac2} from './session.ts';
import {SourceTable} from './source-table.ts';
import {TokenBucket} from './token-bucket.ts';

export type Verdict =
  | {readonly kind: 'taken'}
  /** To be answered by this and by nothing else. */
  | {readonly kind: 'cookie'; readonly reply: Uint8Array}
  | {readonly kind: 'refused'; readonly reason: 'rateLimited'};

const TAKEN: Verdict = {kind: 'taken'};
const REFUSED: Verdict = {kind: 'refused', reason: 'rateLimited'};

export class Gate {
  readonly #cookies: CookieBaker;
  /** Runs empty when handshakes come faster than the master takes them without a question. */
  readonly #calm = new TokenBucket(COOKIES_ABOVE_PER_SECOND, COOKIES_ABOVE_PER_SECOND);
  readonly #handshakes = new TokenBucket(HANDSHAKES_PER_SECOND, HANDSHAKES_AT_ONCE);
  readonly #answers = new TokenBucket(ANSWERS_PER_SECOND, ANSWERS_PER_SECOND);
  readonly #spare = new TokenBucket(SPARE_ANSWERS_PER_SECOND, SPARE_ANSWERS_PER_SECOND);
  /** Addresses as packets claim them. */
  readonly #claimed: SourceTable;
  /** Addresses that showed their cookie. */
  readonly #proven: SourceTable;
  #loadUntil = asMonoMs(Number.NEGATIVE_INFINITY);

  constructor(crypto: Crypto, masterStatic: Uint8Array) {
    this.#cookies = new CookieBaker(crypto, masterStatic);
    const salts = viewOf(crypto.random(8));
    this.#claimed = new SourceTable(SOURCE_PER_SECOND, SOURCE_BURST, salts.getUint32(0));
    this.#proven = new SourceTable(SOURCE_PER_SECOND, SOURCE_BURST, salts.getUint32(4));
  }

  /** Bytes kept for strangers, whoever and however many they are. */
  get bytes(): number {
    return this.#claimed.bytes + this.#proven.bytes;
  }

  underLoad(now: MonoMs): boolean {
    return now < this.#loadUntil;
  }

  /**
   * Under load an initiation that shows no cookie is worth a cookie at most. When there is none to give, it need
   * not be looked at: a hash for each of 10,000 in a second is a tenth of a core.
   */
  mayIgnore(initiation: Uint8Array, from: Address, now: MonoMs): boolean {
    if (!this.underLoad(now) || !hasNoMac2(initiation)) return false;
    const isAnswered = this.#claimed.has(from, now) || this.#spare.has(now);
    return !isAnswered || !this.#answers.has(now);
  }

  /** May this initiation go on? Its length and its mac1 are right. */
  onInitiation(initiation: Uint8Array, from: Address, now: MonoMs): Verdict {
    if (!this.#calm.take(now)) this.#loadUntil = addMono(now, COOKIE_LOAD_MS);
    if (!this.underLoad(now)) return TAKEN;
    if (this.#cookies.accepts(initiation, from, now))
      return this.#proven.take(from, now) ? TAKEN : REFUSED;
    if (!this.mayAnswer(from, now)) return REFUSED;
    return {kind: 'cookie', reply: this.#cookies.reply(initiation, from, now)};
  }

  /** So many handshakes are worked out in a second, whoever asks. */
  mayShakeHands(now: MonoMs): boolean {
    return this.#handshakes.take(now);
  }

  /** May something that costs no more than a cookie or a beacon be said to this address? */
  mayAnswer(from: Address, now: MonoMs): boolean {
    if (!this.#claimed.take(from, now) && !this.#spare.take(now)) return false;
    return this.#answers.take(now);
  }
}
