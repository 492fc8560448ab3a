// `volley nodes token`: a new join token.

import {fromHex} from '../base/bytes.ts';
import {asAddress} from '../base/types.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {masterDirectory, OPERATOR_OPTIONS, withClient} from './connect.ts';
import {instant, print, printJson} from './output.ts';

export const nodesTokenCommand: CommandSpec = {
  name: 'nodes token',
  summary: 'Make a join token for new nodes',
  options: [
    {flag: '--uses <count>', text: 'nodes that it admits (default 1)'},
    {flag: '--hours <hours>', text: 'how long it does (default 24)'},
    {flag: '--address <host:port>', text: 'where nodes reach the master (default: what it says)'},
    ...OPERATOR_OPTIONS,
  ],
  examples: ['volley nodes token', 'volley nodes token --uses 20 --hours 2'],
  run: runToken,
};

async function runToken(given: Given): Promise<undefined> {
  const uses = given.whole('uses', 1, 100_000) ?? 1;
  const hours = given.number('hours', 0.01, 8_784) ?? 24;
  const data = await masterDirectory(given);
  const {openCluster} = await import('../io/cluster-files.ts');
  const {readMasterPlace} = await import('./master-place.ts');
  const {encodeToken} = await import('../wire/token.ts');
  const {rootFingerprint: fingerprint} = openCluster(data);
  const place = readMasterPlace(data);
  const address = given.text('address') ?? place?.address;
  if (address === undefined || !/^[\w.-]+:\d{1,5}$/.test(address))
    throw usage(
      address === undefined
        ? 'no master runs from this folder; start `volley master`, or give --address HOST:PORT'
        : `"${address}" is not HOST:PORT`,
    );
  const made = await withClient(given, client => client.token(uses, hours));
  const secret = fromHex(made.secret) ?? new Uint8Array();
  const token = encodeToken({fingerprint, secret, address: asAddress(address)});
  const {expiresAt} = made;
  if (given.flag('json')) printJson({token, uses, expiresAt});
  else {
    print(`volley node --join ${token}${place?.nodeFlags ?? ''}`);
    print(`(${uses === 1 ? 'one use' : `${uses} uses`}, until ${instant(expiresAt)} UTC)`);
  }
  return undefined;
}
