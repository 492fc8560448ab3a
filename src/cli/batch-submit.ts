// `volley batch submit`: checks everything that can be checked here before anything is stored there.

import {VolleyError} from '../base/errors.ts';
import type {PolicyRequest} from '../core/policy.ts';
import type {AppRow} from '../core/tables.ts';
import type {OperatorClient} from '../http/client.ts';
import {POLICY_OPTIONS, policyIn} from './batch-policy.ts';
import {STAGE_OPTIONS, sharedIn, stagesIn} from './batch-stages.ts';
import {aimIn, TARGET_OPTIONS, warn} from './batch-target.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, print, printJson} from './output.ts';

export const batchSubmitCommand: CommandSpec = {
  name: 'batch submit',
  args: '<app> [...paths]',
  summary: 'Submit a batch: an app and its inputs',
  options: [
    {flag: '--range <start..end>', text: 'inputs are pieces of a range of numbers, end excluded'},
    {flag: '--chunk <count>', text: 'numbers in a piece (default: about 1,000 pieces)'},
    {flag: '--lines <file>', text: 'inputs are the lines of an NDJSON file; - is stdin'},
    {flag: '--files <pattern>', text: 'inputs are files: paths or patterns', repeatable: true},
    {flag: '--name <name>', text: 'name of the batch (default: the app)'},
    {flag: '--arg <text>', text: 'argument for the app', repeatable: true},
    ...STAGE_OPTIONS,
    ...POLICY_OPTIONS,
    ...TARGET_OPTIONS,
    {flag: '--wait', text: 'watch it to its end; exit code 1 unless it is done'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch submit primes --range 0..100_000_000 --chunk 100_000 --wait',
    'volley batch submit wordcount --files "texts/*.txt" --name words',
    'cat inputs.ndjson | volley batch submit echo --lines - --quorum 3 --strict',
    'volley batch submit echo --range 0..9 --select label=ring1 --arch arm64',
    'volley batch submit simulate --lines points.ndjson --compare numeric --rtol 1e-6',
    'volley batch submit nonce --range 0..4_294_967_296 --chunk 4_000_000 --arg HEADER --arg 32 --first-wins',
    'volley batch submit primes --all --range 0..1_000_000 --select label=ring1',
    'volley batch submit wordcount --files "texts/*.txt" --reduce wordcount --wait',
    'volley batch submit kmeans --files "points/*.csv" --arg 3 --rounds until-stable',
    'volley batch submit render --range 0..80 --chunk 1 --arg 320 --arg 240 --arg 32',
  ],
  run: submit,
};

async function submit(given: Given): Promise<number | undefined> {
  const app = given.args[0] ?? '';
  const {planInput} = await import('./batch-inputs.ts');
  const plan = await planInput(given);
  const stages = stagesIn(given);
  return withClient(given, async client => {
    await checkAgainstApp(client, app, policyIn(given), stages.stages?.reduce);
    const shared = await sharedIn(given, client);
    const input = await plan.store(client);
    const {batchId, warning} = await client.submit({
      name: given.text('name') ?? '',
      app,
      args: given.texts('arg'),
      input,
      policy: policyIn(given),
      ...stages,
      ...shared,
      ...(await aimIn(given, client)),
    });
    warn(batchId, warning);
    if (!given.flag('wait')) {
      if (given.flag('json')) printJson(await client.batch(batchId));
      else {
        const {count} = await client.batch(batchId);
        print(`Batch ${batchId} is submitted: ${counted(count, 'workunit')} of ${app}.`);
        print(`Watch it with: volley batch watch ${batchId}`);
      }
      return undefined;
    }
    const {watchBatch} = await import('./batch-progress.ts');
    return watchBatch(client, batchId, given.flag('json'));
  });
}

/** The app that the batch will get. */
export async function checkAgainstApp(
  client: OperatorClient,
  name: string,
  policy: PolicyRequest,
  reduce?: string,
): Promise<AppRow> {
  const apps = await client.apps();
  if (reduce !== undefined && !apps.some(each => each.name === reduce))
    throw new VolleyError('VOLLEY_UNKNOWN_APP', {app: reduce});
  const app = apps.find(each => each.name === name);
  if (!app) throw new VolleyError('VOLLEY_UNKNOWN_APP', {app: name});
  const {policyOf} = await import('../master/policy.ts');
  const reason = policyOf(policy, app, other => apps.find(each => each.name === other));
  if (typeof reason === 'string') throw new VolleyError('VOLLEY_BAD_POLICY', {reason});
  return app;
}
