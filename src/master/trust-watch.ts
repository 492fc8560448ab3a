// The highest version of the trust document that was ever seen here: the master's own at each start, and what
// nodes prove to hold. A master whose document is older than that is an old backup, and its keys may have been
// replaced because they leaked: it does not start again (see checkTrustSeen).

import {VolleyError} from '../base/errors.ts';
import {encodeJson, put} from '../core/tables.ts';
import type {TrustUpdate} from '../wire/message.ts';
import {TrustPin} from '../wire/trust.ts';
import type {MasterContext} from './context.ts';
import type {NodeState} from './roster.ts';

/** Row of `meta` that holds the highest version of the trust document seen. */
export const TRUST_KEY = 'trust';

export type TrustSeen = {readonly version: number};

/** Throws VOLLEY_TRUST_OLD when a later document than ours has been seen. */
export function checkTrustSeen(version: number, seen: TrustSeen): void {
  if (version < seen.version)
    throw new VolleyError('VOLLEY_TRUST_OLD', {version, seen: seen.version});
}

export class TrustWatch {
  readonly #context: MasterContext;
  readonly #version: number;
  #seen: number;

  /** @param seen of earlier lives; 0 = nothing */
  constructor(context: MasterContext, seen: number) {
    const {config, crypto} = context;
    const pin = new TrustPin(crypto, undefined);
    pin.learn(config.signedTrust);
    this.#context = context;
    this.#version = pin.document?.version ?? 0;
    this.#seen = seen;
    checkTrustSeen(this.#version, {version: seen});
    this.#raise(this.#version);
  }

  /** A node refuses our Welcome: it holds a newer document. Believed when our own root signed that. */
  onUpdate(node: NodeState, {trust}: TrustUpdate): void {
    const {config, crypto} = this.#context;
    const pin = new TrustPin(crypto, undefined);
    const isNews = pin.learn(config.signedTrust) && !pin.holds(trust) && pin.learn(trust);
    const version = pin.document?.version ?? 0;
    if (!isNews || version <= this.#seen) return;
    this.#context.note('alarm', 'a node holds a newer trust document: old backup or stolen keys', {
      node: node.row.nodeId,
      ours: this.#version,
      newer: version,
    });
    this.#raise(version);
  }

  #raise(version: number): void {
    if (version <= this.#seen) return;
    this.#seen = version;
    this.#context.save(put('meta', TRUST_KEY, encodeJson({version})));
  }
}
