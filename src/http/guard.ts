// Who may speak to the operator interface: a program that shows a token in `authorization: Bearer`, and
// nothing else. A page of another site in the operator's browser is kept out by the Host and Origin lists
// (DNS rebinding, cross-site requests); there are no cookies that it could ride on, and no CORS: a browser
// that asks for leave is refused. A right token is heard whatever went before; wrong ones are counted.

import type {IncomingMessage} from 'node:http';
import {VolleyError} from '../base/errors.ts';
import type {AccessBook, Speaker} from './access-book.ts';
import {Refusal, usage} from './problem.ts';
import {WrongTokens} from './wrong-tokens.ts';

export type GuardOptions = {
  readonly access: Pick<AccessBook, 'find'>;
  /** Names this server is called by, without port; literal IPv6 in brackets. */
  readonly hosts: readonly string[];
  /** Milliseconds. */
  readonly now: () => number;
  /** Somebody showed a wrong token. */
  readonly onWrongToken?: ((source: string) => void) | undefined;
};

export type Asked = Pick<IncomingMessage, 'method' | 'headers' | 'rawHeaders'> & {
  readonly socket: {
    readonly remoteAddress?: string | undefined;
    readonly localAddress?: string | undefined;
  };
};

export type Guard = (asked: Asked) => Speaker;

export const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Of two of them each side of a proxy could believe another one. */
const ONCE = ['host', 'origin', 'authorization', 'content-length', 'content-type'];

/** Throws a Refusal for a request that may not pass. */
export function makeGuard({access, hosts, now, onWrongToken}: GuardOptions): Guard {
  const allowed = new Set(hosts.map(host => host.toLowerCase()));
  const wrong = new WrongTokens();
  return asked => {
    checkOnce(asked.rawHeaders);
    checkHost(allowed, asked);
    checkPage(asked);
    const {authorization = ''} = asked.headers;
    const speaker = access.find(/^Bearer (\S{1,512})$/.exec(authorization)?.[1] ?? '');
    if (speaker !== undefined) return speaker;
    if (authorization === '') throw new VolleyError('VOLLEY_UNAUTHORIZED');
    const source = asked.socket.remoteAddress ?? '';
    onWrongToken?.(source);
    const seconds = wrong.note(source, now());
    throw seconds > 0 ? tooMany(source, seconds) : new VolleyError('VOLLEY_UNAUTHORIZED');
  };
}

function checkHost(allowed: ReadonlySet<string>, {headers, socket}: Asked): void {
  const name = headers.host?.toLowerCase().replace(/:\d{1,5}$/, '') ?? '';
  // An address cannot be rebound as a name can: who asks for the one it reached means us.
  if (!allowed.has(name) && name !== hostOf(socket.localAddress)) throw foreignHost(name);
}

function checkPage({method, headers}: Asked): void {
  const {origin, host = ''} = headers;
  const site = headers['sec-fetch-site'] ?? 'none';
  const isForeign = origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`;
  if (isForeign || (site !== 'none' && site !== 'same-origin'))
    throw refused('a page of another site may not use this interface; use `volley` or a program');
  if (method === 'OPTIONS')
    throw refused('pages of other sites get no leave here (CORS); use `volley` or a program');
}

/** A local address as it stands in a Host header. */
function hostOf(address: string | undefined): string | undefined {
  const plain = address?.replace(/^::ffff:/, '').toLowerCase();
  return plain?.includes(':') ? `[${plain}]` : plain;
}

function checkOnce(raw: readonly string[]): void {
  const seen = new Set<string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? '';
    if (seen.has(name) && ONCE.includes(name))
      throw usage(`the header ${name} came twice; send it once`);
    seen.add(name);
  }
}

const refused = (reason: string): Refusal => new Refusal(403, usage(reason));

function foreignHost(name: string): Refusal {
  const shown = /^[\w.-]{1,64}$/.test(name) ? `"${name}"` : 'this name';
  return refused(
    `this master is not called ${shown}; use its address, or start it with --http-name and the name`,
  );
}

function tooMany(source: string, seconds: number): Refusal {
  const error = new VolleyError('VOLLEY_WRONG_TOKENS', {source, seconds});
  return new Refusal(error.httpStatus, error, {'retry-after': String(seconds)});
}
