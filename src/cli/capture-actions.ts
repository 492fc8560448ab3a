// `volley capture actions`: which node allows which action, and how it is.

import {EXIT} from '../base/errors.ts';
import {compareNames} from '../base/text.ts';
import {isFired} from '../core/rig-export.ts';
import type {ActionView, NodeView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {millis, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';
import {isMeant, knownBy, SELECT_OPTION} from './target.ts';

export const captureActionsCommand: CommandSpec = {
  name: 'capture actions',
  summary: 'Show which node allows which action, whether it is armed, and what is wrong',
  options: [SELECT_OPTION, ...OPERATOR_OPTIONS],
  examples: [
    'volley capture actions',
    'volley capture actions --select "cam-[01-12]"',
    `volley capture actions --json | jq '.actions[] | select(.error != "")'`,
  ],
  run,
};

type Row = Pick<NodeView, 'nodeId' | 'name' | 'state'> & {
  readonly action: string;
  /** undefined = the node has told nothing of it: nobody asked for it yet. */
  readonly told: ActionView | undefined;
};

const COLUMNS = [
  {title: 'node'},
  {title: 'action'},
  {title: 'state'},
  {title: 'model'},
  {title: 'warm-up ms', right: true},
  {title: 'sensor ms', right: true},
  {title: 'settings'},
  {title: 'last error'},
];

async function run(given: Given): Promise<number> {
  const nodes = await withClient(given, client => client.nodes());
  const meant = knownBy(given.texts('select'), nodes);
  const rows = rowsOf(nodes.filter(node => isMeant(meant, node)));
  if (given.flag('json')) printJson({actions: rows.map(jsonOf)});
  else for (const line of tableLines(COLUMNS, rows.map(cellsOf))) print(line);
  return EXIT.ok;
}

function rowsOf(nodes: readonly NodeView[]): Row[] {
  const present = nodes.filter(({state}) => state !== 'revoked');
  present.sort((a, b) => compareNames(a.name, b.name));
  return present.flatMap(({nodeId, name, state, actions, actionStates = []}) =>
    actions.filter(isFired).map(action => {
      const told = actionStates.find(known => known.action === action);
      return {nodeId, name, state, action, told};
    }),
  );
}

const errorOf = (told: ActionView | undefined): string => told?.error || told?.refusal || '';

function jsonOf({nodeId, name, state, action, told}: Row): object {
  return {
    nodeId,
    name,
    node: state,
    action,
    phase: told?.phase ?? 'off',
    model: told?.model ?? '',
    warmUpMs: told?.warmUpMs ?? 0,
    sensorPeriodMs: told?.sensorPeriodMs ?? 0,
    settings: told?.settings ?? {},
    error: errorOf(told),
  };
}

function cellsOf({name, state, action, told}: Row): string[] {
  const settings = Object.entries(told?.settings ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    safe(name, 24),
    safe(action, 32),
    state === 'up' ? (told?.phase ?? 'off') : state,
    safe(told?.model ?? '', 24) || '-',
    told && told.warmUpMs > 0 ? millis(told.warmUpMs) : '-',
    told && told.sensorPeriodMs > 0 ? millis(told.sensorPeriodMs) : '-',
    safe(settings.join(' '), 60) || '-',
    safe(errorOf(told), 80) || '-',
  ];
}
