// The store of a folder, and whose it is: a master's folder holds a cluster, a node's its keys.

import {accessSync, constants, existsSync} from 'node:fs';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {Given, OptionSpec} from './command.ts';
import {usage} from './command.ts';

export type StorePlace = {
  readonly role: 'master' | 'node';
  readonly data: string;
  readonly store: string;
};

export const DATA_OPTION: OptionSpec = {
  flag: '--data <dir>',
  text: 'folder of a master or a node (default ~/.volley/master)',
};

export async function storePlace(given: Given): Promise<StorePlace> {
  const {defaultDataDirectory} = await import('../io/config.ts');
  const data = given.text('data') ?? defaultDataDirectory('master');
  checkMayLook(data);
  const role = roleOf(data);
  if (role === undefined)
    throw usage(
      `${data} is neither the folder of a master nor that of a node; name one with --data`,
    );
  return {role, data, store: join(data, 'store')};
}

/** Whoever may not look into the folder must not be told that nothing is in it. */
function checkMayLook(data: string): void {
  try {
    accessSync(data, constants.R_OK | constants.X_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return;
    const reason = 'it belongs to another user; run this as the user of the service';
    throw new VolleyError('VOLLEY_NO_PERMISSION', {what: data, reason}, error);
  }
}

export function roleOf(data: string): 'master' | 'node' | undefined {
  if (existsSync(join(data, 'cluster.json'))) return 'master';
  return existsSync(join(data, 'node.keys')) ? 'node' : undefined;
}
