// `volley app ls`.

import type {AppRow} from '../core/tables.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {grouped, instant, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const appLsCommand: CommandSpec = {
  name: 'app ls',
  summary: 'List the apps that batches may name',
  options: OPERATOR_OPTIONS,
  examples: ['volley app ls', 'volley app ls --json'],
  run: list,
};

const COLUMNS = [
  {title: 'app'},
  {title: 'version'},
  {title: 'runtime'},
  {title: 'seconds', right: true},
  {title: 'MiB', right: true},
  {title: 'output bytes', right: true},
  {title: 'published (UTC)'},
  {title: 'id'},
];

async function list(given: Given): Promise<undefined> {
  const apps = await withClient(given, client => client.apps());
  if (given.flag('json')) printJson({apps});
  else if (apps.length === 0) print('No app yet. `volley app publish --help` shows how.');
  else for (const line of tableLines(COLUMNS, apps.map(rowOf))) print(line);
  return undefined;
}

const rowOf = (app: AppRow): string[] => [
  safe(app.name),
  safe(app.version, 24),
  app.runtime,
  grouped(app.timeLimitSeconds),
  grouped(app.memoryLimitMib),
  grouped(app.outputLimitBytes),
  instant(app.publishedAt),
  app.appId.slice(0, 16),
];
