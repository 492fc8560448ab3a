// `volley access ls`: who has an operator token.

import type {AccessView} from '../core/access.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {instant, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const accessLsCommand: CommandSpec = {
  name: 'access ls',
  summary: 'List the operator tokens',
  options: OPERATOR_OPTIONS,
  examples: ['volley access ls', 'volley access ls --json'],
  run: runLs,
};

const COLUMNS = [{title: 'name'}, {title: 'role'}, {title: 'made'}];

async function runLs(given: Given): Promise<undefined> {
  const access = await withClient(given, client => client.access());
  if (given.flag('json')) printJson({access});
  else if (access.length === 0)
    print(
      "Only the owner's token opens this master. `volley access add ROLE --name NAME` makes more.",
    );
  else for (const line of tableLines(COLUMNS, access.map(rowOf))) print(line);
  return undefined;
}

const rowOf = ({name, role, createdAt}: AccessView): string[] => [
  safe(name, 32),
  role,
  instant(createdAt),
];
