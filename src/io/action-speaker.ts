// The program's side of the lines of action-words.ts, for the built-in actions: each of them is a small
// program of its own, so that a fault of a camera never harms the node. Lines are done one after the other, in
// the order in which they came; the word of an error is said as soon as it is known.

import {writeSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {asMonoMs} from '../base/types.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import type {ActionInfo} from './action-words.ts';
import {standUntil, timerMs} from './instant.ts';
import {cutLines} from './program.ts';
import {KERNEL_AHEAD_MS, SystemClock} from './system-clock.ts';

export type Firing = {
  /** `capture-shot`: begins the name of every file. */
  readonly shot: string;
  /** The file to write, a bare name. */
  readonly file: string;
  readonly askedWallMs: number;
  readonly args: readonly string[];
  /** To be called when it triggers. */
  readonly fired: () => void;
};

/** What fires. Each promise that is rejected becomes a `failed` or an `error` with the error's message. */
export interface Shutter {
  /** Before anything is asked of it. */
  open(): Promise<Partial<ActionInfo>>;
  arm(): Promise<void>;
  /** Gives the names of the files, whole. */
  fire(firing: Firing): Promise<readonly string[]>;
  preview?(firing: Firing): Promise<readonly string[]>;
  /** All that was set; gives what holds. */
  set(settings: ActionSettings): Promise<ActionSettings>;
  end(): void;
}

const STDOUT = 1;
const CLOCK = new SystemClock();

export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ');

export const say = (line: string): void => {
  writeSync(STDOUT, `${line}\n`);
};
/** All of ours can wait for an instant. */
export const sayInfo = (info: Partial<ActionInfo>): void =>
  say(`info ${JSON.stringify({...info, timed: true})}`);

/** Speaks for this shutter until the end of the input. */
export function speakFor(shutter: Shutter): void {
  let last = shutter
    .open()
    .then(sayInfo)
    .catch(error => {
      // it said no info: an error says that it knows the words, and it is asked again
      say(`error ${reasonOf(error)}`);
    });
  process.stdin.setEncoding('utf8').on(
    'data',
    cutLines(line => {
      last = last.then(() => answer(shutter, line));
    }),
  );
  process.stdin.on('end', () => shutter.end());
}

async function answer(shutter: Shutter, line: string): Promise<void> {
  const [word = '', shot = ''] = line.split(' ');
  try {
    if (word === 'arm') {
      await shutter.arm();
      say('ready');
    } else if (word === 'settings') {
      const wanted = JSON.parse(line.slice('settings '.length)) as ActionSettings;
      say(`settings ${JSON.stringify(await shutter.set(wanted))}`);
    } else if (word === 'fire' || word === 'fireat')
      await shoot(line, firing => shutter.fire(firing));
    else if (word === 'preview' && shutter.preview)
      await shoot(line, firing => shutter.preview?.(firing) ?? Promise.resolve([]));
  } catch (error) {
    const what = word === 'arm' ? 'error' : `failed ${word === 'settings' ? word : shot}`;
    say(`${what} ${reasonOf(error)}`);
  }
}

async function shoot(
  line: string,
  take: (firing: Firing) => Promise<readonly string[]>,
): Promise<void> {
  const [word, shot = '', file = '', asked = '', ...more] = line.split(' ');
  const rest = word === 'fireat' ? more.slice(2) : more;
  const args = rest.length === 0 ? [] : (JSON.parse(rest.join(' ')) as readonly string[]);
  const fired = (): void => {
    const {mono, wall} = CLOCK.now();
    say(`fired ${shot} ${wall.toFixed(3)} ${(mono + KERNEL_AHEAD_MS).toFixed(3)}`);
  };
  if (word === 'fireat') await instantOf(Number(more[1]));
  const files = await take({shot, file, askedWallMs: Number(asked), args, fired});
  say(`done ${shot} ${files.join(',')}`);
}

/** @param kernelMs CLOCK_MONOTONIC */
async function instantOf(kernelMs: number): Promise<void> {
  const at = asMonoMs(kernelMs - KERNEL_AHEAD_MS);
  const waitMs = timerMs(at, CLOCK.now().mono);
  if (waitMs > 0) await sleep(waitMs);
  standUntil(at, CLOCK);
}
