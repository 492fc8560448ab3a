// The lines between a node and a program that is kept running for its shots. README.md ("Your own
// action") is the manual of them, for any language. What neither knows it passes over, and a program that has
// said neither `info` nor `error` is told nothing but `fire`: those of any age work with nodes of any age.
//
//   it > us   info {json}                        ActionInfo: what it is. First, and again when it knows more
//   us > it   settings {json}                    what the operator set; before the first `arm`, and when it changes
//   it > us   settings {json}                    what holds now
//   it > us   failed settings <reason>           it would not; what held before holds
//   us > it   arm                                after its first info, and before each row of shots: be ready
//   it > us   ready                              it is
//   it > us   error <reason>                     it is not: no camera, camera busy. Also at any other time
//   us > it   fire <shot> <file> <asked> [args]  at the instant: do it now. <shot> is `capture-shot`; <file>
//             a bare name without spaces to write to; <asked> the asked instant on the master's clock, in
//             milliseconds since 1970 with a fraction; [args] a JSON list of texts when there are any
//   us > it   preview <shot> <file> <asked> [args]   as fire: a small picture, soon. Only to one whose info
//             says that it can
//   us > it   fireat <shot> <file> <asked> <unix ms> <monotonic ms> [args]   as fire, told a little before: it waits
//             itself for the instant, which is given by the wall clock of this machine and by CLOCK_MONOTONIC. Only
//             to one whose info says that it can, so that our own turns are not in the path of the shot
//   it > us   fired <shot> <unix ms> [monotonic ms]   it triggered, by these clocks, with a fraction
//   it > us   done <shot> <file>[,<file>...]     what it wrote: bare names that begin with <shot>
//   it > us   failed <shot> <reason>             instead of done
//
// Other lines are not for us. The end of its input tells it to end.

import type {WallMs} from '../base/types.ts';
import {type ActionSettings, parseSettings} from '../core/action-settings.ts';

/** What a program says of itself; everything is optional, and what is out of range was not said. */
export type ActionInfo = {
  readonly model: string;
  /** From its start to `ready`. */
  readonly warmUpMs: number;
  /** Between two frames of a sensor that runs by itself: a shot is late by at most that. 0 = not known. */
  readonly sensorPeriodMs: number;
  /** Names of settings that it takes. */
  readonly settings: readonly string[];
  readonly preview: boolean;
  /** It can wait for an instant: `fireat`. */
  readonly timed: boolean;
};

export const NO_INFO: ActionInfo = {
  model: '',
  warmUpMs: 0,
  sensorPeriodMs: 0,
  settings: [],
  preview: false,
  timed: false,
};

export type Said =
  | {readonly word: 'ready'}
  | {readonly word: 'error'; readonly reason: string}
  | {readonly word: 'info'; readonly info: ActionInfo}
  | {readonly word: 'settings'; readonly settings: ActionSettings}
  /** NaN = it did not say that. */
  | {
      readonly word: 'fired';
      readonly shot: string;
      readonly atWall: number;
      readonly atKernel: number;
    }
  | {readonly word: 'done'; readonly shot: string; readonly files: readonly string[]}
  /** `shot` is "settings" when these were refused. */
  | {readonly word: 'failed'; readonly shot: string; readonly reason: string};

const TEXT_CHARS_MAX = 64;
const NAMES_MAX = 128;
const PERIOD_MS_MAX = 600_000;
const NO_REASON = 'the action gave no reason';

/** undefined = noise, or a word of a newer time. */
export function readSaid(line: string): Said | undefined {
  const [word = '', ...rest] = line.split(' ');
  const [shot = '', ...more] = rest;
  switch (word) {
    case 'ready':
      return {word};
    case 'error':
      return {word, reason: rest.join(' ').trim() || NO_REASON};
    case 'info': {
      const info = readInfo(rest.join(' '));
      return info && {word, info};
    }
    case 'settings': {
      const settings = parseSettings(rest.join(' '));
      return settings && {word, settings};
    }
    case 'fired':
      return {word, shot, atWall: numberOf(more[0]), atKernel: numberOf(more[1])};
    case 'done':
      return {word, shot, files: more.length === 0 ? [] : more.join(' ').split(',')};
    case 'failed':
      return {word, shot, reason: more.join(' ').trim() || NO_REASON};
    default:
      return undefined;
  }
}

const numberOf = (text: string | undefined): number => Number(text || Number.NaN);

function readInfo(json: string): ActionInfo | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const {model, warmUpMs, sensorPeriodMs, settings, preview, timed} = value as Record<
    string,
    unknown
  >;
  return {
    model: typeof model === 'string' ? model.slice(0, TEXT_CHARS_MAX) : '',
    warmUpMs: lengthOf(warmUpMs),
    sensorPeriodMs: lengthOf(sensorPeriodMs),
    settings: Array.isArray(settings)
      ? settings.filter(name => typeof name === 'string').slice(0, NAMES_MAX)
      : [],
    preview: preview === true,
    timed: timed === true,
  };
}

const lengthOf = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value <= PERIOD_MS_MAX ? value : 0;

export type ShotLine = {
  readonly shot: string;
  readonly file: string;
  readonly askedWall: WallMs;
  readonly args: readonly string[];
};

export const shotLine = (word: 'fire' | 'preview', job: ShotLine): string => lineOf(word, job, []);

/** @param instant by the clocks of this machine: since 1970, and of its kernel; ms */
export const timedLine = (job: ShotLine, instant: {wall: number; kernel: number}): string =>
  lineOf('fireat', job, [instant.wall, instant.kernel]);

function lineOf(word: string, job: ShotLine, times: readonly number[]): string {
  const numbers = [job.askedWall, ...times].map(ms => ms.toFixed(3));
  const args = job.args.length === 0 ? [] : [JSON.stringify(job.args)];
  return `${[word, job.shot, job.file, ...numbers, ...args].join(' ')}\n`;
}

export const settingsLine = (settings: ActionSettings): string =>
  `settings ${JSON.stringify(settings)}\n`;

export const ARM_LINE = 'arm\n';
