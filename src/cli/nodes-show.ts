// `volley nodes show`: all that the master knows of one node.

import type {NodeAppView, NodeView} from '../core/views.ts';
import type {CommandSpec} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {whyOf} from './nodes.ts';
import {ago, grouped, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';
import {whichNode} from './which-node.ts';

export const nodesShowCommand: CommandSpec = {
  name: 'nodes show',
  args: '<node>',
  summary: 'Show one node: what it is, what it earned, how it does with each app',
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes show cam-07', 'volley nodes show cam-07 --json'],
  run: async given => {
    const nodes = await withClient(given, client => client.nodes());
    const node = whichNode(nodes, given.args[0] ?? '');
    if (given.flag('json')) printJson({node});
    else for (const line of linesOf(node)) print(line);
    return undefined;
  },
};

function linesOf(node: NodeView): string[] {
  const lines = FIELDS.map(([name, of]) => [name, of(node)] as const)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name.padEnd(13)} ${text}`);
  const apps = (node.apps ?? []).map(rowOf);
  return [
    ...lines,
    ...whyOf(node),
    ...(apps.length === 0 ? [] : ['', ...tableLines(COLUMNS, apps)]),
  ];
}

const FIELDS: readonly (readonly [string, (node: NodeView) => string])[] = [
  ['node', ({name, nodeId}) => `${safe(name, 64)} ${nodeId}`],
  ['state', ({state, heardAt}) => `${state}, heard ${ago(heardAt)}`],
  ['labels', ({labels}) => safe(labels.join(', '), 256)],
  ['address', ({address}) => safe(address)],
  [
    'machine',
    ({arch, cores, memoryMib}) =>
      `${safe(arch, 8)}, ${grouped(cores)} cores, ${grouped(memoryMib)} MiB`,
  ],
  ['engine', ({engine}) => safe(engine, 64)],
  ['version', ({version}) => safe(version, 32)],
  ['sandbox', ({sandboxLevel}) => `level ${sandboxLevel}`],
  ['slots', ({allowed, slots, out}) => `${allowed} of ${slots}, ${grouped(out)} replicas out`],
  ['duty cycle', ({cpuPercent}) => (cpuPercent < 100 ? `${cpuPercent} %` : '')],
  ['held by', ({heldBy}) => safe(heldBy, 256)],
  ['actions', ({actions}) => safe(actions.join(', '), 256)],
  ['validated', ({validated}) => grouped(validated)],
  ['disagreed', ({disagreed}) => grouped(disagreed)],
  ['errors', ({errors}) => grouped(errors)],
  ['credit', ({credit}) => grouped(Math.round(credit))],
];

const COLUMNS = [
  {title: 'app'},
  {title: 'version'},
  {title: 'right in a row', right: true},
  {title: 'run time', right: true},
];

const rowOf = ({app, version, validatedInRow, pace}: NodeAppView): string[] => [
  safe(app, 24),
  safe(version, 16),
  grouped(validatedInRow),
  pace === undefined ? '' : `${pace.toFixed(2)} x the mean`,
];
