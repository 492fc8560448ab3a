// `volley access revoke`: a token opens nothing any more.

import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe} from './output.ts';

export const accessRevokeCommand: CommandSpec = {
  name: 'access revoke',
  args: '<name>',
  summary: 'End an operator token and its connections',
  options: OPERATOR_OPTIONS,
  examples: ['volley access revoke ada', 'volley access ls && volley access revoke wall-display'],
  run: runRevoke,
};

async function runRevoke(given: Given): Promise<undefined> {
  const gone = await withClient(given, client => client.revokeAccess(given.args[0] ?? ''));
  if (given.flag('json')) printJson(gone);
  else print(`The token "${safe(gone.name, 32)}" opens nothing any more.`);
  return undefined;
}
