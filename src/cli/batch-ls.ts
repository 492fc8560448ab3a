// `volley batch ls`.

import type {BatchView} from '../core/views.ts';
import {stageOfText, stageText} from './batch-stages.ts';
import {conditionOf} from './batch-suspend.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {ago, grouped, percent, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const batchLsCommand: CommandSpec = {
  name: 'batch ls',
  summary: 'List the batches',
  options: [
    {flag: '--stages', text: 'later stages too, which are batches of their own'},
    ...OPERATOR_OPTIONS,
  ],
  examples: ['volley batch ls', 'volley batch ls --json'],
  run: list,
};

const COLUMNS = [
  {title: 'batch', right: true},
  {title: 'name'},
  {title: 'app'},
  {title: 'state'},
  {title: 'done', right: true},
  {title: 'workunits', right: true},
  {title: 'failed', right: true},
  {title: 'disagreed', right: true},
  {title: 'submitted'},
];

async function list(given: Given): Promise<undefined> {
  const all = await withClient(given, client => client.batches());
  const batches = given.flag('stages') ? all : all.filter(({stage}) => stage === undefined);
  if (given.flag('json')) printJson({batches});
  else if (batches.length === 0) print('No batch yet. `volley batch submit --help` shows how.');
  else
    for (const line of [...tableLines(COLUMNS, batches.map(rowOf)), ...batches.flatMap(whyOf)])
      print(line);
  return undefined;
}

const whyOf = ({id, waiting}: BatchView): string[] =>
  waiting === undefined ? [] : [`Batch ${id} waits: it ${safe(waiting, 256)}`];

const rowOf = (batch: BatchView): string[] => [
  String(batch.id),
  safe(batch.name, 24),
  safe(batch.appName, 24),
  [conditionOf(batch), stageText(batch) || stageOfText(batch)].filter(Boolean).join(', '),
  percent(batch.done + batch.failed, batch.count),
  grouped(batch.count),
  grouped(batch.failed),
  grouped(batch.disagreements),
  ago(batch.createdAt),
];
