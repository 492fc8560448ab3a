// Runs one workunit in a container of podman or docker. What holds it is the engine's: no network, nothing but
// the image to read, /tmp in its own memory, a user that is nobody, no capability, no more memory and processes
// than this. The engine's client is our child and carries input and output; the container is not, so it is ended,
// stopped and let go by its name. A node that was killed leaves containers behind: they carry its label, and
// its next start removes them (containers.ts).

import {execFile} from 'node:child_process';
import {SECOND_MS} from '../base/units.ts';
import type {FailReason} from '../wire/message.ts';
import {killGroup, type Means, type OpenMeans} from './program-means.ts';
import type {ExecProgram, ProgramOrder} from './runner-job.ts';

export type EngineName = 'podman' | 'docker';

/** An engine that works here, and what the owner allows with it. */
export type Containers = {
  readonly engine: EngineName;
  /** Names of images; one with a `*` at its end stands for all that begin so. */
  readonly images: readonly string[];
  /** Names the containers of this node among those of others. */
  readonly key: string;
  /** For the engine, never inside. */
  readonly env: Readonly<Record<string, string>>;
};

export const LABEL = 'volley.node';
const NOBODY = '65534:65534';
const PROCESSES_MAX = 64;
const FILES_MAX = 1_024;
/** An engine under load; longer is as good as never. */
const CALL_MS_MAX = 30 * SECOND_MS;
/** A container that begins or ends cannot be stopped for a moment. */
const AGAIN_MS = 100;
const TRIES_MAX = 40;

/** What is put around every container, also around the one that tries the engine out. */
export function confinement(
  {engine, key}: Pick<Containers, 'engine' | 'key'>,
  name: string,
  memoryMib: number,
): string[] {
  return [
    ...['run', '--rm', '-i', '--name', name, '--label', `${LABEL}=${key}`, '--hostname', 'volley'],
    ...['--network', 'none', '--read-only', '--cap-drop', 'all', '--user', NOBODY],
    ...['--security-opt', 'no-new-privileges', '--pids-limit', String(PROCESSES_MAX)],
    ...['--memory', `${memoryMib}m`, '--memory-swap', `${memoryMib}m`],
    ...['--tmpfs', `/tmp:rw,noexec,nosuid,nodev,mode=1777,size=${memoryMib}m`],
    ...['--ulimit', `nofile=${FILES_MAX}:${FILES_MAX}`, '--ulimit', 'core=0:0'],
    ...['--ulimit', `nproc=${FILES_MAX}:${FILES_MAX}`],
    ...['--pull', 'never', '--log-driver', 'none', '--stop-timeout', '0'],
    // Podman hands the proxies of its own environment on.
    ...(engine === 'podman' ? ['--http-proxy=false'] : []),
  ];
}

let count = 0;

export function containerProgram(
  containers: Containers,
  order: ProgramOrder & {readonly image: string; readonly command: readonly string[]},
): ExecProgram {
  const {engine, key, env} = containers;
  count += 1;
  const name = `volley-${key}-${order.replicaId.replaceAll('/', '-')}-${count}`;
  const {image, command, args, memoryMib} = order;
  // What follows the image is never taken for a flag of the engine.
  const argv = [engine, ...confinement(containers, name, memoryMib), image, ...command, ...args];
  return {kind: 'exec', argv, env, openMeans: meansOf(engine, env, name)};
}

/** One call of the engine. Resolves with what it said, or why it failed. */
export function callEngine(
  engine: EngineName,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  timeoutMs = CALL_MS_MAX,
): Promise<{readonly code: number; readonly stdout: string; readonly stderr: string}> {
  return new Promise(resolve => {
    const options = {env, timeout: timeoutMs, killSignal: 'SIGKILL'} as const;
    const child = execFile(engine, args, options, (error, stdout, stderr) => {
      const {code, killed} = (error ?? {code: 0, killed: false}) as {
        readonly code?: unknown;
        readonly killed?: boolean;
      };
      const said = killed ? `no answer within ${timeoutMs} ms` : stderr.trim() || error?.message;
      resolve({code: typeof code === 'number' ? code : -1, stdout, stderr: said ?? ''});
    });
    child.stdin?.end();
  });
}

const meansOf =
  (engine: EngineName, env: Readonly<Record<string, string>>, name: string): OpenMeans =>
  (pid, fail) => {
    const call = (...args: string[]) => callEngine(engine, env, args);
    let ending: Promise<unknown> | undefined;
    const pause = new Pause(isStill => call(isStill ? 'pause' : 'unpause', name), fail);
    const means: Means = {
      isOurs: false,
      kill: () => {
        pause.end();
        // The client first: it must not start what is removed here.
        killGroup(pid);
        ending ??= call('rm', '-f', name);
      },
      become: isStill => pause.become(isStill),
      reasonOf,
      gone: async () => {
        pause.end();
        await ending;
      },
    };
    return means;
  };

/** What engines say by their exit code: 125 it failed itself, 126 and 127 the program cannot be run. */
function reasonOf(code: number): FailReason | undefined {
  if (code >= 125 && code <= 127) return 'refused';
  // 128 + SIGKILL, and it was not us: the kernel, at the limit of its memory.
  return code === 137 ? 'outOfMemory' : undefined;
}

type PauseCall = (isStill: boolean) => Promise<{readonly code: number; readonly stderr: string}>;

/** Makes a container stand still and go on: one call at a time, and only what is wanted last. */
class Pause {
  readonly #call: PauseCall;
  readonly #fail: (why: string) => void;
  #wanted = false;
  #isStill = false;
  #isBusy = false;
  #isOver = false;

  constructor(call: PauseCall, fail: (why: string) => void) {
    this.#call = call;
    this.#fail = fail;
  }

  become(isStill: boolean): void {
    this.#wanted = isStill;
    if (!this.#isBusy) void this.#work();
  }

  end(): void {
    this.#isOver = true;
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    let failures = 0;
    while (this.#isStill !== this.#wanted && !this.#isOver) {
      const wanted = this.#wanted;
      const {code, stderr} = await this.#call(wanted);
      if (code === 0) {
        this.#isStill = wanted;
        failures = 0;
        continue;
      }
      failures += 1;
      if (failures < TRIES_MAX) await new Promise<void>(resolve => setTimeout(resolve, AGAIN_MS));
      else if (!this.#isOver)
        this.#fail(`the container cannot be ${wanted ? 'stopped' : 'let go'}: ${stderr}`);
      if (failures >= TRIES_MAX) break;
    }
    this.#isBusy = false;
  }
}
