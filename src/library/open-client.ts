// Who speaks to which master, and as whom: what is named, else VOLLEY_URL and VOLLEY_TOKEN, else the master that
// runs on this machine, by its folder. The command line and the library agree on it.

import {VolleyError} from '../base/errors.ts';
import {OperatorClient} from '../http/client.ts';
import {readOperatorToken} from '../io/cluster-files.ts';
import {defaultDataDirectory} from '../io/config.ts';
import {readMasterPlace} from './master-place.ts';

const DEFAULT_URL = 'http://127.0.0.1:6271';

export type ConnectOptions = {
  /** Of a master elsewhere, such as `http://127.0.0.1:6271`. Default: VOLLEY_URL, or where `data` says it is. */
  readonly url?: string | undefined;
  /** An operator token, 64 hex digits. Default: VOLLEY_TOKEN, or the one in `data`. */
  readonly token?: string | undefined;
  /** The folder of a master on this machine. Default: `~/.volley/master`. */
  readonly data?: string | undefined;
};

export const masterDirectoryOf = ({data}: ConnectOptions): string =>
  data ?? defaultDataDirectory('master');

/** Nothing is sent yet. Throws VOLLEY_USAGE, or VOLLEY_NOT_INITIALIZED where there is no folder. */
export function openOperatorClient(options: ConnectOptions = {}): OperatorClient {
  const data = masterDirectoryOf(options);
  const {VOLLEY_URL, VOLLEY_TOKEN} = process.env;
  const url = options.url ?? (VOLLEY_URL || undefined);
  const place = url === undefined ? readMasterPlace(data) : undefined;
  const token = options.token ?? VOLLEY_TOKEN;
  return new OperatorClient({
    url: checkedUrl(url ?? place?.httpUrl ?? DEFAULT_URL),
    token: token ? checkedToken(token.trim()) : tokenIn(data, url),
  });
}

/** @param url of a master elsewhere: its folder need not be here */
function tokenIn(data: string, url: string | undefined): string {
  try {
    return readOperatorToken(data);
  } catch (error) {
    const isMissing = error instanceof VolleyError && error.code === 'VOLLEY_NOT_INITIALIZED';
    if (!isMissing || url === undefined) throw error;
    const reason = `${url} wants an operator token: set VOLLEY_TOKEN to one that \`volley access add\` makes there`;
    throw new VolleyError('VOLLEY_USAGE', {reason}, error);
  }
}

/** It is said here, because a header cannot carry everything that an environment can. */
function checkedToken(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  const reason = 'VOLLEY_TOKEN is not an operator token: that is 64 hex digits';
  throw new VolleyError('VOLLEY_USAGE', {reason});
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:') return url.origin;
  const reason = `"${text}" is not the URL of a master, such as ${DEFAULT_URL}`;
  throw new VolleyError('VOLLEY_USAGE', {reason});
}
