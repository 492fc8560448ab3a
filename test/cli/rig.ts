// Real processes of the real program, as it was built last. Everything lives in a folder of its own and on
// 127.0.0.1 with ports of its own; all that was started is ended.

import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {buildApps} from '../../src/apps/build.mjs';
import {freePorts, type Ports} from '../../src/cli/free-ports.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What `npm run build` made: through tsx each start would take a second more of a core. */
export const MAIN = process.env['VOLLEY_PROGRAM'] ?? join(ROOT, 'dist/cli/main.js');
export const HOST = '127.0.0.1';
export const PASSPHRASE = 'a passphrase for tests';
/** Only what fails waits so long; some machines are slow. */
const WAIT_MS = 150_000;

/** The test, or the hooks of a file. */
export type Teardown = {teardown(act: () => unknown): void};

export type Ended = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** One running `volley …`. */
export class Volley {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(args: readonly (string | number)[], env: Record<string, string> = {}, input = '') {
    const argv = [MAIN, ...args.map(String)];
    this.process = spawn(process.execPath, argv, {
      cwd: ROOT,
      // VOLLEY_HOME: a test must never meet the cluster of whoever runs it.
      env: {...process.env, VOLLEY_HOME: '/nonexistent/volley', NODE_NO_WARNINGS: '1', ...env},
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.process.stdout?.on('data', chunk => {
      this.stdout += String(chunk);
    });
    this.process.stderr?.on('data', chunk => {
      this.stderr += String(chunk);
    });
    this.process.stdin?.on('error', () => {});
    this.process.stdin?.end(input);
    this.ended = once(this.process, 'close').then(([code]) => {
      const {stdout, stderr} = this;
      return {code: code as number | null, stdout, stderr};
    });
  }

  /** Waits for a text on stdout; fails when the process ends before. */
  async says(text: string): Promise<void> {
    const until = Date.now() + WAIT_MS;
    while (!this.stdout.includes(text)) {
      const {exitCode} = this.process;
      if (exitCode !== null || Date.now() > until)
        throw new Error(`no "${text}" (exit ${exitCode}): ${this.stdout}\n${this.stderr}`);
      await sleep(25);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.process.kill(signal);
    return this.ended;
  }
}

export const volley = (
  args: readonly (string | number)[],
  env?: Record<string, string>,
  input?: string,
): Promise<Ended> => new Volley(args, env, input).ended;

/** Built once for all; what is up to date is left alone. */
export const needApps = (): Promise<string[]> => buildApps();

export async function temporaryFolder(t: Teardown): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'volley-cli-'));
  t.teardown(() => rm(dir, {recursive: true, force: true, maxRetries: 5}));
  return dir;
}

/** Ends with the test, however that goes. */
export function start(
  t: Teardown,
  args: readonly (string | number)[],
  env?: Record<string, string>,
): Volley {
  const started = new Volley(args, env);
  t.teardown(async () => {
    if (started.process.exitCode !== null || started.process.signalCode !== null) return;
    const late = setTimeout(() => started.process.kill('SIGKILL'), 8_000);
    await started.stop();
    clearTimeout(late);
  });
  return started;
}

export type Cluster = {readonly dir: string; readonly data: string; readonly ports: Ports};

export const masterFlags = ({data, ports}: Cluster): (string | number)[] => [
  '--data',
  data,
  '--interface',
  HOST,
  '--port',
  ports.port,
  '--group-port',
  ports.groupPort,
  '--http-port',
  ports.httpPort,
  '--blob-port',
  ports.blobPort,
];

export const nodeFlags = ({dir, ports}: Cluster, name: string): (string | number)[] => [
  '--data',
  join(dir, name),
  '--name',
  name,
  '--interface',
  HOST,
  '--group-port',
  ports.groupPort,
  '--master-port',
  ports.port,
];

/** A cluster that is made and not yet running. */
export async function newCluster(t: Teardown): Promise<Cluster> {
  await needApps();
  const dir = await temporaryFolder(t);
  const data = join(dir, 'master');
  const made = await volley(['init', '--data', data, '--name', 'test', '--json'], {
    VOLLEY_PASSPHRASE: PASSPHRASE,
  });
  if (made.code !== 0) throw new Error(made.stderr);
  return {dir, data, ports: await freePorts(HOST)};
}

/** The command line that the master shows, as arguments. */
export const shownJoin = (master: Volley): string =>
  /volley node --join (\S+)/.exec(master.stdout)?.[1] ?? '';

/** A running cluster: the master and nodes that have joined, with this node.json if one is given. */
export async function runningCluster(
  t: Teardown,
  names: readonly string[],
  settings?: object,
): Promise<Cluster & {readonly master: Volley; readonly nodes: readonly Volley[]}> {
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const join_ = ['--join', shownJoin(master), '--slots', 1];
  for (const name of settings ? names : []) {
    await mkdir(join(cluster.dir, name), {mode: 0o700});
    const path = join(cluster.dir, name, 'node.json');
    await writeFile(path, JSON.stringify(settings), {mode: 0o600});
  }
  const nodes = names.map(name =>
    start(t, ['node', ...nodeFlags(cluster, name), '--label', `of-${name}`, ...join_]),
  );
  for (const node of nodes) await node.says('joined');
  return {...cluster, master, nodes};
}
