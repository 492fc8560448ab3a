// A real cluster for tests and benchmarks: one master and N nodes, each a process of the built program, on
// 127.0.0.1, with ports of its own. Any of them may be killed and started again.

import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {OperatorClient} from '../../src/http/client.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const START_MS_MAX = 60_000;

type Ports = {
  readonly unicast: number;
  readonly group: number;
  readonly http: number;
  readonly blob: number;
};

export class Cluster {
  readonly dir: string;
  readonly client: OperatorClient;
  readonly #ports: Ports;
  readonly #token: string;
  readonly #nodes: (ChildProcess | undefined)[] = [];
  #master: ChildProcess | undefined;

  /** Use openCluster. */
  constructor(dir: string, ports: Ports, master: ChildProcess, token: string) {
    this.dir = dir;
    this.#ports = ports;
    this.#master = master;
    this.#token = token;
    const operatorToken = readFileSync(join(dir, 'master', 'operator.token'), 'utf8').trim();
    this.client = new OperatorClient({
      url: `http://127.0.0.1:${ports.http}`,
      token: operatorToken,
    });
  }

  get masterPid(): number {
    return this.#master?.pid ?? 0;
  }

  get nodePids(): readonly number[] {
    return this.#nodes.map(node => node?.pid ?? 0);
  }

  startNode(no: number, slots = 1): void {
    const own = ['--data', join(this.dir, `node${no}`), '--name', `node${no}`];
    const net = ['--interface', '127.0.0.1', '--group-port', `${this.#ports.group}`, '--quiet'];
    const more = ['--master-port', `${this.#ports.unicast}`, '--slots', `${slots}`];
    const known = existsSync(join(this.dir, `node${no}`, 'store'));
    const joining = known ? [] : ['--join', this.#token];
    this.#nodes[no] = start(['node', ...joining, ...more, ...net, ...own]);
  }

  async killNode(no: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await end(this.#nodes[no], signal);
    this.#nodes[no] = undefined;
  }

  async killMaster(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await end(this.#master, signal);
    this.#master = undefined;
    rmSync(join(this.dir, 'master', 'master.json'), {force: true});
  }

  /** Resolves when the master answers again. */
  async startMaster(): Promise<void> {
    this.#master = startMaster(this.dir, this.#ports);
    await until(() => isUp(this.dir), 'the master');
  }

  /** Resolves when so many nodes are up. */
  async nodesUp(count: number): Promise<void> {
    await until(
      async () => (await this.client.status()).nodes.up >= count || undefined,
      `${count} nodes`,
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.#master, ...this.#nodes].map(child => end(child, 'SIGTERM')));
    rmSync(this.dir, {recursive: true, force: true});
  }
}

export async function openCluster(nodeCount: number, slots = 1): Promise<Cluster> {
  if (!existsSync(PROGRAM)) throw new Error('there is no dist: run `npm run build` first');
  const dir = mkdtempSync(join(tmpdir(), 'volley-rig-'));
  const data = join(dir, 'master');
  run(['init', '--data', data, '--json']);
  const ports = await freePorts();
  const master = startMaster(dir, ports);
  await until(() => isUp(dir), 'the master');
  const text = run(['nodes', 'token', '--data', data, '--uses', '100', '--json']);
  const cluster = new Cluster(dir, ports, master, (JSON.parse(text) as {token: string}).token);
  try {
    for (let no = 0; no < nodeCount; no++) cluster.startNode(no, slots);
    await cluster.nodesUp(nodeCount);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

function startMaster(dir: string, {unicast, group, http, blob}: Ports): ChildProcess {
  const net = ['--interface', '127.0.0.1', '--group-port', `${group}`, '--quiet'];
  const ports = ['--port', `${unicast}`, '--http-port', `${http}`, '--blob-port', `${blob}`];
  return start(['master', '--data', join(dir, 'master'), ...net, ...ports]);
}

const isUp = (dir: string): true | undefined =>
  existsSync(join(dir, 'master', 'master.json')) || undefined;

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...args, '--until-stdin-ends'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}

function run(args: readonly string[]): string {
  const {status, stdout, stderr} = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`volley ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()));
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await gone;
  clearTimeout(late);
}

/** Asks again and again; rejects when nothing is found for a minute. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  what: string,
): Promise<T> {
  const since = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() - since > START_MS_MAX) throw new Error(`${what} did not come up`);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
}

/** Ports that are free now, all different. */
async function freePorts(): Promise<Ports> {
  const udp = () =>
    new Promise<number>((resolve, reject) => {
      const socket = createSocket('udp4');
      socket.once('error', reject);
      socket.bind(0, '127.0.0.1', () => {
        const {port} = socket.address();
        socket.close(() => resolve(port));
      });
    });
  const tcp = () =>
    new Promise<number>((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const {port} = server.address() as {port: number};
        server.close(() => resolve(port));
      });
    });
  return {unicast: await udp(), group: await udp(), http: await tcp(), blob: await tcp()};
}
