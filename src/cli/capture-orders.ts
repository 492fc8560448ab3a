// `volley capture ls`, `show`, `fetch`, `rm`: captures that the master has.

import {EXIT} from '../base/errors.ts';
import {asCaptureId} from '../base/types.ts';
import {isWhole, tallyOf} from '../core/capture-tally.ts';
import type {CaptureView} from '../core/views.ts';
import {fetchCapture, LAYOUT_OPTION} from './capture.ts';
import {RIG_OPTION} from './capture-rig.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {ago, grouped, instant, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const captureLsCommand: CommandSpec = {
  name: 'capture ls',
  summary: 'List the captures',
  options: OPERATOR_OPTIONS,
  examples: ['volley capture ls', 'volley capture ls --json'],
  run: list,
};

export const captureShowCommand: CommandSpec = {
  name: 'capture show',
  args: '<capture>',
  summary: 'Show one capture: who fired when, who is missing',
  options: OPERATOR_OPTIONS,
  examples: ['volley capture show 42', 'volley capture show 42 --json   # exit code 1: not whole'],
  run: show,
};

export const captureFetchCommand: CommandSpec = {
  name: 'capture fetch',
  args: '<capture>',
  summary: 'Bring the files of a capture; goes on with a folder where it was cut',
  options: [
    {flag: '--out <folder>', text: 'where the files go (default ./capture-<number>)'},
    LAYOUT_OPTION,
    RIG_OPTION,
    ...OPERATOR_OPTIONS,
  ],
  examples: ['volley capture fetch 42 --out ./scan-42'],
  run: given => fetchCapture(given, asCaptureId(given.id('capture'))),
};

export const captureRmCommand: CommandSpec = {
  name: 'capture rm',
  args: '<capture>',
  summary: 'Delete a capture at the master: its statements, and its files there',
  options: [
    {flag: '--force', text: 'also one that is running: shots that were not commanded yet are not'},
    ...OPERATOR_OPTIONS,
  ],
  examples: ['volley capture fetch 42 --out ./scan-42 && volley capture rm 42'],
  run: remove,
};

const COLUMNS = [
  {title: 'capture', right: true},
  {title: 'time'},
  {title: 'action'},
  {title: 'state'},
  {title: 'shots', right: true},
  {title: 'nodes', right: true},
  {title: 'fired', right: true},
  {title: 'late', right: true},
  {title: 'missed', right: true},
  {title: 'failed', right: true},
  {title: 'silent', right: true},
  {title: 'files', right: true},
];

async function list(given: Given): Promise<undefined> {
  const captures = await withClient(given, client => client.captures());
  if (given.flag('json'))
    printJson({captures: captures.map(view => ({...summaryOf(view), ...tallyOf(view)}))});
  else if (captures.length === 0) print('No capture yet. `volley capture --help` shows how.');
  else for (const line of tableLines(COLUMNS, captures.map(rowOf))) print(line);
  return undefined;
}

const summaryOf = (view: CaptureView) => {
  const {id, action, state, createdAt, shots, atWallMs, spreadMs} = view;
  return {id, action, state, createdAt, shots, atWallMs, spreadMs, whole: isWhole(view)};
};

function rowOf(view: CaptureView): string[] {
  const tally = tallyOf(view);
  const {fired, late, missed, failed, silent, collected, files} = tally;
  return [
    String(view.id),
    instant(view.createdAt),
    safe(view.action, 24),
    stateOf(view),
    ...[view.shots, tally.nodes, fired, late, missed, failed, silent].map(grouped),
    collected === files ? grouped(files) : `${grouped(collected)}/${grouped(files)}`,
  ];
}

function stateOf(view: CaptureView): string {
  if (view.calling) return 'asking who is ready';
  if (view.refused !== undefined) return 'refused';
  if (view.cancelled !== undefined) return 'cancelled';
  if (view.state === 'running') return 'running';
  return isWhole(view) ? 'whole' : 'not whole';
}

async function show(given: Given): Promise<number> {
  const id = asCaptureId(given.id('capture'));
  const view = await withClient(given, client => client.captureOf(id));
  const whole = isWhole(view);
  if (given.flag('json')) printJson({...view, ...tallyOf(view), whole});
  else {
    const {captureLines, missingLines, rollLines} = await import('./capture-table.ts');
    print(`Capture ${id}: ${safe(view.action, 24)}, ${ago(view.createdAt)}, ${stateOf(view)}`);
    for (const line of rollLines(view)) print(line);
    print();
    if (view.refused !== undefined) print(`Nothing was fired: ${view.refused}`);
    else for (const line of captureLines(view)) print(line);
    for (const line of missingLines(view.missing ?? [])) print(line);
  }
  return whole || view.state === 'running' ? EXIT.ok : EXIT.failed;
}

async function remove(given: Given): Promise<undefined> {
  const id = asCaptureId(given.id('capture'));
  await withClient(given, client => client.deleteCapture(id, given.flag('force')));
  if (given.flag('json')) printJson({deleted: id});
  else print(`Capture ${id} is deleted at the master; folders that were brought are untouched.`);
  return undefined;
}
