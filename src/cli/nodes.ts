// `volley nodes`: who belongs to the cluster and how they do.

import {compareNames} from '../base/text.ts';
import type {NodeView, StatusView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {ago, grouped, instant, print, printJson, safe, shortId, tell} from './output.ts';
import {stateOf} from './status.ts';
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
  {title: 'speed', right: true},
  {title: 'running', right: true},
  {title: 'validated', right: true},
  {title: 'errors', right: true},
  {title: 'credit', right: true},
  {title: 'heard'},
];

async function runNodes(given: Given): Promise<undefined> {
  const {nodes, status} = await withClient(given, async client => ({
    nodes: await client.nodes(),
    status: await client.status(),
  }));
  const {alarms, state} = status;
  for (const {text, advice} of alarms) tell(`volley: alarm: ${safe(text, 300)}; ${advice}`);
  if (given.flag('json')) printJson({nodes, alarms, state});
  else if (nodes.length === 0)
    print('No node has joined yet. `volley nodes token` makes a token for `volley node --join`.');
  else {
    for (const line of tableLines(COLUMNS, sorted(nodes).map(rowOf))) print(line);
    for (const line of remarksOn(nodes, status)) print(line);
  }
  return undefined;
}

/** What the table has no place for. */
function remarksOn(nodes: readonly NodeView[], status: StatusView): string[] {
  const {state} = status;
  const cluster = `The cluster is ${stateOf(status)}.${lateOf(nodes, state)}`;
  const held = sorted(nodes).flatMap(node => (node.heldBy === '' ? [] : [heldLine(node)]));
  const clones = nodes.flatMap(({name, clone}) => (clone ? [cloneLine(name, clone)] : []));
  return [
    ...(state.generation > 0 ? [cluster] : []),
    ...sorted(nodes).flatMap(whyOf),
    ...held,
    ...clones,
  ];
}

const sorted = (nodes: readonly NodeView[]): NodeView[] =>
  [...nodes].sort((a, b) => compareNames(a.name, b.name));

/** Who is up and has not taken the state of the cluster yet. */
function lateOf(nodes: readonly NodeView[], {generation}: StatusView['state']): string {
  const late = nodes.filter(
    ({state, stateGeneration = 0}) => state === 'up' && stateGeneration < generation,
  );
  return late.length === 0 ? '' : ` Not yet: ${late.map(({name}) => safe(name, 24)).join(', ')}.`;
}

/** Why a node gets no work. */
export function whyOf({name, hold, benches = []}: NodeView): string[] {
  const head = safe(name, 24);
  const lines = benches.map(
    ({app, reason, until}) =>
      `${head}: quarantined for ${safe(app, 24)}: ${safe(reason, 128)}; it may show that it is right ` +
      (until > Date.now() ? `again from ${instant(until)} UTC` : 'again now'),
  );
  if (hold === undefined) return lines;
  const reason = hold.reason === '' ? '' : `: ${safe(hold.reason, 256)}`;
  return [`${head}: ${hold.kind} by ${safe(hold.by)}, ${ago(hold.at)}${reason}`, ...lines];
}

/** `2/4`: of four slots two may run. */
const slotsOf = ({slots, allowed}: NodeView): string =>
  allowed === slots ? grouped(slots) : `${grouped(allowed)}/${grouped(slots)}`;

const heldLine = ({name, heldBy, cpuPercent}: NodeView): string =>
  `${safe(name, 24)}: ${safe(heldBy)}${cpuPercent < 100 ? `; ${cpuPercent} % of the time` : ''}`;

/** Two machines with one key. */
const cloneLine = (name: string, clone: NonNullable<NodeView['clone']>): string =>
  `${safe(name, 24)}: clone suspected, two machines have its key (a copied SD card?): ` +
  `${clone.addresses.map(address => safe(address)).join(' and ')}, ${ago(clone.at)}. ` +
  'Remove node.keys and membership.json on one of them and join it again.';

const conditionOf = ({state, hold, benches}: NodeView): string => {
  if (state !== 'up') return state;
  return hold?.kind ?? (benches ? 'up, quarantined' : state);
};

const rowOf = (node: NodeView): string[] => [
  safe(node.name, 24),
  shortId(node.nodeId),
  conditionOf(node),
  safe(node.labels.join(','), 24),
  safe(node.arch, 8),
  String(node.sandboxLevel),
  slotsOf(node),
  node.speed === 0 ? '' : grouped(Math.round(node.speed / 1_000)),
  grouped(node.out),
  grouped(node.validated),
  grouped(node.errors + node.disagreed),
  grouped(Math.round(node.credit)),
  ago(node.heardAt),
];
