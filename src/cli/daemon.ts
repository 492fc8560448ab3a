// The life of a process that runs until it is told to end: SIGTERM, SIGINT, a fatal fault, or the end of
// stdin when another process holds it (the demo: its children must not outlive it, however it dies).

import {EXIT} from '../base/errors.ts';
import type {OptionSpec} from './command.ts';

export const UNTIL_STDIN_ENDS: OptionSpec = {
  flag: '--until-stdin-ends',
  text: 'end when stdin does',
  hidden: true,
};

export type DaemonEnd =
  | {readonly kind: 'asked'}
  | {readonly kind: 'fatal'; readonly error: unknown};

export type Daemon = {
  readonly ended: Promise<DaemonEnd>;
  /** A broken invariant or a failed disk: the process cannot go on. */
  readonly fatal: (error: unknown) => void;
  /** It ends by itself, and that is well. */
  readonly done: () => void;
};

/** How long a close may take before the process ends anyway. */
const CLOSE_MS_MAX = 10_000;

export function openDaemon(untilStdinEnds: boolean): Daemon {
  let end: (how: DaemonEnd) => void = () => {};
  const ended = new Promise<DaemonEnd>(resolve => {
    end = resolve;
  });
  let asked = false;
  const ask = (): void => {
    // The second Ctrl-C: whoever asks again does not want to wait.
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    end({kind: 'asked'});
  };
  process.on('SIGINT', ask);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => end({kind: 'asked'}));
  if (untilStdinEnds) {
    process.stdin.on('error', () => end({kind: 'asked'}));
    process.stdin.on('close', () => end({kind: 'asked'}));
    process.stdin.on('end', () => end({kind: 'asked'}));
    process.stdin.resume();
  }
  return {
    ended,
    fatal: error => end({kind: 'fatal', error}),
    done: () => end({kind: 'asked'}),
  };
}

/**
 * What is being opened, or undefined when the process is asked to end before. A fault on the way is thrown at
 * once: what failed may leave the opening waiting for an answer that never comes.
 */
export async function opened<T>(daemon: Daemon, opening: Promise<T>): Promise<T | undefined> {
  const ended = daemon.ended.then(end => {
    if (end.kind === 'fatal') throw end.error;
    return undefined;
  });
  ended.catch(() => {}); // after the opening it is serve() that tells
  return await Promise.race([opening, ended]);
}

/** Waits for the end, then closes; what was fatal is thrown on. */
export async function serve(daemon: Daemon, close: () => Promise<void>): Promise<void> {
  const end = await daemon.ended;
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>(resolve => {
    late = setTimeout(resolve, CLOSE_MS_MAX);
  });
  const closing = close().catch((error: unknown) => {
    // After a fatal fault the close may fail too; the first fault is what matters.
    if (end.kind === 'asked') throw error;
  });
  await Promise.race([closing, tooLate]);
  clearTimeout(late);
  if (end.kind === 'fatal') throw end.error;
}
