// What a node's owner, or the operator for it, wants it to be careful with. One list of keys for the file
// preferences.json, for `volley nodes prefs` and for what the master sends; pure.
//
// All keys are optional. `suspend…` and `resume…` come in pairs with room between them, so that a node on the
// edge does not start and stop all the time; a missing `resume…` is DEFAULT_GAP away.

import {assertNever} from '../base/assert.ts';
import {nearest} from '../base/nearest.ts';
import {PREFERENCES_BYTES_MAX} from '../wire/limits.ts';

export type Preferences = {
  /** Workunits at a time at most. */
  readonly cores?: number;
  /** Of each core in use: the rest of the time its work stands still. */
  readonly cpuPercent?: number;
  /** `22:00-06:00`, local time; one that crosses midnight belongs to the day on which it begins. */
  readonly hours?: readonly string[];
  /** `mon` … `sun`. */
  readonly days?: readonly string[];
  /** Cores that other programs keep busy. */
  readonly suspendAboveLoad?: number;
  readonly resumeBelowLoad?: number;
  readonly suspendBelowFreeMib?: number;
  readonly resumeAboveFreeMib?: number;
  readonly suspendAboveCelsius?: number;
  readonly resumeBelowCelsius?: number;
  readonly suspendOnBattery?: boolean;
  /** Percent of the battery. */
  readonly suspendBelowCharge?: number;
  readonly resumeAboveCharge?: number;
  /** Seconds of work kept ahead for each core. */
  readonly bufferSeconds?: number;
};

type Key = keyof Preferences;
type Shape =
  | {readonly kind: 'number'; readonly min: number; readonly max: number; readonly whole?: true}
  | {readonly kind: 'hours'}
  | {readonly kind: 'days'}
  | {readonly kind: 'yesNo'};

const SHAPES: Readonly<Record<Key, Shape>> = {
  cores: {kind: 'number', min: 1, max: 256, whole: true},
  cpuPercent: {kind: 'number', min: 1, max: 100, whole: true},
  hours: {kind: 'hours'},
  days: {kind: 'days'},
  suspendAboveLoad: {kind: 'number', min: 0.05, max: 4_096},
  resumeBelowLoad: {kind: 'number', min: 0, max: 4_096},
  suspendBelowFreeMib: {kind: 'number', min: 1, max: 16_777_216},
  resumeAboveFreeMib: {kind: 'number', min: 1, max: 16_777_216},
  suspendAboveCelsius: {kind: 'number', min: 20, max: 120},
  resumeBelowCelsius: {kind: 'number', min: 0, max: 120},
  suspendOnBattery: {kind: 'yesNo'},
  suspendBelowCharge: {kind: 'number', min: 1, max: 100},
  resumeAboveCharge: {kind: 'number', min: 1, max: 100},
  bufferSeconds: {kind: 'number', min: 0, max: 86_400},
};

export const PREFERENCE_KEYS = Object.keys(SHAPES) as readonly Key[];

/** The key that begins a rest, the one that ends it, and which way is up. */
const PAIRS: readonly (readonly [suspend: Key, resume: Key, above: boolean])[] = [
  ['suspendAboveLoad', 'resumeBelowLoad', true],
  ['suspendBelowFreeMib', 'resumeAboveFreeMib', false],
  ['suspendAboveCelsius', 'resumeBelowCelsius', true],
  ['suspendBelowCharge', 'resumeAboveCharge', false],
];

/** Where a pair says only when to suspend. */
export const DEFAULT_GAP = {load: 0.25, freeMemory: 0.25, celsius: 5, charge: 5} as const;

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export const MINUTES_PER_DAY = 1_440;
const SPANS_MAX = 16;

/** What is wrong, for people. */
export type Fault = {readonly fault: string};
export const isFault = (value: object): value is Fault => 'fault' in value;

/**
 * Checked and in one form: lists as lists, ranges of days spelt out.
 *
 * @param strict an unknown key is a fault; without it (what a newer master sends) it is passed over
 */
export function checkPreferences(value: unknown, strict = true): Preferences | Fault {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return {fault: 'it must be an object, such as {"cores": 2, "cpuPercent": 50}'};
  const checked: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    const shape = SHAPES[key as Key];
    if (!Object.hasOwn(SHAPES, key)) {
      if (strict) return {fault: `unknown key "${key}"; ${advice(key)}`};
      continue;
    }
    const taken = take(key, shape, given);
    if (isTaken(taken)) checked[key] = taken.value;
    else return taken;
  }
  const fault = pairFault(checked);
  return fault === undefined ? (checked as Preferences) : {fault};
}

function advice(key: string): string {
  const near = nearest(key, PREFERENCE_KEYS);
  return near === undefined
    ? `there are: ${PREFERENCE_KEYS.join(', ')}`
    : `did you mean "${near}"?`;
}

type Taken = {readonly value: unknown};
const isTaken = (taken: Taken | Fault): taken is Taken => 'value' in taken;

