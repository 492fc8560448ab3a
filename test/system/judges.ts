// Worker processes that open spoilt stores; one that dies of it has found the damage too.

import {type ChildProcess, spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';

const WORKER = fileURLToPath(new URL('flip-worker.ts', import.meta.url));

export class Judge {
  #child: ChildProcess | undefined;
  #answer: ((said: string) => void) | undefined;

  /** What the worker says of the store in `folder`, which it may change. */
  ask(folder: string): Promise<string> {
    const child = this.#child ?? this.#start();
    return new Promise(resolve => {
      this.#answer = resolve;
      child.stdin?.write(`${folder}\n`);
    });
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, ['--import=tsx', WORKER], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    if (!child.stdout) throw new Error('a worker has an output');
    createInterface({input: child.stdout}).on('line', said => this.#say(said));
    child.on('exit', (code, signal) => {
      this.#child = undefined;
      this.#say(`detected the process died: ${signal ?? code}`);
    });
    child.stdin?.on('error', () => {});
    this.#child = child;
    return child;
  }

  #say(said: string): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(said);
  }

  close(): void {
    this.#answer = undefined;
    this.#child?.stdin?.end();
  }
}
