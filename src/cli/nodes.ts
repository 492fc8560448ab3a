// `volley nodes`: who belongs to the cluster and how they do.

import type {NodeView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {ago, grouped, print, printJson, safe, shortId, tell} from './output.ts';
import {tableLines} from './table.ts';

export const nodesCommand: CommandSpec = {
  name: 'nodes',
  summary: 'List the nodes',
  options: OPERATOR_OPTIONS,
  examples: ['volley nodes', 'volley nodes --json'],
  run: runNodes,
};

const COLUMNS = [
  {title: 'name'},
  {title: 'id'},
  {title: 'state'},
  {title: 'labels'},
  {title: 'arch'},
  {title: 'sandbox', right: true},
  {title: 'slots', right: true},
  {title: 'running', right: true},
  {title: 'validated', right: true},
  {title: 'errors', right: true},
  {title: 'credit', right: true},
  {title: 'heard'},
];

async function runNodes(given: Given): Promise<undefined> {
  const {nodes, alarms} = await withClient(given, async client => ({
    nodes: await client.nodes(),
    alarms: (await client.status()).alarms,
  }));
  for (const {text, advice} of alarms) tell(`volley: alarm: ${safe(text, 300)}; ${advice}`);
  if (given.flag('json')) printJson({nodes, alarms});
  else if (nodes.length === 0)
    print('No node has joined yet. `volley nodes token` makes a token for `volley node --join`.');
  else {
    for (const line of tableLines(COLUMNS, sorted(nodes).map(rowOf))) print(line);
    for (const {name, clone} of nodes) if (clone) print(cloneLine(name, clone));
  }
  return undefined;
}

const sorted = (nodes: readonly NodeView[]): NodeView[] =>
  [...nodes].sort((a, b) => a.name.localeCompare(b.name, 'en', {numeric: true}));

/** Two machines with one key. */
const cloneLine = (name: string, clone: NonNullable<NodeView['clone']>): string =>
  `${safe(name, 24)}: clone suspected, two machines have its key (a copied SD card?): ` +
  `${clone.addresses.map(address => safe(address)).join(' and ')}, ${ago(clone.at)}. ` +
  'Remove node.keys and membership.json on one of them and join it again.';

const rowOf = (node: NodeView): string[] => [
  safe(node.name, 24),
  shortId(node.nodeId),
  node.state,
  safe(node.labels.join(','), 24),
  safe(node.arch, 8),
  String(node.sandboxLevel),
  grouped(node.slots),
  grouped(node.out),
  grouped(node.validated),
  grouped(node.errors + node.disagreed),
  grouped(Math.round(node.credit)),
  ago(node.heardAt),
];
