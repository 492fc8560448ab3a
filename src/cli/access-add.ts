// `volley access add`: a token for somebody else, or for a program.

import {ROLES} from '../core/access.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson} from './output.ts';

export const accessAddCommand: CommandSpec = {
  name: 'access add',
  args: '<role>',
  summary: 'Make an operator token: read looks, operate works, admin decides',
  options: [{flag: '--name <name>', text: 'whose it is; revoked by it'}, ...OPERATOR_OPTIONS],
  examples: ['volley access add read --name wall-display', 'volley access add operate --name ada'],
  run: runAdd,
};

async function runAdd(given: Given): Promise<undefined> {
  const typed = given.args[0] ?? '';
  const role = ROLES.find(each => each === typed);
  if (role === undefined) throw usage(`"${typed}" is no role; take read, operate or admin`);
  const name = given.text('name');
  if (name === undefined) throw usage('give --name, so that the token can be revoked by it');
  const made = await withClient(given, client => client.addAccess(role, name));
  if (given.flag('json')) printJson(made);
  else {
    print(made.token);
    print('(shown once; on the other machine: VOLLEY_URL and VOLLEY_TOKEN)');
  }
  return undefined;
}
