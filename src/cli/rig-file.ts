// Reads `rig.yml`: which nodes there are, their labels and places, the settings of their actions, and what
// `volley capture --rig` takes where a flag is not given. Whatever is wrong is told with its line, before
// anything is asked or changed.

import {readFile, stat} from 'node:fs/promises';
import {VolleyError} from '../base/errors.ts';
import {nearest} from '../base/nearest.ts';
import {MIB} from '../base/units.ts';
import {type ActionSettings, faultOfSettings} from '../core/action-settings.ts';
import {neededOf} from '../core/needed-nodes.ts';
import {expandNodeSet, isNodeSet, NODE_SET_MAX} from '../core/node-set.ts';
import type {Position, Rig, RigNode} from '../core/rig-plan.ts';
import type {NodeView} from '../core/views.ts';
import {ACTION_NAME, faultOfName} from '../io/config.ts';
import {GIVEN_LABELS_MAX, LABELS_MAX, SHOTS_PER_CAPTURE_MAX} from '../wire/limits.ts';
import {stepsOf} from './capture-step.ts';
import {burstOf} from './capture-times.ts';
import {Given, usage} from './command.ts';
import {safe} from './output.ts';
import {badLine, type Entry, type Lined, parseYaml} from './yaml-lines.ts';

const FILE_BYTES_MAX = MIB;
const RIG_KEYS = ['rig', 'nodes', 'actions', 'capture'];
const NODE_KEYS = ['name', 'id', 'labels', 'action', 'position'];
const POSITION_KEYS = ['x', 'y', 'z', 'angle'] as const;
/** Flags of `volley capture` that a file may give. */
const CAPTURE_KEYS = [
  ...['action', 'at', 'now', 'require', 'tolerance', 'select'],
  ...['shots', 'every', 'burst', 'sweep', 'step', 'arg', 'layout'],
];
const LISTS = ['select', 'arg', 'step'];
const TIMES = ['at', 'every', 'sweep', 'tolerance'];
const ID = /^[0-9a-f]{4,32}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

export type RigFile = Rig & {
  readonly path: string;
  /** Texts of flags of `volley capture`, by their names. */
  readonly capture: ReadonlyMap<string, readonly string[]>;
  /** Where each setting is, by its action and name with a blank between. */
  readonly settingLines: ReadonlyMap<string, number>;
};

/** Throws VOLLEY_BAD_CONFIG with file and line, VOLLEY_INPUT_MISSING and VOLLEY_TOO_LARGE. */
export async function readRig(path: string): Promise<RigFile> {
  try {
    const {size} = await stat(path);
    if (size > FILE_BYTES_MAX)
      throw new VolleyError('VOLLEY_TOO_LARGE', {what: path, size, limit: FILE_BYTES_MAX});
    const text = await readFile(path, 'utf8');
    return parseRig(text, path);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason: error.message}, error);
  }
}

/** @param path for errors only */
export function parseRig(text: string, path: string): RigFile {
  return new RigReader(path).read(parseYaml(text, path));
}

/** Refuses what is likely a typo of a setting, unless a node has it. */
export function checkSettingNames(
  {actions, settingLines, path}: RigFile,
  names: ReadonlyMap<string, readonly string[]>,
  views: readonly NodeView[],
): void {
  for (const [action, settings] of actions)
    for (const setting of Object.keys(settings)) {
      const known = names.get(action) ?? [];
      const isHeld = views.some(({actionStates = []}) =>
        actionStates.some(told => told.action === action && setting in told.settings),
      );
      const near = known.includes(setting) || isHeld ? undefined : nearest(setting, known);
      if (near === undefined) continue;
      const line = settingLines.get(`${action} ${setting}`) ?? 1;
      const reason = `"${safe(setting)}" is no setting of ${action}; did you mean "${near}"?`;
      throw badLine(path, line, reason);
    }
}

