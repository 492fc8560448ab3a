// A rig: what its operator wants of its nodes, their labels and the settings of their actions. Held against
// what the cluster has it gives differences, and of these what can be done about them. Pure: the file is read by
// cli/rig-file.ts.
//
// What a file does not say is nobody's fault: labels and settings that it leaves out are left alone, and so are
// labels that a node says of itself; only labels that an operator gave are taken away again.

import type {NodeId} from '../base/types.ts';
import type {ActionSettings} from './action-settings.ts';
import type {NodeView} from './views.ts';

/** Metres, and degrees about the vertical; what was not given is absent. */
export type Position = {
  readonly x?: number;
  readonly y?: number;
  readonly z?: number;
  readonly angle?: number;
};

export type RigNode = {
  readonly name: string;
  /** Hex, small letters: the beginning of its id. */
  readonly id?: string;
  /** Absent = whatever it has. */
  readonly labels?: readonly string[];
  /** Which of the actions it has; absent = all that it allows. */
  readonly action?: string;
  readonly position?: Position;
};

export type Rig = {
  readonly name: string;
  readonly nodes: readonly RigNode[];
  readonly actions: ReadonlyMap<string, ActionSettings>;
};

export type Difference = {
  readonly kind:
    | 'missing'
    | 'ambiguous'
    | 'surplus'
    | 'down'
    | 'name'
    | 'label'
    | 'action'
    | 'setting';
  readonly name: string;
  /** '' = no node of the cluster is meant. */
  readonly nodeId: NodeId | '';
  /** Of a setting: action and name; of an action: its name. */
  readonly key: string;
  /** '' = it should not be there. */
  readonly wanted: string;
  /** '' = it is not there. */
  readonly found: string;
};

type Known = Pick<NodeView, 'nodeId' | 'name'>;

/** Whose node is whose; undefined = there is none, a number = so many are meant. */
export function matched<T extends Known>(
  nodes: readonly RigNode[],
  known: readonly T[],
): readonly (T | number | undefined)[] {
  const byId = nodes.map(({id}) => id && known.filter(({nodeId}) => nodeId.startsWith(id)));
  const taken = new Set(byId.flatMap(found => (found ? found.map(({nodeId}) => nodeId) : [])));
  const byName = new Map<string, T[]>();
  for (const node of known) {
    if (taken.has(node.nodeId)) continue;
    byName.set(node.name, [...(byName.get(node.name) ?? []), node]);
  }
  return nodes.map(({name}, i) => {
    const found = byId[i] || (byName.get(name) ?? []);
    return found.length > 1 ? found.length : found[0];
  });
}

type Pair = {readonly wanted: RigNode; readonly view: NodeView};

const pairsOf = (rig: Rig, views: readonly NodeView[]): readonly Pair[] => {
  const found = matched(rig.nodes, views);
  return rig.nodes.flatMap((wanted, i) => {
    const view = found[i];
    return typeof view === 'object' ? [{wanted, view}] : [];
  });
};

const present = (views: readonly NodeView[]): readonly NodeView[] =>
  views.filter(({state}) => state !== 'revoked');

/** In the order of the file; what the file does not name comes last. */
export function differencesOf(rig: Rig, views: readonly NodeView[]): readonly Difference[] {
  const here = present(views);
  const found = matched(rig.nodes, here);
  const named = new Set(found.flatMap(view => (typeof view === 'object' ? [view.nodeId] : [])));
  const ofNodes = rig.nodes.flatMap((wanted, i): readonly Difference[] => {
    const view = found[i];
    const none = {name: wanted.name, nodeId: '' as const, key: '', wanted: 'a node'};
    if (view === undefined) return [{...none, kind: 'missing', found: ''}];
    if (typeof view === 'number')
      return [{...none, kind: 'ambiguous', found: `${view} nodes: give the id`}];
    return nodeDifferences(rig, {wanted, view});
  });
  const surplus = here
    .filter(({nodeId}) => !named.has(nodeId))
    .filter(view => !found.some((one, i) => typeof one === 'number' && isOf(rig.nodes[i], view)))
    .map(({name, nodeId}): Difference => {
      return {kind: 'surplus', name, nodeId, key: '', wanted: '', found: 'a node'};
    });
  return [...ofNodes, ...surplus];
}

const isOf = (wanted: RigNode | undefined, view: Known): boolean =>
  wanted?.id === undefined ? view.name === wanted?.name : view.nodeId.startsWith(wanted.id);

