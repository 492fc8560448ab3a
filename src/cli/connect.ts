// From the options that every operator command has to a client of the master.

import {VolleyError} from '../base/errors.ts';
import type {OperatorClient} from '../http/client.ts';
import type {Given, OptionSpec} from './command.ts';

export const OPERATOR_OPTIONS: readonly OptionSpec[] = [
  {flag: '--data <dir>', text: "the master's folder (default ~/.volley/master)"},
  {flag: '--url <url>', text: 'the master elsewhere; VOLLEY_URL, and VOLLEY_TOKEN with its token'},
  {flag: '--json', text: 'print JSON for programs'},
];

const DEFAULT_URL = 'http://127.0.0.1:6271';

export async function masterDirectory(given: Given): Promise<string> {
  const {defaultDataDirectory} = await import('../io/config.ts');
  return given.text('data') ?? defaultDataDirectory('master');
}

export async function openClient(given: Given): Promise<OperatorClient> {
  const data = await masterDirectory(given);
  const {OperatorClient} = await import('../http/client.ts');
  const {readMasterPlace} = await import('./master-place.ts');
  const {VOLLEY_URL, VOLLEY_TOKEN} = process.env;
  const url = given.text('url') ?? (VOLLEY_URL || undefined);
  const place = url === undefined ? readMasterPlace(data) : undefined;
  return new OperatorClient({
    url: checkedUrl(url ?? place?.httpUrl ?? DEFAULT_URL),
    token: VOLLEY_TOKEN ? checkedToken(VOLLEY_TOKEN.trim()) : await tokenIn(data, url),
  });
}

/** @param url of a master elsewhere: its folder need not be here */
async function tokenIn(data: string, url: string | undefined): Promise<string> {
  const {readOperatorToken} = await import('../io/cluster-files.ts');
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

/** Runs `act` with a client that is closed afterwards. */
export async function withClient<T>(
  given: Given,
  act: (client: OperatorClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(given);
  try {
    return await act(client);
  } finally {
    client.close();
  }
}
