// `volley batch show`: everything about one batch.

import {assertNever} from '../base/assert.ts';
import {asBatchId} from '../base/types.ts';
import type {Compare} from '../core/compare.ts';
import type {InputSource} from '../core/input-source.ts';
import type {Mark} from '../core/operator-rows.ts';
import type {BatchView} from '../core/views.ts';
import {planText, stageOfText, stageText} from './batch-stages.ts';
import {conditionOf} from './batch-suspend.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {
  ago,
  counted,
  duration,
  grouped,
  instant,
  percent,
  print,
  printJson,
  safe,
} from './output.ts';

export const batchShowCommand: CommandSpec = {
  name: 'batch show',
  args: '<batch>',
  summary: 'Show one batch',
  options: OPERATOR_OPTIONS,
  examples: ['volley batch show 1', 'volley batch show 1 --json'],
  run: show,
};

async function show(given: Given): Promise<undefined> {
  const id = asBatchId(given.id('batch'));
  const batch = await withClient(given, client => client.batch(id));
  if (given.flag('json')) printJson(batch);
  else
    for (const [label, value] of linesOf(batch)) if (value !== '') print(label.padEnd(15) + value);
  return undefined;
}

const linesOf = (batch: BatchView): [string, string][] => [
  ['batch', `${batch.id} ${safe(batch.name)}`],
  ['state', stateOf(batch)],
  ['stage', stageText(batch) || stageOfText(batch)],
  ['stages', planText(batch)],
  ['copy of', batch.clonedFrom === undefined ? '' : `batch ${batch.clonedFrom}`],
  ['waits', safe(batch.waiting ?? '', 256)],
  ['target', targetOf(batch)],
  ['app', `${safe(batch.appName)} ${batch.appId.slice(0, 16)}`],
  ['arguments', batch.args.map(arg => safe(JSON.stringify(arg), 128)).join(' ')],
  ['input', inputOf(batch.input)],
  ['shared', batch.shared === undefined ? '' : `${grouped(batch.shared.size)} bytes`],
  ['workunits', grouped(batch.count)],
  ['done', `${grouped(batch.done)} (${percent(batch.done, batch.count)})`],
  ['failed', grouped(batch.failed)],
  ['replicas', `${grouped(batch.replicas)}, ${grouped(batch.out)} out now`],
  ['results', grouped(batch.results)],
  ['disagreements', grouped(batch.disagreements)],
  ['errors', grouped(batch.errors)],
  ['single', singlesOf(batch)],
  ['hedges', batch.hedges === undefined ? '' : grouped(batch.hedges)],
  ['checked again', checksOf(batch)],
  ['speed', batch.state === 'running' ? `${batch.perSecond.toFixed(1)} workunits/s` : ''],
  ['left', batch.etaMs === undefined ? '' : `about ${duration(batch.etaMs)}`],
  ['submitted', `${instant(batch.createdAt)} UTC`],
  ['ended', batch.endedAt === 0 ? '' : `${instant(batch.endedAt)} UTC`],
  ['winner', batch.winner === undefined ? '' : `workunit ${grouped(batch.winner)}`],
  ['compare', compareText(batch.policy.compare)],
  ...Object.entries(batch.policy).flatMap(([name, value]): [string, string][] =>
    typeof value === 'number' ? [['', `${name} ${grouped(value)}`]] : [],
  ),
  ['', batch.policy.firstWins ? 'firstWins' : ''],
  ['', batch.policy.broadcast ? 'broadcast: one workunit for each node' : ''],
  ['', batch.policy.homogeneous === undefined ? '' : `homogeneous ${batch.policy.homogeneous}`],
  ['', batch.policy.redundancy === undefined ? '' : `redundancy ${batch.policy.redundancy}`],
];

/** Results that stand alone, by adaptive redundancy. */
const singlesOf = ({policy, singles, done}: BatchView): string =>
  policy.redundancy === 'adaptive'
    ? `${grouped(singles)} of ${grouped(done)} results of one trusted node alone`
    : '';

/** What rested on a revoked node alone. */
function checksOf({rechecking, confirmed, replaced}: BatchView): string {
  if (rechecking + confirmed + replaced === 0) return '';
  const left = rechecking > 0 ? `, ${grouped(rechecking)} to come` : '';
  return `${grouped(confirmed)} confirmed, ${grouped(replaced)} replaced${left}`;
}

/** As the options of `batch submit`; '' = the same bytes. */
function compareText(compare: Compare | undefined): string {
  if (!compare) return '';
  switch (compare.kind) {
    case 'numeric':
      return `numeric, ${compare.format}, rtol ${compare.rtol}, atol ${compare.atol}`;
    case 'custom':
      return `custom, ${safe(compare.app)} ${compare.appId.slice(0, 16)}`;
    default:
      return assertNever(compare);
  }
}

function stateOf(batch: BatchView): string {
  const {reason, suspended, retrying} = batch;
  const why = reason === '' ? '' : `: ${safe(reason, 256)}`;
  const more = retrying ? ', failed workunits are being looked up' : '';
  return conditionOf(batch) + why + (suspended ? markOf(suspended) : '') + more;
}

/** ` by owner, 3 min ago: the reason` */
function markOf({by, at, reason}: Mark): string {
  return ` by ${safe(by)}, ${ago(at)}${reason === '' ? '' : `: ${safe(reason, 256)}`}`;
}

function targetOf({target}: BatchView): string {
  const {labels = [], nodes = [], archs = [], memoryMib, cores} = target ?? {};
  const parts = [
    ...labels.map(label => `label=${safe(label)}`),
    ...nodes.map(id => id.slice(0, 8)),
    ...archs.map(arch => `arch ${safe(arch)}`),
    ...(memoryMib === undefined ? [] : [`${grouped(memoryMib)} MiB or more`]),
    ...(cores === undefined ? [] : [`${grouped(cores)} cores or more`]),
  ];
  return parts.slice(0, 16).join(', ') + (parts.length > 16 ? ', …' : '');
}

function inputOf(input: InputSource): string {
  switch (input.kind) {
    case 'range':
      return rangeText(input);
    case 'lines':
      return `${counted(input.count, 'line')} of blob ${input.blobId.slice(0, 16)}`;
    case 'files':
      return `${counted(input.count, 'file')}, listed in blob ${input.blobId.slice(0, 16)}`;
    case 'blob':
      return `the outputs of the stage before, ${grouped(input.size)} bytes`;
    case 'parts':
      return `parts of the outputs of the round before, ${grouped(input.size)} bytes`;
    default:
      return assertNever(input);
  }
}

function rangeText({start, end, chunk}: Extract<InputSource, {kind: 'range'}>): string {
  const range = `${grouped(start)} … ${grouped(end)}`;
  return chunk >= end - start ? range : `${range} in pieces of ${grouped(chunk)}`;
}
