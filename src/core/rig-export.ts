// The cluster as it is, as a rig: nodes with equal labels folded into node sets, and the settings that all
// nodes of an action have told alike. What cannot be said in a rig file is a note. Pure.

import {compareNames} from '../base/text.ts';
import type {ActionSettings} from './action-settings.ts';
import {differingSettings} from './action-settings.ts';
import {foldNodeSets, isNodeSet} from './node-set.ts';
import type {NodeView} from './views.ts';

/** As in the file. */
export type RigEntry = {
  /** A node set, or with an id one name. */
  readonly name: string;
  readonly id?: string;
  readonly labels: readonly string[];
  readonly action?: string;
};

export type ExportedRig = {
  readonly nodes: readonly RigEntry[];
  readonly actions: Readonly<Record<string, ActionSettings>>;
  /** One line each. */
  readonly notes: readonly string[];
};

/** What captures fire: `action+files` and images are for exec apps. */
export const isFired = (action: string): boolean => /^[a-z][a-z0-9-]*$/.test(action);

/** Every node has it, so it says nothing of what a node is for. */
const EVERYWHERE = 'testcard';
/** A note names so many values. */
const VALUES_MAX = 8;

export function exportRig(views: readonly NodeView[]): ExportedRig {
  const present = views.filter(({state}) => state !== 'revoked');
  const sorted = [...present].sort((a, b) => compareNames(a.name, b.name));
  const notes: string[] = [];
  const actions: Record<string, ActionSettings> = {};
  const fired = new Set(sorted.flatMap(view => view.actions.filter(isFired)));
  for (const action of [...fired].sort()) {
    const settings = settingsOf(action, sorted, notes);
    if (Object.keys(settings).length > 0) actions[action] = settings;
  }
  return {nodes: entriesOf(sorted), actions, notes};
}

/** The one that the node is there for, if that is plain. */
function actionOf({actions}: NodeView): string | undefined {
  const own = actions.filter(action => isFired(action) && action !== EVERYWHERE);
  return own.length === 1 ? own[0] : undefined;
}

function entriesOf(views: readonly NodeView[]): readonly RigEntry[] {
  const counts = new Map<string, number>();
  for (const {name} of views) counts.set(name, (counts.get(name) ?? 0) + 1);
  const groups = new Map<
    string,
    {readonly names: string[]; readonly rest: Omit<RigEntry, 'name'>}
  >();
  for (const view of views) {
    const {name, nodeId} = view;
    const action = actionOf(view);
    const isPlain = counts.get(name) === 1 && !isNodeSet(name);
    const rest = {
      ...(isPlain ? {} : {id: nodeId}),
      labels: [...new Set(view.labels)].sort(),
      ...(action === undefined ? {} : {action}),
    };
    const key = JSON.stringify(rest);
    const group = groups.get(key);
    if (group) group.names.push(name);
    else groups.set(key, {names: [name], rest});
  }
  return [...groups.values()].flatMap(({names, rest}) =>
    (rest.id === undefined ? foldNodeSets(names) : names).map(name => ({name, ...rest})),
  );
}

/** What all of them told alike; the rest is noted. */
function settingsOf(action: string, views: readonly NodeView[], notes: string[]): ActionSettings {
  const isMeant = (view: NodeView): boolean => (actionOf(view) ?? action) === action;
  const up = views.filter(view => view.state === 'up' && view.actions.includes(action));
  const told = up.filter(isMeant).map(({name, actionStates = []}) => ({
    name,
    settings: actionStates.find(known => known.action === action)?.settings,
  }));
  const all = told.map(({settings = {}}) => settings);
  const differing = differingSettings(all);
  if (told.some(({settings}) => settings && Object.keys(settings).length > 0))
    for (const {name, settings} of told)
      if (settings === undefined) notes.push(`${action}: ${name} has told nothing of it yet`);
  for (const setting of differing) {
    const values = told.map(({name, settings = {}}) => `${name} ${settings[setting] ?? '-'}`);
    const more = values.length > VALUES_MAX ? ` and ${values.length - VALUES_MAX} more` : '';
    notes.push(`${action}: ${setting} differs: ${values.slice(0, VALUES_MAX).join(', ')}${more}`);
  }
  const alike = Object.entries(all[0] ?? {}).filter(
    ([setting, value]) => value !== '' && !differing.includes(setting),
  );
  return Object.fromEntries(alike);
}
