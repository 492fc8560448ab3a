// Settings of an action (exposure, gain, focus …): names and values as texts, bounded, so that all of
// an action's fit into one command. What a name means is the action's own business.

import {SETTINGS_BYTES_MAX} from '../wire/limits.ts';

/** By name; in the order in which they were given. */
export type ActionSettings = Readonly<Record<string, string>>;

export const SETTINGS_MAX = 32;
/** gphoto2 has names like `/main/imgsettings/iso`; none looks like an option of a program. */
const SETTING_NAME = /^[A-Za-z0-9_/][A-Za-z0-9_./-]{0,47}$/;
/** Printable ASCII: it becomes an argument of a program, and a cell of a table. */
const SETTING_VALUE = /^[ -~]{0,64}$/;
const NO_NAMES: readonly string[] = ['__proto__', 'constructor', 'prototype'];

/** What is wrong with settings, as a sentence; undefined = nothing. An empty value takes a setting back. */
export function faultOfSettings(settings: ActionSettings): string | undefined {
  const entries = Object.entries(settings);
  if (entries.length > SETTINGS_MAX) return `there are at most ${SETTINGS_MAX} settings`;
  for (const [name, value] of entries) {
    if (!SETTING_NAME.test(name) || NO_NAMES.includes(name)) {
      return `${JSON.stringify(name.slice(0, 48))} is no name of a setting`;
    }
    if (typeof value !== 'string' || !SETTING_VALUE.test(value)) {
      return `the value of "${name}" must be at most 64 printable letters`;
    }
  }
  if (JSON.stringify(settings).length > SETTINGS_BYTES_MAX) {
    return `the settings together exceed ${SETTINGS_BYTES_MAX} letters`;
  }
  return undefined;
}

/** From a message, a store or a program; undefined = it is no object of such settings. */
export function parseSettings(json: string): ActionSettings | undefined {
  if (json.length > SETTINGS_BYTES_MAX) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const settings = value as ActionSettings;
    return faultOfSettings(settings) === undefined ? settings : undefined;
  } catch {
    return undefined;
  }
}

/** What holds after a change: an empty value takes a setting out. */
export function changedSettings(before: ActionSettings, changes: ActionSettings): ActionSettings {
  const after = Object.entries({...before, ...changes}).filter(([, value]) => value !== '');
  return Object.fromEntries(after);
}

/** Names whose values differ between nodes, or that some have and others have not. */
export function differingSettings(all: readonly ActionSettings[]): readonly string[] {
  const names = new Set(all.flatMap(settings => Object.keys(settings)));
  return [...names].filter(name => new Set(all.map(settings => settings[name])).size > 1).sort();
}
