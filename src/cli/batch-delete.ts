// `volley batch delete`.

import {asBatchId} from '../base/types.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson} from './output.ts';

export const batchDeleteCommand: CommandSpec = {
  name: 'batch delete',
  args: '<batch>',
  summary: 'Delete a batch that has ended, with its results; its history stays',
  options: [
    {flag: '--force', text: 'also one that is running: it is cancelled first'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch export 1 --out results.ndjson && volley batch delete 1',
    'volley batch delete 1 --force   # its files go within two days, if nothing else needs them',
    'volley master --retention 30    # does it by itself, 30 days after the end',
  ],
  run: remove,
};

async function remove(given: Given): Promise<undefined> {
  const id = asBatchId(given.id('batch'));
  await withClient(given, client => client.deleteBatch(id, given.flag('force')));
  if (given.flag('json')) printJson({deleted: id});
  else print(`Batch ${id} is deleted. \`volley batch history ${id}\` still says what it was.`);
  return undefined;
}
