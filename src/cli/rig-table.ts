// Differences between a rig file and the cluster, and what an apply does, as lines for people.

import {foldNodeSets, isNodeSet} from '../core/node-set.ts';
import type {Difference, LabelOrder, SettingsOrder} from '../core/rig-plan.ts';
import {counted, safe} from './output.ts';
import {tableLines} from './table.ts';

const COLUMNS = [
  {title: 'nodes'},
  {title: 'what'},
  {title: 'in the file'},
  {title: 'in the cluster'},
];
const NAMES_CHARS_MAX = 60;

/** Nodes that differ alike share a line. */
export function differenceLines(differences: readonly Difference[]): string[] {
  if (differences.length === 0) return [];
  const groups = new Map<string, {readonly names: string[]; readonly cells: readonly string[]}>();
  for (const {kind, name, key, wanted, found} of differences) {
    const what = kind === 'setting' ? key : `${kind} ${key}`.trimEnd();
    const cells = [safe(what, 60), safe(wanted, 48) || '-', safe(found, 48) || '-'];
    const group = groups.get(JSON.stringify(cells));
    if (group) group.names.push(name);
    else groups.set(JSON.stringify(cells), {names: [name], cells});
  }
  const rows = [...groups.values()].map(({names, cells}) => [foldedNames(names), ...cells]);
  return [...tableLines(COLUMNS, rows), '', `${counted(differences.length, 'difference')}.`];
}

export function foldedNames(names: readonly string[]): string {
  const plain = names.filter(name => !isNodeSet(name));
  const odd = names.filter(isNodeSet).map(name => JSON.stringify(name));
  return safe([...foldNodeSets(plain), ...odd].join(','), NAMES_CHARS_MAX);
}

/** `cam-[01-12]: labels +ring1 -old` */
export function labelLines(orders: readonly LabelOrder[]): string[] {
  const groups = new Map<string, string[]>();
  for (const {name, add, remove} of orders) {
    const signed = [...add.map(label => `+${label}`), ...remove.map(label => `-${label}`)];
    const text = safe(signed.join(' '), 120);
    groups.set(text, [...(groups.get(text) ?? []), name]);
  }
  return [...groups].map(([text, names]) => `${foldedNames(names)}: labels ${text}`);
}

/** `cam-[01-12]: camera gain=1.5` */
export function settingsLine({action, settings, nodes}: SettingsOrder): string {
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `${foldedNames(nodes.map(({name}) => name))}: ${action} ${safe(words.join(' '), 240)}`;
}
