// `volley batch cancel`.

import {asBatchId} from '../base/types.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe} from './output.ts';

export const batchCancelCommand: CommandSpec = {
  name: 'batch cancel',
  args: '<batch>',
  summary: 'End a batch now; the results it has stay',
  options: OPERATOR_OPTIONS,
  examples: ['volley batch cancel 1'],
  run: cancel,
};

async function cancel(given: Given): Promise<undefined> {
  const id = asBatchId(given.id('batch'));
  const batch = await withClient(given, client => client.cancel(id));
  if (given.flag('json')) printJson(batch);
  else
    print(`Batch ${id} ${safe(batch.name)} is ${batch.state}: ${batch.done} workunits are done.`);
  return undefined;
}
