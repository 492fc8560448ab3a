// `volley nodes token`: makes a join token, lists them, ends one.

import {fromHex} from '../base/bytes.ts';
import {asAddress} from '../base/types.ts';
import type {TokenView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {masterDirectory, OPERATOR_OPTIONS, withClient} from './connect.ts';
import {instant, print, printJson} from './output.ts';
import {tableLines} from './table.ts';

export const nodesTokenCommand: CommandSpec = {
  name: 'nodes token',
  args: '[action] [id]',
  summary: 'Make a join token for new nodes; `ls` lists them, `revoke <id>` ends one',
  options: [
    {flag: '--uses <count>', text: 'nodes that it admits (default 1)'},
    {flag: '--hours <hours>', text: 'how long it does (default 24)'},
    {flag: '--address <host:port>', text: 'where nodes reach the master (default: what it says)'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley nodes token',
    'volley nodes token --uses 20 --hours 2',
    'volley nodes token ls',
    'volley nodes token revoke 3405691582       # nobody else gets in with it; who is in stays in',
  ],
  run: runToken,
};

async function runToken(given: Given): Promise<undefined> {
  const [action, id, ...more] = given.args;
  if (more.length > 0) throw usage(`\`volley nodes token\` has no use for "${more[0]}"`);
  if (action === undefined) return make(given);
  for (const option of ['uses', 'hours', 'address'])
    if (given.flag(option)) throw usage(`--${option} is for a new token, not for "${action}"`);
  if (action === 'ls' && id === undefined) return list(given);
  if (action === 'revoke' && id !== undefined) return revoke(given, id);
  throw usage(
    action === 'revoke'
      ? 'which token? `volley nodes token ls` lists them'
      : `\`volley nodes token\` has no use for "${action === 'ls' ? id : action}"; there are "ls" and "revoke ID"`,
  );
}

async function make(given: Given): Promise<undefined> {
  const uses = given.whole('uses', 1, 100_000) ?? 1;
  const hours = given.number('hours', 0.01, 8_784) ?? 24;
  const data = await masterDirectory(given);
  const {openCluster} = await import('../io/cluster-files.ts');
  const {readMasterPlace} = await import('../library/master-place.ts');
  const {encodeToken} = await import('../wire/token.ts');
  const {rootFingerprint: fingerprint} = openCluster(data);
  const place = readMasterPlace(data);
  const address = checkedAddress(given.text('address') ?? place?.address);
  const made = await withClient(given, client => client.token(uses, hours));
  const secret = fromHex(made.secret) ?? new Uint8Array();
  const token = encodeToken({fingerprint, secret, address: asAddress(address)});
  const {expiresAt, tokenId} = made;
  if (given.flag('json')) printJson({token, tokenId, uses, expiresAt});
  else {
    print(`volley node --join ${token}${place?.nodeFlags ?? ''}`);
    print(`(${uses === 1 ? 'one use' : `${uses} uses`}, until ${instant(expiresAt)} UTC)`);
  }
  return undefined;
}

/** Before a token is made: one that leads nowhere would be a use for nobody. */
function checkedAddress(address: string | undefined): string {
  if (address === undefined)
    throw usage(
      'no master runs from this folder; start `volley master`, or give --address HOST:PORT',
    );
  const [, port] = /^[\w.-]{1,253}:(\d{1,5})$/.exec(address) ?? [];
  if (port === undefined) throw usage(`"${address}" is not HOST:PORT`);
  if (Number(port) < 1 || Number(port) > 65_535)
    throw usage(`"${address}": a port is a number from 1 to 65535`);
  return address;
}

const COLUMNS = [
  {title: 'id', right: true},
  {title: 'state'},
  {title: 'uses left', right: true},
  {title: 'made'},
  {title: 'until (UTC)'},
];

async function list(given: Given): Promise<undefined> {
  const tokens = await withClient(given, client => client.tokens());
  if (given.flag('json')) printJson({tokens});
  else if (tokens.length === 0) print('There is no join token; `volley nodes token` makes one.');
  else for (const line of tableLines(COLUMNS, tokens.map(rowOf))) print(line);
  return undefined;
}

const rowOf = (token: TokenView): string[] => [
  String(token.tokenId),
  token.state,
  `${token.usesLeft} of ${token.uses}`,
  token.createdAt === 0 ? '' : instant(token.createdAt),
  instant(token.expiresAt),
];

async function revoke(given: Given, text: string): Promise<undefined> {
  const tokenId = Number(text);
  if (!/^\d{1,10}$/.test(text) || tokenId > 0xffff_ffff)
    throw usage(`"${text}" is not the id of a token; \`volley nodes token ls\` lists them`);
  const token = await withClient(given, client => client.revokeToken(tokenId));
  if (given.flag('json')) printJson(token);
  else print(`Token ${tokenId} lets nobody in any more. Who is in stays in.`);
  return undefined;
}
