// `volley capture clocks`: how well the nodes know the time, and hear the master.

import {EXIT} from '../base/errors.ts';
import {compareNames} from '../base/text.ts';
import type {NodeView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {grouped, millis, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const captureClocksCommand: CommandSpec = {
  name: 'capture clocks',
  summary: 'Show how well the nodes know the time, and how many packets they miss',
  options: [...OPERATOR_OPTIONS],
  examples: [
    'volley capture clocks',
    `volley capture clocks --json | jq '.nodes[] | select(.missed > 0) | .name'`,
  ],
  run,
};

const COLUMNS = [
  {title: 'node'},
  {title: 'state'},
  {title: 'clock ± ms', right: true},
  {title: 'skew ms', right: true},
  {title: 'heard', right: true},
  {title: 'missed', right: true},
  {title: 'loss', right: true},
];

async function run(given: Given): Promise<number> {
  const nodes = (await withClient(given, client => client.nodes())).filter(
    ({state, actions}) => state !== 'revoked' && actions.length > 0,
  );
  nodes.sort((a, b) => compareNames(a.name, b.name));
  if (given.flag('json')) {
    printJson({nodes: nodes.map(({nodeId, name, state, ear}) => ({nodeId, name, state, ...ear}))});
    return EXIT.ok;
  }
  for (const line of tableLines(COLUMNS, nodes.map(cellsOf))) print(line);
  print('');
  print('skew: how much later than the others a node says it heard the same packet');
  return EXIT.ok;
}

function cellsOf({name, state, ear}: NodeView): string[] {
  const own = [safe(name, 24), state];
  if (!ear) return [...own, '-', '-', '-', '-', '-'];
  const {heard, missed, clockBoundMs, skewMs} = ear;
  return [
    ...own,
    clockBoundMs < 0 ? '-' : millis(clockBoundMs),
    skewMs === undefined ? '-' : millis(skewMs),
    grouped(heard),
    grouped(missed),
    `${((100 * missed) / Math.max(1, heard + missed)).toFixed(1)} %`,
  ];
}
