// `volley batch submit`: checks everything that can be checked here before anything is stored there.

import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {type CompareRequest, NUMBER_FORMATS} from '../core/compare.ts';
import type {PolicyRequest} from '../core/policy.ts';
import type {OperatorClient} from '../http/client.ts';
import type {CommandSpec, Given} from './command.ts';
import {defined, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {grouped, print, printJson, tell} from './output.ts';

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
    {flag: '--quorum <count>', text: 'equal results of different nodes that count (default 2)'},
    {flag: '--target <count>', text: 'replicas handed out at first (default: the quorum)'},
    {flag: '--max-errors <count>', text: 'errors after which a workunit fails (default 3)'},
    {flag: '--max-replicas <count>', text: 'replicas after which it does (default 20)'},
    {flag: '--lease <seconds>', text: 'time for a replica before others get it (default 300)'},
    {flag: '--compare <how>', text: 'exact (bytes, default), numeric, or custom:<comparison app>'},
    {flag: '--format <format>', text: 'numeric: json (default), f32 or f64, little-endian'},
    {flag: '--rtol <number>', text: 'numeric: relative tolerance (default 1e-9, of f32 1e-5)'},
    {flag: '--atol <number>', text: 'numeric: absolute tolerance (default 1e-12, of f32 1e-8)'},
    {flag: '--first-wins', text: 'the first result that is not empty ends the batch'},
    {flag: '--priority <number>', text: '-100 … 100, higher goes first (default 0)'},
    {flag: '--time-limit <seconds>', text: "for one workunit (default and most: the app's)"},
    {flag: '--memory-limit <mib>', text: "for one workunit (default and most: the app's)"},
    {flag: '--output-limit <bytes>', text: "for one workunit (default and most: the app's)"},
    {flag: '--wait', text: 'watch it to its end; exit code 1 unless it is done'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley batch submit primes --range 0..100_000_000 --chunk 100_000 --wait',
    'volley batch submit wordcount --files "texts/*.txt" --name words',
    'cat inputs.ndjson | volley batch submit echo --lines - --quorum 3',
    'volley batch submit simulate --lines points.ndjson --compare numeric --rtol 1e-6',
    'volley batch submit nonce --range 0..4_294_967_296 --chunk 4_000_000 --arg HEADER --arg 32 --first-wins',
    'volley batch submit render --range 0..80 --chunk 1 --arg 320 --arg 240 --arg 32',
  ],
  run: submit,
};

async function submit(given: Given): Promise<number | undefined> {
  const app = given.args[0] ?? '';
  const {planInput} = await import('./batch-inputs.ts');
  const plan = await planInput(given);
  return withClient(given, async client => {
    await checkAgainstApp(client, app, policyIn(given));
    const input = await plan.store(client);
    const {batchId} = await client.submit({
      name: given.text('name') ?? '',
      app,
      args: given.texts('arg'),
      input,
      policy: policyIn(given),
    });
    await warnOfTooFewNodes(client, batchId);
    if (!given.flag('wait')) {
      if (given.flag('json')) printJson(await client.batch(batchId));
      else {
        const {count} = await client.batch(batchId);
        print(`Batch ${batchId} is submitted: ${grouped(count)} workunits of ${app}.`);
        print(`Watch it with: volley batch watch ${batchId}`);
      }
      return undefined;
    }
    const {watchBatch} = await import('./batch-progress.ts');
    return watchBatch(client, batchId, given.flag('json'));
  });
}

const SECONDS_MAX = 30 * 86_400;

/** The master checks again; here only what keeps a typing error from leaving uploads behind. */
function policyIn(given: Given): PolicyRequest {
  return defined({
    compare: compareIn(given),
    firstWins: given.flag('first-wins') ? true : undefined,
    minQuorum: given.whole('quorum', 1, 16),
    targetReplicas: given.whole('target', 1, 32),
    maxErrorReplicas: given.whole('max-errors', 1, 64),
    maxTotalReplicas: given.whole('max-replicas', 1, 128),
    leaseSeconds: given.whole('lease', 1, SECONDS_MAX),
    priority: given.whole('priority', -100, 100),
    timeLimitSeconds: given.whole('time-limit', 1, 7 * 86_400),
    memoryLimitMib: given.whole('memory-limit', 1, 1_024),
    outputLimitBytes: given.whole('output-limit', 1, 64 * 1_024 * 1_024),
  });
}

function compareIn(given: Given): CompareRequest | undefined {
  const how = given.text('compare') ?? 'exact';
  const [kind, app = ''] = how.split(':', 2);
  const format = given.oneOf('format', NUMBER_FORMATS);
  const numbers = defined({
    format,
    rtol: given.number('rtol', 0, 1),
    atol: given.number('atol', 0, Number.MAX_VALUE),
  });
  if (kind !== 'numeric' && Object.keys(numbers).length > 0)
    throw usage('--format, --rtol and --atol need --compare numeric');
  if (kind === 'custom' && app !== '') return {kind: 'custom', app};
  if (how === 'numeric') return {kind: 'numeric', ...numbers};
  if (how === 'exact') return undefined;
  throw usage(`--compare is exact, numeric or custom:<comparison app>, not ${how}`);
}

async function checkAgainstApp(
  client: OperatorClient,
  name: string,
  policy: PolicyRequest,
): Promise<void> {
  const apps = await client.apps();
  const app = apps.find(each => each.name === name);
  if (!app) throw new VolleyError('VOLLEY_UNKNOWN_APP', {app: name});
  const {policyOf} = await import('../master/operator.ts');
  const reason = policyOf(policy, app, other => apps.find(each => each.name === other));
  if (typeof reason === 'string') throw new VolleyError('VOLLEY_BAD_POLICY', {reason});
}

/** A quorum is of distinct nodes: with fewer of them the batch waits, and should not do so silently. */
async function warnOfTooFewNodes(client: OperatorClient, batchId: BatchId): Promise<void> {
  const {policy} = await client.batch(batchId);
  const {up} = (await client.status()).nodes;
  if (up < policy.minQuorum)
    tell(
      `volley: batch ${batchId} needs ${policy.minQuorum} nodes (--quorum) and ${up} are up: ` +
        'it waits for more',
    );
}