class RigReader {
  readonly #path: string;
  /** By id or name: the line that has it. */
  readonly #nodeLines = new Map<string, number>();
  readonly #idLines = new Map<string, number>();
  readonly #settingLines = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  read(root: Lined): RigFile {
    const top = this.#map(root, 'the file', RIG_KEYS);
    const rig = top.get('rig');
    const nodes = top.get('nodes');
    if (!rig) this.#refuse(root, 'the name of the rig is missing: `rig: NAME`');
    if (!nodes) this.#refuse(root, '`nodes` is missing: a list of the nodes of the rig');
    return {
      path: this.#path,
      name: this.#name(rig.value, '"rig"'),
      nodes: this.#nodes(nodes.value),
      actions: this.#actions(top.get('actions')),
      capture: this.#capture(top.get('capture')),
      settingLines: this.#settingLines,
    };
  }

  #refuse({line}: {readonly line: number}, reason: string): never {
    throw badLine(this.#path, line, reason);
  }

  /** @param known undefined = any key */
  #map(value: Lined, what: string, known?: readonly string[]): ReadonlyMap<string, Entry> {
    if (value.kind !== 'map') {
      const are = known === undefined ? '' : ` with ${known.map(key => `\`${key}:\``).join(', ')}`;
      return this.#refuse(value, `${what} must be a map${are}`);
    }
    for (const [key, {line}] of value.entries) {
      if (known === undefined || known.includes(key)) continue;
      const near = nearest(key, known);
      const advice =
        near === undefined ? `there are: ${known.join(', ')}` : `did you mean "${near}"?`;
      this.#refuse({line}, `${what} has an unknown key "${safe(key)}"; ${advice}`);
    }
    return value.entries;
  }

  #list(value: Lined, what: string): readonly Lined[] {
    return value.kind === 'list' ? value.items : this.#refuse(value, `${what} must be a list`);
  }

  #text(value: Lined, what: string): string {
    return value.kind === 'text' ? value.text : this.#refuse(value, `${what} must be a text`);
  }

  #name(value: Lined, what: string): string {
    const text = this.#text(value, what);
    const fault = CONTROL.test(text) ? 'must not hold control characters' : faultOfName(text);
    return fault === undefined ? text : this.#refuse(value, `${what} ${fault}`);
  }

  #nodes(value: Lined): readonly RigNode[] {
    const nodes: RigNode[] = [];
    for (const item of this.#list(value, '"nodes"')) {
      nodes.push(...this.#nodesOf(item));
      if (nodes.length > NODE_SET_MAX)
        this.#refuse(item, `a rig has at most ${NODE_SET_MAX} nodes`);
    }
    this.#checkIds();
    return nodes.length > 0 ? nodes : this.#refuse(value, '"nodes" is empty');
  }

  #nodesOf(item: Lined): readonly RigNode[] {
    const entries = this.#map(item, 'a node', NODE_KEYS);
    const [name, id, labels] = ['name', 'id', 'labels'].map(key => entries.get(key)?.value);
    const [action, position] = ['action', 'position'].map(key => entries.get(key)?.value);
    if (!name) this.#refuse(item, 'a node needs a `name`');
    const names = id ? [this.#name(name, '"name"')] : this.#names(name);
    if (position && names.length > 1)
      this.#refuse(position, `${names.length} nodes cannot stand at one position`);
    const common = {
      ...(id && {id: this.#id(id)}),
      ...(labels && {labels: this.#labels(labels)}),
      ...(action && {action: this.#actionName(action, this.#text(action, '"action"'))}),
      ...(position && {position: this.#position(position)}),
    };
    return names.map(one => {
      this.#once(common.id ?? one, name);
      return {name: one, ...common};
    });
  }

  /** A name, or all that a node set means. */
  #names(value: Lined): readonly string[] {
    const text = this.#text(value, '"name"');
    if (!isNodeSet(text)) return [this.#name(value, '"name"')];
    const set = expandNodeSet(text);
    if ('fault' in set) return this.#refuse(value, `"${safe(text)}": ${set.fault}`);
    for (const name of set.names) this.#name({...value, kind: 'text', text: name}, '"name"');
    return set.names;
  }

  #once(key: string, {line}: Lined): void {
    const before = this.#nodeLines.get(key);
    if (before !== undefined)
      this.#refuse({line}, `"${safe(key)}" is named twice: line ${before} has it too`);
    this.#nodeLines.set(key, line);
  }

  #id(value: Lined): string {
    const id = this.#text(value, '"id"')
      .replace(/[\s:-]/g, '')
      .toLowerCase();
    if (!ID.test(id))
      this.#refuse(value, '"id" must be the first 4 to 32 hex digits of the id of a node');
    this.#idLines.set(id, value.line);
    return id;
  }

  /** One that is the beginning of another means the same node; sorted, they are neighbours. */
  #checkIds(): void {
    const sorted = [...this.#idLines].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [i, [id, line]] of sorted.entries()) {
      const [before, other] = sorted[i - 1] ?? [];
      if (before !== undefined && id.startsWith(before))
        this.#refuse({line}, `the id "${id}" is also that of line ${other}: "${before}"`);
    }
  }

  #labels(value: Lined): readonly string[] {
    const labels = this.#list(value, '"labels"').map(each => this.#name(each, 'a label'));
    const most = LABELS_MAX + GIVEN_LABELS_MAX;
    if (labels.length > most) this.#refuse(value, `a node has at most ${most} labels`);
    return [...new Set(labels)];
  }

  #actionName(place: {readonly line: number}, name: string): string {
    if (ACTION_NAME.test(name)) return name;
    const what = 'small letters, digits and dashes, at most 32';
    return this.#refuse(place, `"${safe(name)}" is no name of an action: that is ${what}`);
  }

  #position(value: Lined): Position {
    const entries = this.#map(value, '"position"', POSITION_KEYS);
    const given = POSITION_KEYS.flatMap(key => {
      const number = entries.get(key)?.value;
      if (!number) return [];
      if (number.kind === 'text' && Number.isFinite(number.number)) return [[key, number.number]];
      const unit = key === 'angle' ? 'degrees' : 'metres';
      return this.#refuse(number, `"${key}" must be a number of ${unit}`);
    });
    if (given.length === 0) this.#refuse(value, '"position" needs x, y, z or angle');
    return Object.fromEntries(given) as Position;
  }

  #actions(entry: Entry | undefined): ReadonlyMap<string, ActionSettings> {
    const actions = new Map<string, ActionSettings>();
    if (entry === undefined) return actions;
    for (const [action, {line, value}] of this.#map(entry.value, '"actions"')) {
      this.#actionName({line}, action);
      const settings = value.kind === 'nothing' ? [] : this.#map(value, `"${action}"`);
      actions.set(action, this.#settings(action, [...settings]));
    }
    return actions;
  }

  #settings(action: string, entries: readonly (readonly [string, Entry])[]): ActionSettings {
    const settings: [string, string][] = [];
    for (const [setting, {line, value}] of entries) {
      const text = this.#text(value, `"${safe(setting)}" of ${action}`);
      if (text === '')
        this.#refuse({line}, `"${safe(setting)}" has no value; leave it out to leave it as it is`);
      settings.push([setting, text]);
      const fault = faultOfSettings(Object.fromEntries(settings));
      if (fault !== undefined) this.#refuse({line}, `${action}: ${fault}`);
      this.#settingLines.set(`${action} ${setting}`, line);
    }
    return Object.fromEntries(settings);
  }

  #capture(entry: Entry | undefined): ReadonlyMap<string, readonly string[]> {
    const capture = new Map<string, readonly string[]>();
    if (entry === undefined) return capture;
    for (const [flag, {line, value}] of this.#map(entry.value, '"capture"', CAPTURE_KEYS)) {
      const items = value.kind === 'list' ? value.items : [value];
      const texts = items.map(each => this.#text(each, `"${flag}"`));
      if (texts.length !== 1 && !LISTS.includes(flag))
        this.#refuse({line}, `"${flag}" must be one text`);
      if (flag !== 'now') capture.set(flag, texts);
      else if (texts[0] === 'true') capture.set(flag, []);
      else if (texts[0] !== 'false') this.#refuse(value, '"now" must be true or false');
      this.#checkFlag(flag, line, capture);
    }
    if (capture.has('now') && capture.has('at'))
      this.#refuse(entry, 'give only one of "at" and "now"');
    return capture;
  }

  /** As on the command line, but with the line of the file. */
  #checkFlag(flag: string, line: number, capture: ReadonlyMap<string, readonly string[]>): void {
    try {
      const given = new Given([], capture);
      if (TIMES.includes(flag)) given.durationMs(flag);
      if (flag === 'shots') given.whole(flag, 1, SHOTS_PER_CAPTURE_MAX);
      if (flag === 'step') stepsOf(given.texts(flag));
      if (flag === 'burst') burstOf(given.text(flag) ?? '');
      if (flag === 'require' && neededOf(given.text(flag) ?? '', 1) === undefined)
        throw usage('--require must be all, 95% or 12');
    } catch (error) {
      if (!(error instanceof VolleyError)) throw error;
      throw badLine(this.#path, line, error.message.replace(/^--/, ''), error);
    }
  }
}
