// `volley status`: the cluster in a few lines. And `volley suspend`, `volley resume`: all nodes at once, by one packet.

import {setTimeout as wait} from 'node:timers/promises';
import type {StatusView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {ago, duration, grouped, print, printJson, safe} from './output.ts';

export const statusCommand: CommandSpec = {
  name: 'status',
  summary: 'Show the cluster in a few lines',
  options: OPERATOR_OPTIONS,
  examples: ['volley status', 'volley status --json'],
  run: status,
};

export const suspendCommand: CommandSpec = {
  name: 'suspend',
  summary: 'Suspend computing on all nodes, with one packet; captures still fire',
  options: [{flag: '--reason <text>', text: 'why, for whoever looks later'}, ...OPERATOR_OPTIONS],
  examples: [
    'volley suspend --reason "the fuse does not hold"',
    'volley nodes                     # who has not taken it yet',
  ],
  run: given => pause(given, true),
};

export const resumeCommand: CommandSpec = {
  name: 'resume',
  summary: 'Resume computing on all nodes',
  options: OPERATOR_OPTIONS,
  examples: ['volley resume'],
  run: given => pause(given, false),
};

async function status(given: Given): Promise<undefined> {
  const view = await withClient(given, client => client.status());
  if (given.flag('json')) printJson(view);
  else for (const line of linesOf(view)) print(line);
  return undefined;
}

/** Nodes answer within a heartbeat; who has not by then is named by its absence. */
const PATIENCE_MS = 3_000;
const LOOK_MS = 50;

async function pause(given: Given, paused: boolean): Promise<undefined> {
  const reason = given.text('reason') ?? '';
  const view = await withClient(given, async client => {
    const asked = await (paused ? client.suspend(reason) : client.resume(reason));
    return taken(client, asked);
  });
  if (given.flag('json')) printJson(view);
  else print(stateOf(view));
  return undefined;
}

async function taken(client: OperatorClient, asked: StatusView): Promise<StatusView> {
  const {generation} = asked.state;
  let view = asked;
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; ) {
    if (view.state.generation !== generation || view.state.taken >= view.nodes.up) break;
    await wait(LOOK_MS);
    view = await client.status();
  }
  return view;
}

export function stateOf({state, nodes}: StatusView): string {
  if (state.generation === 0) return 'computing';
  const reason = state.reason === '' ? '' : `: ${safe(state.reason, 256)}`;
  const what = state.paused ? 'suspended' : 'resumed';
  return (
    `${what} by ${safe(state.by)}, ${ago(state.at)}${reason}; ` +
    `${grouped(state.taken)} of ${grouped(nodes.up)} nodes that are up have taken it`
  );
}

function linesOf(view: StatusView): string[] {
  const {nodes, batches, forgotten, space} = view;
  const rows: [string, string][] = [
    ['computing', stateOf(view)],
    ['nodes', `${grouped(nodes.up)} up of ${grouped(nodes.known)}, ${grouped(nodes.slots)} slots`],
    ['batches', `${grouped(batches.running)} running of ${grouped(batches.total)}`],
    ['master', `${view.version}, epoch ${view.epoch}, up ${duration(Date.now() - view.startedAt)}`],
    ['disk', `${grouped(Math.floor(space.free / 2 ** 20))} MiB free${space.full ? ': full' : ''}`],
  ];
  if (forgotten.nodes > 0)
    rows.push([
      'forgotten',
      `${grouped(forgotten.nodes)} nodes, which earned ${grouped(Math.round(forgotten.credit))} credit`,
    ]);
  for (const {text, advice} of view.alarms) rows.push(['alarm', `${safe(text, 300)}; ${advice}`]);
  return rows.map(([label, value]) => label.padEnd(11) + value);
}
