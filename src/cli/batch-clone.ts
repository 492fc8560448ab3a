// `volley batch clone`: the same inputs once more, with the same policy or another one.

import {asBatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import {POLICY_OPTIONS, policyIn, policyOfCopy} from './batch-policy.ts';
import {STAGE_OPTIONS, sharedIn, stageOfText, stagesIn, stagesOfCopy} from './batch-stages.ts';
import {aimIn, TARGET_OPTIONS, warn} from './batch-target.ts';
import {type CommandSpec, type Given, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, print, printJson, safe, tell} from './output.ts';

export const batchCloneCommand: CommandSpec = {
  name: 'batch clone',
  args: '<batch>',
  summary: 'Submit a batch again: the same inputs, arguments and policy, but for the flags given',
  options: [
    {flag: '--name <name>', text: 'name of the new batch (default: the same)'},
    {flag: '--arg <text>', text: 'arguments in place of the old ones', repeatable: true},
    ...STAGE_OPTIONS,
    ...POLICY_OPTIONS.map(({flag, text}) => ({flag, text: text.replace(/ \(default.*\)/, '')})),
    ...TARGET_OPTIONS,
    {flag: '--wait', text: 'watch it to its end; exit code 1 unless it is done'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch clone 1',
    'volley batch clone 1 --quorum 3 --name again --wait',
    'volley batch clone 1 --arg 640 --arg 480',
  ],
  run: clone,
};

function refuseStage(batch: BatchView): void {
  if (batch.stage) throw usage(`batch ${batch.id} is a stage of ${stageOfText(batch)}: clone that`);
}

async function clone(given: Given): Promise<number | undefined> {
  const source = asBatchId(given.id('batch'));
  const asJson = given.flag('json');
  return withClient(given, async client => {
    const copied = await client.batch(source);
    const {name, appName, appId, args, input, policy, target, shared} = copied;
    refuseStage(copied);
    const kept = {...(shared ? {shared} : {}), ...(target ? {target} : {})};
    const {batchId, warning} = await client.submit({
      name: given.text('name') ?? name,
      app: appName,
      args: given.flag('arg') ? given.texts('arg') : args,
      input,
      policy: policyOfCopy(policy, policyIn(given)),
      clonedFrom: source,
      ...stagesOfCopy(copied, stagesIn(given).stages),
      ...kept,
      ...(await sharedIn(given, client)),
      ...(await aimIn(given, client)),
    });
    warn(batchId, warning);
    const batch = await client.batch(batchId);
    if (batch.appId !== appId)
      tell(`volley: ${safe(appName)} was published anew since: batch ${batchId} runs the new one`);
    if (given.flag('wait')) {
      const {watchBatch} = await import('./batch-progress.ts');
      return watchBatch(client, batchId, asJson);
    }
    if (asJson) printJson(batch);
    else
      print(`Batch ${batchId} is a copy of batch ${source}: ${counted(batch.count, 'workunit')}.`);
    return undefined;
  });
}
