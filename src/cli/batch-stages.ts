// Batches of several stages: the flags that ask for them, and how they are shown.

import {Readable} from 'node:stream';
import {VolleyError} from '../base/errors.ts';
import type {BatchRequest} from '../core/operator-request.ts';
import {HALO_MAX, ROUNDS_MAX, type StagesRequest, stageName} from '../core/stages.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {OUTPUT_LIMIT_BYTES_MAX} from '../wire/limits.ts';
import {defined, type Given, type OptionSpec, usage} from './command.ts';
import {grouped} from './output.ts';

export const STAGE_OPTIONS: readonly OptionSpec[] = [
  {flag: '--reduce <app>', text: 'an app that makes one output of all outputs'},
  {flag: '--reduce-arg <text>', text: 'argument for that app', repeatable: true},
  {flag: '--rounds <count>', text: 'again with what was reduced as shared input; or until-stable'},
  {flag: '--max-rounds <count>', text: 'until-stable: at most so many (default 1,000)'},
  {
    flag: '--halo <count>',
    text: 'rounds without --reduce: outputs of so many neighbours are inputs',
  },
  {flag: '--shared <file>', text: 'what every workunit may read (file descriptor 4)'},
];

const UNTIL_STABLE = 'until-stable';

/** Nothing where no stage is asked for. */
export function stagesIn(given: Given): Pick<BatchRequest, 'stages'> {
  const isUntilStable = given.text('rounds') === UNTIL_STABLE;
  if (given.flag('max-rounds') && !isUntilStable)
    throw usage(`--max-rounds goes with --rounds ${UNTIL_STABLE}`);
  if (given.flag('reduce-arg') && !given.flag('reduce'))
    throw usage('--reduce-arg goes with --reduce');
  const stages: StagesRequest = defined({
    reduce: given.text('reduce'),
    reduceArgs: given.flag('reduce-arg') ? given.texts('reduce-arg') : undefined,
    rounds: isUntilStable
      ? given.whole('max-rounds', 2, ROUNDS_MAX)
      : given.whole('rounds', 1, ROUNDS_MAX),
    untilStable: isUntilStable ? true : undefined,
    halo: given.whole('halo', 0, HALO_MAX),
  });
  return Object.keys(stages).length > 0 ? {stages} : {};
}

/** The stages of a copy: those of the batch, but for what is asked for. */
export function stagesOfCopy(
  {plan, appName}: BatchView,
  changes: StagesRequest = {},
): Pick<BatchRequest, 'stages'> {
  if (!plan) return Object.keys(changes).length > 0 ? {stages: changes} : {};
  const {reduce, rounds, untilStable, halo} = plan;
  const own = reduce?.appName === appName; // its arguments follow those of the batch
  const stages = {
    ...defined({reduce: reduce?.appName, reduceArgs: own ? undefined : reduce?.args, halo}),
    rounds,
    ...(untilStable ? {untilStable} : {}),
    ...changes,
  };
  return {stages};
}

/** Sends the file of --shared. */
export async function sharedIn(
  given: Given,
  client: OperatorClient,
): Promise<Pick<BatchRequest, 'shared'>> {
  const path = given.text('shared');
  if (path === undefined) return {};
  const {checkFile} = await import('./batch-inputs.ts');
  await checkFile(path, OUTPUT_LIMIT_BYTES_MAX);
  const parts = await partsOf(path);
  return {shared: await client.putBlob(Readable.from(parts))};
}

/** What is no file says nothing of its size before it is read. */
async function partsOf(path: string): Promise<readonly Uint8Array[]> {
  const {createReadStream} = await import('node:fs');
  const parts: Uint8Array[] = [];
  const [what, limit] = [path, OUTPUT_LIMIT_BYTES_MAX];
  let size = 0;
  for await (const part of createReadStream(path)) {
    size += (part as Buffer).length;
    if (size > limit) throw new VolleyError('VOLLEY_TOO_LARGE', {what, size, limit});
    parts.push(part as Buffer);
  }
  if (size === 0) throw new VolleyError('VOLLEY_BAD_INPUT', {reason: `${path} is empty`});
  return parts;
}

/** `round 3 of 10, map: 12/64`; '' for a batch of one stage. */
export function stageText({plan, stageNow, state}: BatchView): string {
  if (!plan || !stageNow) return '';
  const {round, kind, done, count} = stageNow;
  const most = plan.untilStable ? 'at most ' : '';
  const rounds =
    plan.rounds === 1 ? '' : `round ${grouped(round)} of ${most}${grouped(plan.rounds)}, `;
  const how = state === 'running' ? `: ${grouped(done)}/${grouped(count)}` : '';
  return `${rounds}${kind}${how}`;
}

/** What follows the workunits, as the flags say it. */
export function planText({plan}: BatchView): string {
  if (!plan) return '';
  const {reduce, rounds, untilStable, halo} = plan;
  const parts = [
    reduce ? `reduced by ${reduce.appName} ${reduce.appId.slice(0, 16)}` : '',
    untilStable ? `until stable, at most ${grouped(rounds)} rounds` : '',
    !untilStable && rounds > 1 ? `${grouped(rounds)} rounds` : '',
    halo === undefined ? '' : `with the outputs of ${halo} neighbours on either side`,
  ];
  return parts.filter(part => part !== '').join(', ');
}

/** Whether all of it is one output. */
export const isReduced = ({stage}: BatchView): boolean => stage?.kind === 'reduce';

export const stageOfText = ({stage}: BatchView): string =>
  stage ? `batch ${stage.batchId}, ${stageName(stage)}` : '';
