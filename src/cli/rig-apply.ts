// `volley rig apply`: gives the nodes of a rig file their labels, and sets their actions by one command each.

import {EXIT, VolleyError} from '../base/errors.ts';
import type {NodeId} from '../base/types.ts';
import type {LabelOrder, SettingsOrder} from '../core/rig-plan.ts';
import type {OperatorClient} from '../http/client.ts';
import type {Target} from '../wire/message.ts';
import {answersTo, type SetOn} from './capture-settings.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe} from './output.ts';
import {nodesFor, readRigArgument, sameText} from './rig-diff.ts';

export const rigApplyCommand: CommandSpec = {
  name: 'rig apply',
  args: '<file>',
  summary: 'Give nodes the labels of a rig file and set their actions; show what differs then',
  options: [
    {flag: '--dry-run', text: 'show what it would do, and do nothing'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley rig apply rig.yml --dry-run',
    'volley rig apply rig.yml            # exit code 1 when something differs even then',
  ],
  run,
};

/** Room of a command for action, settings and ids, and what an id takes of it. */
const COMMAND_BYTES = 850;
const ID_BYTES = 18;

type Failure = {readonly nodeId: NodeId; readonly name: string; readonly reason: string};

async function run(given: Given): Promise<number> {
  const rig = await readRigArgument(given);
  const dryRun = given.flag('dry-run');
  const {differencesOf, ordersOf} = await import('../core/rig-plan.ts');
  const done = await withClient(given, async client => {
    const views = await nodesFor(rig, client);
    const orders = ordersOf(rig, views);
    if (dryRun) return {orders, failures: [], left: differencesOf(rig, views)};
    const failures = await label(client, orders.labels);
    for (const order of orders.settings) failures.push(...(await set(client, order)));
    return {orders, failures, left: differencesOf(rig, await client.nodes())};
  });
  const {orders, failures, left} = done;
  const code = dryRun || left.length === 0 ? EXIT.ok : EXIT.failed;
  if (given.flag('json')) {
    printJson({rig: rig.name, dryRun, ...orders, failures, differences: left});
    return code;
  }
  const {differenceLines, labelLines, settingsLine} = await import('./rig-table.ts');
  const lines = [...labelLines(orders.labels), ...orders.settings.map(settingsLine)];
  for (const line of lines) print(dryRun ? `would set ${line}` : `set ${line}`);
  for (const {name, reason} of failures) print(`failed on ${safe(name, 24)}: ${safe(reason, 240)}`);
  if (lines.length === 0) print('Nothing to change.');
  if (left.length === 0) print(`${sameText(rig, rig.path)}.`);
  else if (!dryRun || lines.length === 0)
    for (const line of ['', ...differenceLines(left)]) print(line);
  return code;
}

/** What the master refuses for one node is no reason to leave the others without. */
async function label(client: OperatorClient, orders: readonly LabelOrder[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const {nodeId, name, add, remove} of orders)
    try {
      await client.labelNode(nodeId, add, remove);
    } catch (error) {
      if (!(error instanceof VolleyError) || error.code !== 'VOLLEY_USAGE') throw error;
      failures.push({nodeId, name, reason: error.message});
    }
  return failures;
}

async function set(client: OperatorClient, order: SettingsOrder): Promise<Failure[]> {
  const {action, settings} = order;
  const failures: Failure[] = [];
  for (const target of targetsOf(order)) {
    const {settingsId, nodes} = await client.setAction({action, settings, target});
    const rows = await answersTo(client, action, settingsId, nodes);
    failures.push(...rows.filter(hasFailed).map(failureOf));
  }
  return failures;
}

const hasFailed = ({state}: SetOn): boolean => state !== 'set';
const failureOf = ({nodeId, name, reason}: SetOn): Failure => ({nodeId, name, reason});

/** Everybody, where nobody else has the action; else ids, as many at once as a packet has room for. */
function targetsOf({action, settings, nodes, isForAll}: SettingsOrder): readonly Target[] {
  const ids = nodes.map(({nodeId}) => nodeId);
  if (isForAll) return [{labels: [], nodes: []}];
  const room = COMMAND_BYTES - action.length - JSON.stringify(settings).length;
  const atOnce = Math.floor(room / ID_BYTES);
  return Array.from({length: Math.ceil(ids.length / atOnce)}, (_, i) => {
    return {labels: [], nodes: ids.slice(i * atOnce, (i + 1) * atOnce)};
  });
}