function take(key: string, shape: Shape, given: unknown): Taken | Fault {
  switch (shape.kind) {
    case 'number': {
      const {min, max, whole = false} = shape;
      const fits = typeof given === 'number' && given >= min && given <= max;
      if (fits && (!whole || Number.isInteger(given))) return {value: given};
      return {
        fault: `"${key}" must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not ${shown(given)}`,
      };
    }
    case 'yesNo':
      if (typeof given === 'boolean') return {value: given};
      return {fault: `"${key}" must be true or false, not ${shown(given)}`};
    case 'hours':
      return takeList(key, given, 'like "22:00-06:00"', text =>
        spanOf(text) === undefined ? undefined : [text.replace(/\s/g, '')],
      );
    case 'days':
      return takeList(key, given, 'like "mon" or "mon-fri"', daysOf);
    default:
      return assertNever(shape);
  }
}

const shown = (given: unknown): string => (JSON.stringify(given) ?? 'nothing').slice(0, 64);

function takeList(
  key: string,
  given: unknown,
  like: string,
  read: (text: string) => readonly string[] | undefined,
): Taken | Fault {
  const list: readonly unknown[] = typeof given === 'string' ? given.split(',') : listOf(given);
  const values: string[] = [];
  for (const entry of list) {
    const taken = typeof entry === 'string' ? read(entry.trim().toLowerCase()) : undefined;
    if (!taken) return {fault: `"${key}" must be a list of texts ${like}, not ${shown(entry)}`};
    values.push(...taken);
  }
  if (values.length === 0) return {fault: `"${key}" must not be empty; leave it out instead`};
  if (values.length > SPANS_MAX) return {fault: `"${key}" has more than ${SPANS_MAX} entries`};
  return {value: [...new Set(values)]};
}

const listOf = (given: unknown): readonly unknown[] => (Array.isArray(given) ? given : [given]);

function daysOf(text: string): string[] | undefined {
  const [from = '', to = from, more] = text.split('-');
  const first = DAYS.indexOf(from as (typeof DAYS)[number]);
  const last = DAYS.indexOf(to as (typeof DAYS)[number]);
  if (first < 0 || last < 0 || more !== undefined) return undefined;
  const length = ((last - first + DAYS.length) % DAYS.length) + 1;
  return Array.from({length}, (_, i) => DAYS[(first + i) % DAYS.length] ?? '');
}

/** Minutes of the day; undefined = it is no span. One that ends where it begins is the whole day. */
function spanOf(text: string): {readonly from: number; readonly minutes: number} | undefined {
  const parts = /^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/.exec(text);
  if (!parts) return undefined;
  const [h1 = 0, m1 = 0, h2 = 0, m2 = 0] = parts.slice(1).map(Number);
  const from = h1 * 60 + m1;
  const to = h2 * 60 + m2;
  if (h1 > 23 || m1 > 59 || m2 > 59 || to > MINUTES_PER_DAY) return undefined;
  return {from, minutes: to > from ? to - from : MINUTES_PER_DAY + to - from};
}

function pairFault(checked: Readonly<Record<string, unknown>>): string | undefined {
  for (const [suspend, resume, above] of PAIRS) {
    const [edge, back] = [checked[suspend] as number, checked[resume] as number];
    if (back === undefined) continue;
    if (edge === undefined) return `"${resume}" needs "${suspend}"`;
    if (above ? back > edge : back < edge)
      return `"${resume}" must be at ${above ? 'most' : 'least'} "${suspend}", ${edge}`;
  }
  return undefined;
}

/** Whether work is allowed in this minute. @param minuteOfWeek since Monday 00:00, local time */
export function isInHours({hours, days}: Preferences, minuteOfWeek: number): boolean {
  if (hours === undefined && days === undefined) return true;
  const week = DAYS.length * MINUTES_PER_DAY;
  for (const day of days ?? DAYS)
    for (const text of hours ?? ['00:00-24:00']) {
      const span = spanOf(text);
      const from = DAYS.indexOf(day as (typeof DAYS)[number]) * MINUTES_PER_DAY + (span?.from ?? 0);
      if ((minuteOfWeek - from + week) % week < (span?.minutes ?? 0)) return true;
    }
  return false;
}

/** `key=value` as it is typed; `key=` takes the key out (null). */
export function readPreference(text: string): {readonly key: Key; readonly value: unknown} | Fault {
  const at = text.indexOf('=');
  const key = (at < 0 ? text : text.slice(0, at)).trim();
  if (!Object.hasOwn(SHAPES, key)) return {fault: `unknown key "${key}"; ${advice(key)}`};
  if (at < 0) return {fault: `"${key}" needs a value: ${key}=VALUE, or ${key}= to take it out`};
  const value = text.slice(at + 1).trim();
  if (value === '') return {key: key as Key, value: null};
  const {kind} = SHAPES[key as Key];
  if (kind === 'number')
    return {key: key as Key, value: /^-?[\d.]+$/.test(value) ? Number(value) : value};
  if (kind === 'yesNo') return {key: key as Key, value: {true: true, false: false}[value] ?? value};
  return {key: key as Key, value};
}

/** With these changes; a null takes a key out. */
export function changedPreferences(
  before: Preferences,
  changes: Readonly<Record<string, unknown>>,
): Preferences | Fault {
  const merged = {...before, ...changes};
  const kept = Object.entries(merged).filter(([, value]) => value !== null);
  const checked = checkPreferences(Object.fromEntries(kept));
  if (isFault(checked) || JSON.stringify(checked).length <= PREFERENCES_BYTES_MAX) return checked;
  return {fault: `together they are longer than ${PREFERENCES_BYTES_MAX} bytes`};
}
