// `volley batch history`: who did what to a batch, when.

import {asBatchId} from '../base/types.ts';
import type {HistoryRow} from '../core/operator-rows.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {instant, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const batchHistoryCommand: CommandSpec = {
  name: 'batch history',
  args: '<batch>',
  summary: 'Show who did what to a batch, also to one that is deleted',
  options: OPERATOR_OPTIONS,
  examples: ['volley batch history 1', 'volley batch history 1 --json'],
  run: history,
};

const COLUMNS = [{title: 'when (UTC)'}, {title: 'who'}, {title: 'what'}, {title: 'detail'}];

async function history(given: Given): Promise<undefined> {
  const id = asBatchId(given.id('batch'));
  const rows = await withClient(given, client => client.history(id));
  if (given.flag('json')) printJson({history: rows});
  else if (rows.length === 0)
    print(`Nobody has done anything to batch ${id} since it is written down.`);
  else for (const line of tableLines(COLUMNS, rows.map(cells))) print(line);
  return undefined;
}

const cells = ({at, actor, role, action, detail}: HistoryRow): string[] => [
  instant(at),
  actor === role ? safe(actor) : `${safe(actor)} (${safe(role)})`,
  safe(action),
  safe(detail, 256),
];
