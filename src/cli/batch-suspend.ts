// `volley batch suspend`, `resume`, `priority`, `retry`: what changes a batch that is there.

import {asBatchId, type BatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {numberIn} from './batch-policy.ts';
import {type CommandSpec, type Given, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {grouped, print, printJson, safe} from './output.ts';

export const batchSuspendCommand: CommandSpec = {
  name: 'batch suspend',
  args: '<batch>',
  summary: 'Hand out no more of a batch; what runs may end',
  options: [{flag: '--reason <text>', text: 'why, for whoever looks later'}, ...OPERATOR_OPTIONS],
  examples: ['volley batch suspend 1', 'volley batch suspend 1 --reason "the lab needs the rig"'],
  run: given => change(given, (client, id) => client.suspendBatch(id, given.text('reason'))),
};

export const batchResumeCommand: CommandSpec = {
  name: 'batch resume',
  args: '<batch>',
  summary: 'Go on with a suspended batch',
  options: OPERATOR_OPTIONS,
  examples: ['volley batch resume 1'],
  run: given => change(given, (client, id) => client.resumeBatch(id)),
};

export const batchPriorityCommand: CommandSpec = {
  name: 'batch priority',
  args: '<batch>',
  summary: 'Change the priority of a batch',
  options: [
    {flag: '--to <number>', text: '-100 … 100, higher goes first; it counts from the next pull'},
    ...OPERATOR_OPTIONS,
  ],
  examples: ['volley batch priority 1 --to 10', 'volley batch priority 2 --to -5'],
  run: given => {
    const priority = numberIn(given, 'to', 'priority');
    if (priority === undefined) throw usage('--to is missing: which priority shall it have?');
    return change(given, (client, id) => client.setPriority(id, priority));
  },
};

export const batchRetryCommand: CommandSpec = {
  name: 'batch retry',
  args: '<batch>',
  summary: 'Begin the failed workunits of a batch anew, with their error count at 0',
  options: [
    {flag: '--wait', text: 'watch it to its end; exit code 1 unless it is done'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch retry 1 --wait',
    'volley batch results 1 --state failed    # which ones they are',
  ],
  run: async given => {
    if (!given.flag('wait')) return change(given, (client, id) => client.retryBatch(id));
    const {watchBatch} = await import('./batch-progress.ts');
    const id = asBatchId(given.id('batch'));
    return withClient(given, async client => {
      await client.retryBatch(id);
      return watchBatch(client, id, given.flag('json'));
    });
  },
};

async function change(
  given: Given,
  act: (client: OperatorClient, id: BatchId) => Promise<BatchView>,
): Promise<undefined> {
  const id = asBatchId(given.id('batch'));
  const batch = await withClient(given, client => act(client, id));
  if (given.flag('json')) printJson(batch);
  else
    print(
      `Batch ${id} ${safe(batch.name)} is ${conditionOf(batch)}, priority ${batch.policy.priority}: ` +
        `${grouped(batch.done)} of ${grouped(batch.count)} workunits are done, ` +
        `${grouped(batch.failed)} failed, ${grouped(batch.out)} replicas are out.`,
    );
  return undefined;
}

/** The state, and what keeps a running batch from going on. */
export function conditionOf({state, suspended, waiting}: BatchView): string {
  if (state !== 'running') return state;
  if (suspended) return 'suspended';
  return waiting === undefined ? state : 'waiting';
}