function nodeDifferences(rig: Rig, pair: Pair): readonly Difference[] {
  const {wanted, view} = pair;
  const about = {name: view.name, nodeId: view.nodeId, key: ''};
  const differences: Difference[] = [];
  if (view.name !== wanted.name)
    differences.push({...about, kind: 'name', wanted: wanted.name, found: view.name});
  const {add, remove} = labelsOf(pair);
  for (const label of add) differences.push({...about, kind: 'label', wanted: label, found: ''});
  for (const label of remove) differences.push({...about, kind: 'label', wanted: '', found: label});
  if (view.state !== 'up')
    return [...differences, {...about, kind: 'down', wanted: 'up', found: view.state}];
  const {action} = wanted;
  if (action !== undefined && !view.actions.includes(action))
    differences.push({...about, kind: 'action', key: action, wanted: 'allowed', found: ''});
  for (const [name, settings] of rig.actions)
    if (isSetBy(pair, name)) differences.push(...settingDifferences(view, name, settings));
  return differences;
}

function labelsOf({wanted, view}: Pair): {
  readonly add: readonly string[];
  readonly remove: readonly string[];
} {
  const {labels} = wanted;
  if (labels === undefined) return {add: [], remove: []};
  return {
    add: labels.filter(label => !view.labels.includes(label)),
    remove: (view.givenLabels ?? []).filter(label => !labels.includes(label)),
  };
}

const isSetBy = ({wanted, view}: Pair, action: string): boolean =>
  (wanted.action ?? action) === action && view.actions.includes(action);

function settingDifferences(
  {name, nodeId, actionStates = []}: NodeView,
  action: string,
  settings: ActionSettings,
): readonly Difference[] {
  const told = actionStates.find(known => known.action === action);
  return Object.entries(settings).flatMap(([setting, wanted]): Difference[] => {
    const holds = told?.settings[setting];
    if (holds !== undefined && isSame(holds, wanted)) return [];
    const found = told === undefined ? 'not told yet' : (holds ?? '');
    return [{kind: 'setting', name, nodeId, key: `${action} ${setting}`, wanted, found}];
  });
}

const NUMBER = /^-?\d+(\.\d+)?$/;

/** 1.5 is 1.50: programs write numbers in their own way. */
const isSame = (a: string, b: string): boolean =>
  a === b || (NUMBER.test(a) && NUMBER.test(b) && Number(a) === Number(b));

export type LabelOrder = Known & {
  readonly add: readonly string[];
  readonly remove: readonly string[];
};
export type SettingsOrder = {
  readonly action: string;
  readonly settings: ActionSettings;
  /** All that have the action and are up, also those that differ in nothing. */
  readonly nodes: readonly Known[];
  /** Nobody else has the action, so that a command to everybody does it. */
  readonly isForAll: boolean;
};

/** What makes the cluster as the rig is wanted, as far as anybody but an owner can. */
export function ordersOf(
  rig: Rig,
  views: readonly NodeView[],
): {readonly labels: readonly LabelOrder[]; readonly settings: readonly SettingsOrder[]} {
  const here = present(views);
  const pairs = pairsOf(rig, here);
  const labels = pairs
    .map(pair => ({nodeId: pair.view.nodeId, name: pair.view.name, ...labelsOf(pair)}))
    .filter(({add, remove}) => add.length + remove.length > 0);
  const settings = [...rig.actions].flatMap(([action, wanted]): SettingsOrder[] => {
    const meant = pairs.filter(pair => isSetBy(pair, action)).map(({view}) => view);
    const up = meant.filter(({state}) => state === 'up');
    if (up.every(view => settingDifferences(view, action, wanted).length === 0)) return [];
    const nodes = up.map(({nodeId, name}) => ({nodeId, name}));
    const isForAll = here.every(view => meant.includes(view) || !view.actions.includes(action));
    return [{action, settings: wanted, nodes, isForAll}];
  });
  return {labels, settings};
}

/** Where each of these nodes stands, by id; a name that several of them have says nothing. */
export function positionsOf(rig: Rig, known: readonly Known[]): ReadonlyMap<NodeId, Position> {
  const found = matched(rig.nodes, known);
  const positions = new Map<NodeId, Position>();
  rig.nodes.forEach(({position}, i) => {
    const node = found[i];
    if (typeof node === 'object' && position) positions.set(node.nodeId, position);
  });
  return positions;
}
