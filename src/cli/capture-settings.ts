// `volley capture settings`: sets an action on many nodes by one command, and shows what holds on each.

import {setTimeout as sleep} from 'node:timers/promises';
import {EXIT} from '../base/errors.ts';
import {compareNames} from '../base/text.ts';
import type {NodeId} from '../base/types.ts';
import {type ActionSettings, differingSettings, faultOfSettings} from '../core/action-settings.ts';
import type {ActionView, NodeView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import type {Target} from '../wire/message.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';
import {isMeant, knownBy, SELECT_OPTION, targetOf} from './target.ts';

/** A camera may have to start anew to take them. */
const WAIT_MS = 45_000;
const LOOK_MS = 100;

export const captureSettingsCommand: CommandSpec = {
  name: 'capture settings',
  args: '<action> [...changes]',
  summary: 'Set an action on many nodes at once: exposure, gain, focus …; show what holds',
  options: [SELECT_OPTION, ...OPERATOR_OPTIONS],
  examples: [
    'volley capture settings camera                        # what holds, and what differs',
    'volley capture settings camera shutter=2000 gain=1.5 awb=daylight',
    'volley capture settings camera --select "label=ring[1-2]" lens-position=2.5',
    'volley capture settings camera gain=                  # back to its own default',
  ],
  run,
};

export type SetOn = {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly state: 'set' | 'refused' | 'silent' | 'known' | 'off';
  readonly settings: ActionSettings;
  readonly reason: string;
};

async function run(given: Given): Promise<number> {
  const [action = '', ...words] = given.args;
  const changes = changesOf(words);
  const rows = await withClient(given, async client => {
    const nodes = await client.nodes();
    const select = given.texts('select');
    if (words.length === 0) return shown(action, nodes, knownBy(select, nodes));
    const target = targetOf(select, nodes);
    const {settingsId, nodes: asked} = await client.setAction({action, settings: changes, target});
    return answersTo(client, action, settingsId, asked);
  });
  if (rows.length === 0) throw usage(`no node allows the action "${safe(action)}"`);
  const differing = differingSettings(
    rows.filter(({state}) => state !== 'off').map(({settings}) => settings),
  );
  if (given.flag('json')) printJson({action, nodes: rows, differing});
  else show(rows, differing);
  return rows.some(({state}) => state === 'refused' || state === 'silent') ? EXIT.failed : EXIT.ok;
}

function changesOf(words: readonly string[]): ActionSettings {
  const changes: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 1) throw usage(`"${safe(word)}" is no name=value`);
    const name = word.slice(0, at);
    if (Object.hasOwn(changes, name)) throw usage(`"${safe(name)}" is given twice: which is it?`);
    changes[name] = word.slice(at + 1);
  }
  const fault = faultOfSettings(changes);
  if (fault !== undefined) throw usage(fault);
  return changes;
}

const stateOf = (node: NodeView | undefined, action: string): ActionView | undefined =>
  node?.actionStates?.find(known => known.action === action);

function shown(action: string, nodes: readonly NodeView[], target: Target): SetOn[] {
  return nodes
    .filter(node => node.state !== 'revoked' && node.actions.includes(action))
    .filter(node => isMeant(target, node))
    .map(node => {
      const told = stateOf(node, action);
      const {nodeId, name} = node;
      const settings = told?.settings ?? {};
      return {nodeId, name, state: told ? 'known' : 'off', settings, reason: told?.error ?? ''};
    });
}

/** Waits until each that was asked has told, or the time is over. */
export async function answersTo(
  client: OperatorClient,
  action: string,
  settingsId: number,
  asked: readonly NodeId[],
): Promise<SetOn[]> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const nodes = await client.nodes();
    const rows = asked.map((nodeId): SetOn => {
      const node = nodes.find(known => known.nodeId === nodeId);
      const told = stateOf(node, action);
      const name = node?.name ?? nodeId;
      const settings = told?.settings ?? {};
      if (told?.settingsId !== settingsId) {
        const reason = `it has not told within ${WAIT_MS / 1_000} s; look with \`volley capture actions\``;
        return {nodeId, name, state: 'silent', settings, reason};
      }
      const state = told.refusal === '' ? 'set' : 'refused';
      return {nodeId, name, state, settings, reason: told.refusal};
    });
    if (waitedMs >= WAIT_MS || rows.every(({state}) => state !== 'silent')) return rows;
    await sleep(LOOK_MS);
  }
}

function show(rows: readonly SetOn[], differing: readonly string[]): void {
  const names = [...new Set(rows.flatMap(({settings}) => Object.keys(settings)))].sort();
  const columns = [
    {title: 'node'},
    {title: 'state'},
    ...names.map(name => ({
      title: safe(name, 24) + (differing.includes(name) ? ' (differs)' : ''),
    })),
    {title: 'why'},
  ];
  const cells = [...rows]
    .sort((a, b) => compareNames(a.name, b.name))
    .map(({name, state, settings, reason}) => [
      safe(name, 24),
      state,
      ...names.map(key => safe(settings[key] ?? '-', 24)),
      safe(reason, 120) || '-',
    ]);
  for (const line of tableLines(columns, cells)) print(line);
  if (differing.length > 0)
    print(`\nNodes differ in ${differing.map(name => safe(name)).join(', ')}.`);
}
