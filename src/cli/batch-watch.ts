// `volley batch watch`.

import {asBatchId} from '../base/types.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';

export const batchWatchCommand: CommandSpec = {
  name: 'batch watch',
  args: '<batch>',
  summary: 'Watch a batch to its end; exit code 0 when it is done, 1 when it failed',
  options: OPERATOR_OPTIONS,
  examples: ['volley batch watch 1', 'volley batch watch 1 && volley batch results 1 --sum'],
  run: watch,
};

async function watch(given: Given): Promise<number> {
  const id = asBatchId(given.id('batch'));
  const {watchBatch} = await import('./batch-progress.ts');
  return withClient(given, client => watchBatch(client, id, given.flag('json')));
}
