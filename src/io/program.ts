// A program of the node's owner, started without a shell: its end as a sentence for people, its
// lines, and a kill that takes all it started with it.

import {type ChildProcess, spawn} from 'node:child_process';
import {basename} from 'node:path';
import {errnoOf} from './key-files.ts';

/** From the end of a program to taking its streams as read. */
const STREAMS_GRACE_MS = 500;
const LINE_CHARS_MAX = 4_096;
const STDERR_CHARS_KEPT = 400;

/** A program that was started, or could not be, and the last words of its standard error. */
export class Program {
  readonly child: ChildProcess | undefined;
  /** Why it ended, '' = as it should. Always fulfilled. */
  readonly gone: Promise<string>;
  #stderr = '';

  constructor(argv: readonly string[], dir: string, stdin: 'pipe' | 'ignore') {
    const [file = ''] = argv;
    try {
      const child = startProcess(argv, dir, stdin);
      this.child = child;
      this.gone = this.#watch(child, file);
    } catch (error) {
      // spawn throws for some errors (arguments too long, no memory) and emits the others
      this.gone = Promise.resolve(notStarted(file, error));
    }
  }

  get started(): boolean {
    return this.child?.pid !== undefined;
  }

  kill(): void {
    const pid = this.child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // the group is gone, or the system has none
      this.child?.kill('SIGKILL');
    }
  }

  #watch(child: ChildProcess, file: string): Promise<string> {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS_KEPT);
    });
    // writing to a program that has just died is no fault of ours; `gone` tells
    child.stdin?.on('error', () => {});
    return new Promise(resolve => {
      const end = (code: number | null, signal: string | null): void =>
        resolve(this.#ended(file, code, signal));
      child.once('error', error => resolve(notStarted(file, error)));
      child.once('close', end);
      // what it left running may hold its streams open
      child.once('exit', (code, signal) => {
        setTimeout(() => end(code, signal), STREAMS_GRACE_MS).unref();
      });
    });
  }

  #ended(file: string, code: number | null, signal: string | null): string {
    if (code === 0) return '';
    const how = signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
    const lastLine = this.#stderr.trim().split('\n').at(-1) ?? '';
    return `${basename(file)} ${how}${lastLine === '' ? '' : `: ${lastLine}`}`;
  }
}

function startProcess(
  [file = '', ...args]: readonly string[],
  dir: string,
  stdin: 'pipe' | 'ignore',
): ChildProcess {
  return spawn(file, args, {
    cwd: dir,
    env: publicEnvironment(),
    stdio: [stdin, stdin === 'pipe' ? 'pipe' : 'ignore', 'pipe'],
    // its own process group, so that what it starts is killed with it and Ctrl-C is ours to handle
    detached: true,
  });
}

function notStarted(file: string, error: unknown): string {
  const errno = errnoOf(error);
  if (errno === 'ENOENT') return `${basename(file)} is not installed`;
  const why = errno === '' && error instanceof Error ? error.message : errno;
  return `${basename(file)} could not be started: ${why}`;
}

/** Without our own variables: VOLLEY_TOKEN and its like are not an action's business. */
function publicEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('VOLLEY_')),
  );
}

/** Whole lines of a program's output. */
export function onLines(child: ChildProcess | undefined, take: (line: string) => void): void {
  child?.stdout?.setEncoding('utf8').on('data', cutLines(take));
}

/** Takes pieces of a stream, gives its whole lines; a line without an end is not kept for ever. */
export function cutLines(take: (line: string) => void): (text: string) => void {
  let rest = '';
  return text => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX);
    for (const line of lines) take(line.trimEnd());
  };
}
