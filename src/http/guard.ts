// Who may speak to the operator interface: a program with the bearer token, or a page that this server
// itself served. A page of another site in the operator's browser is kept out by the Host and Origin
// lists (DNS rebinding, cross-site requests); there are no cookies that it could ride on, and no CORS.

import {timingSafeEqual} from 'node:crypto';
import type {IncomingHttpHeaders} from 'node:http';
import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Crypto} from '../wire/crypto.ts';
import {Refusal} from './problem.ts';

export type GuardOptions = {
  readonly token: string;
  /** Names this server is called by, without port; literal IPv6 in brackets. */
  readonly hosts: readonly string[];
  readonly sha256: Crypto['sha256'];
};

export type Guard = (headers: IncomingHttpHeaders) => void;

export const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Throws a Refusal for headers that may not pass. */
export function makeGuard({token, hosts, sha256}: GuardOptions): Guard {
  // Hashes have one length whatever is shown, so the comparison tells nothing about the token.
  const wanted = sha256(toUtf8(token));
  const allowed = new Set(hosts.map(host => host.toLowerCase()));
  return headers => {
    const host = headers.host?.toLowerCase() ?? '';
    if (!allowed.has(host.replace(/:\d{1,5}$/, ''))) throw forbidden('this host name');
    const {origin} = headers;
    if (origin !== undefined && origin.toLowerCase() !== `http://${host}`)
      throw forbidden('a page of another origin');
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'none' && site !== 'same-origin')
      throw forbidden('a page of another site');
    const [, shown = ''] = /^Bearer (.{1,512})$/.exec(headers.authorization ?? '') ?? [];
    if (!timingSafeEqual(sha256(toUtf8(shown)), wanted))
      throw new VolleyError('VOLLEY_UNAUTHORIZED');
  };
}

const forbidden = (what: string): Refusal =>
  new Refusal(403, new VolleyError('VOLLEY_USAGE', {reason: `${what} may not use this interface`}));
