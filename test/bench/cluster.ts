// A real cluster for measuring: one master and N nodes, each a process of the built program, on
// 127.0.0.1. What a process used is read from /proc, its runners' share beside it.

import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {OperatorClient} from '../../src/http/client.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** USER_HZ: ticks of /proc/<pid>/stat in a second, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const START_MS_MAX = 60_000;

export type Usage = {
  /** User and system time, microseconds. */
  readonly cpuUs: number;
  readonly runnersCpuUs: number;
  readonly residentBytes: number;
  /** Bytes that went to the disk, and were not taken back. */
  readonly writtenBytes: number;
};

export type Cluster = {
  readonly client: OperatorClient;
  readonly master: number;
  readonly nodes: readonly number[];
  close(): Promise<void>;
};

export async function openCluster(nodeCount: number, slots = 1): Promise<Cluster> {
  if (!existsSync(PROGRAM)) throw new Error('there is no dist: run `npm run build` first');
  const dir = mkdtempSync(join(tmpdir(), 'volley-bench-'));
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(children.map(child => end(child)));
    rmSync(dir, {recursive: true, force: true});
  };
  try {
    const data = join(dir, 'master');
    run(['init', '--data', data, '--json']);
    const [port, groupPort, httpPort, blobPort] = await freePorts();
    const net = ['--interface', '127.0.0.1', '--group-port', `${groupPort}`, '--quiet'];
    const ports = ['--port', `${port}`, '--http-port', `${httpPort}`, '--blob-port', `${blobPort}`];
    children.push(start(['master', '--data', data, ...net, ...ports]));
    const place = await until(() => placeOf(data), 'the master');
    const token = run(['nodes', 'token', '--data', data, '--uses', `${nodeCount}`, '--json']);
    const join_ = (JSON.parse(token) as {token: string}).token;
    for (let i = 0; i < nodeCount; i++) {
      const own = ['--data', join(dir, `node${i}`), '--name', `node${i}`, '--slots', `${slots}`];
      children.push(start(['node', '--join', join_, '--master-port', `${port}`, ...net, ...own]));
    }
    const operatorToken = readFileSync(join(data, 'operator.token'), 'utf8').trim();
    const client = new OperatorClient({url: place.httpUrl, token: operatorToken});
    await until(
      async () => (await client.status()).nodes.up === nodeCount || undefined,
      `${nodeCount} nodes`,
    );
    const [master, ...nodes] = children.map(child => child.pid ?? 0);
    return {client, master: master ?? 0, nodes, close};
  } catch (error) {
    await close();
    throw error;
  }
}

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

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>(resolve => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(late);
}

function placeOf(data: string): {httpUrl: string} | undefined {
  const path = join(data, 'master.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  what: string,
): Promise<T> {
  const since = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() - since > START_MS_MAX) throw new Error(`${what} did not come up`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** Two UDP and two TCP ports that are free now. */
async function freePorts(): Promise<readonly number[]> {
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
  return [await udp(), await udp(), await tcp(), await tcp()];
}

export function usageOf(pid: number): Usage {
  return {
    cpuUs: cpuUsOf(pid),
    runnersCpuUs: childrenOf(pid).reduce((sum, child) => sum + cpuUsOf(child), 0),
    residentBytes: residentOf(pid),
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(read(pid, 'io'))?.[1] ?? 0),
  };
}

function cpuUsOf(pid: number): number {
  const stat = read(pid, 'stat');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
}

const residentOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1_024;

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(task => {
    const text = read(pid, `task/${task}/children`).trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
