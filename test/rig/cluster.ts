// A real cluster for tests and benchmarks: one master and N nodes, each a process of the built program, on
// 127.0.0.1 with ports of its own, or each on its own host of a LAN rig. Any of them may be killed and
// started again.

import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {BlobId} from '../../src/base/types.ts';
import {OperatorClient} from '../../src/http/client.ts';
import {openDoor} from './lan-door.ts';
import type {LanRig} from './lan-rig.ts';

/** As it was built; `npm test` has it in fewer files, for a faster start. */
export const PROGRAM =
  process.env['VOLLEY_PROGRAM'] ??
  fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** A wait ends as soon as it may: only what fails takes so long, on however slow a machine. */
const START_MS_MAX = 150_000;

type Ports = {
  readonly unicast: number;
  readonly group: number;
  readonly http: number;
  readonly blob: number;
};

/** Where the processes are: on this machine's loopback, or on hosts of a LAN. */
type Place = {
  readonly ports: Ports;
  readonly interface: string;
  readonly lan?: LanRig;
  /** What the processes complain of goes to files, and is not the test's to show. */
  readonly toFiles: boolean;
};

export class Cluster {
  readonly dir: string;
  readonly client: OperatorClient;
  readonly #place: Place;
  readonly #token: string;
  readonly #nodes: (ChildProcess | undefined)[] = [];
  readonly #closers: (() => Promise<void>)[];
  #master: ChildProcess | undefined;

  /** Use openCluster. */
  constructor(parts: {
    dir: string;
    place: Place;
    master: ChildProcess;
    token: string;
    httpPort: number;
    closers: (() => Promise<void>)[];
  }) {
    const {dir, place, master, token, httpPort} = parts;
    this.dir = dir;
    this.#place = place;
    this.#master = master;
    this.#token = token;
    this.#closers = parts.closers;
    const operatorToken = readFileSync(join(dir, 'master', 'operator.token'), 'utf8').trim();
    this.client = new OperatorClient({url: `http://127.0.0.1:${httpPort}`, token: operatorToken});
  }

  /** Where datagrams to this cluster go. */
  get udp(): {readonly unicast: number; readonly group: number} {
    return this.#place.ports;
  }

  get masterPid(): number {
    return this.#master?.pid ?? 0;
  }

  /** What another node needs to join. */
  get joining(): {readonly token: string; readonly unicast: number; readonly group: number} {
    const {unicast, group} = this.#place.ports;
    return {token: this.#token, unicast, group};
  }

  /** Its blob at the master. */
  async store(bytes: Uint8Array): Promise<BlobId> {
    async function* once(): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes;
    }
    return (await this.client.putBlob(once())).blobId;
  }

  get nodePids(): readonly number[] {
    return this.#nodes.map(node => node?.pid ?? 0);
  }

  startNode(no: number, slots = 1, extra: readonly string[] = []): void {
    const name = `node${no}`;
    const {ports} = this.#place;
    const own = ['--data', join(this.dir, name), '--name', name, '--quiet'];
    const net = ['--interface', this.#place.interface, '--group-port', `${ports.group}`];
    const more = ['--master-port', `${ports.unicast}`, '--slots', `${slots}`];
    const known = existsSync(join(this.dir, name, 'store'));
    const joining = known ? [] : ['--join', this.#token];
    const args = ['node', ...joining, ...more, ...net, ...own, ...extra];
    this.#nodes[no] = start(this.#place, `n${no + 1}`, join(this.dir, `${name}.log`), args);
  }

  /** Nodes that ended though nobody told them to: how, and their last words. */
  get lostNodes(): readonly string[] {
    return this.#nodes.flatMap((node, no) => {
      const how = node?.signalCode ?? node?.exitCode ?? undefined;
      if (how === undefined) return [];
      return [`ended with ${how}: ${this.#lastWords(no)}`];
    });
  }

  #lastWords(no: number): string {
    const lines = this.logOf(no).trim().split('\n').slice(-5);
    return [`node${no}:`, ...lines].join('\n  ');
  }

  /** What a node has written to its file, over all its lives. */
  logOf(no: number): string {
    return readFileSync(join(this.dir, `node${no}.log`), 'utf8');
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
    this.#master = startMaster(this.dir, this.#place);
    await until(() => isUp(this.dir), 'the master');
  }

  /** A master that is expected to end by itself; how it did. */
  tryMaster(): {readonly code: number | null; readonly stderr: string} {
    const [program = '', ...rest] = masterCommand(this.dir, this.#place);
    const {status, stderr} = spawnSync(program, rest, {encoding: 'utf8', timeout: START_MS_MAX});
    return {code: status, stderr};
  }

  /** Resolves when so many nodes are up. */
  async nodesUp(count: number): Promise<void> {
    const areUp = async () => (await this.client.status()).nodes.up >= count || undefined;
    try {
      await until(areUp, `${count} nodes`);
    } catch (error) {
      const nodes = await this.client.nodes();
      const up = new Set(nodes.flatMap(({name, state}) => (state === 'up' ? [name] : [])));
      const words = this.#nodes.flatMap((node, no) =>
        node && !up.has(`node${no}`) ? [this.#lastWords(no)] : [],
      );
      throw new Error([(error as Error).message, ...this.lostNodes, ...words].join('\n'));
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#master, ...this.#nodes].map(child => end(child, 'SIGTERM')));
    for (const close of this.#closers) await close();
    rmSync(this.dir, {recursive: true, force: true});
  }
}

/**
 * @param lan the hosts to run on; it stays the caller's to close
 * @param toFiles stderr of all goes to files, as it always does on a LAN
 */
export async function openCluster(
  nodeCount: number,
  slots = 1,
  lan?: LanRig,
  toFiles = lan !== undefined,
): Promise<Cluster> {
  if (!existsSync(PROGRAM)) throw new Error('there is no dist: run `npm run build` first');
  const dir = mkdtempSync(join(tmpdir(), 'volley-rig-'));
  const data = join(dir, 'master');
  run(['init', '--data', data, '--json']);
  const place: Place = lan
    ? {ports: DEFAULT_PORTS, interface: 'eth0', lan, toFiles}
    : {ports: await freePorts(), interface: '127.0.0.1', toFiles};
  const master = startMaster(dir, place);
  await until(() => isUp(dir), 'the master');
  const inside = lan?.enter('master') ?? [];
  const text = run(['nodes', 'token', '--data', data, '--uses', '2000', '--json'], inside);
  const {token} = JSON.parse(text) as {token: string};
  const {http} = place.ports;
  const door = lan && (await openDoor(lan, 'master', http, join(dir, 'door')));
  const closers = door ? [() => door.close()] : [];
  const httpPort = door?.port ?? http;
  const cluster = new Cluster({dir, place, master, token, httpPort, closers});
  try {
    for (let no = 0; no < nodeCount; no++) cluster.startNode(no, slots);
    await cluster.nodesUp(nodeCount);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** Those that everybody has: each host of a LAN has all of them for itself. */
const DEFAULT_PORTS: Ports = {unicast: 6_273, group: 6_272, http: 6_271, blob: 6_274};

function masterArgs(dir: string, place: Place): string[] {
  const {unicast, group, http, blob} = place.ports;
  const net = ['--interface', place.interface, '--group-port', `${group}`, '--quiet'];
  const ports = ['--port', `${unicast}`, '--http-port', `${http}`, '--blob-port', `${blob}`];
  return ['master', '--data', join(dir, 'master'), ...net, ...ports];
}

const startMaster = (dir: string, place: Place): ChildProcess =>
  start(place, 'master', join(dir, 'master.log'), masterArgs(dir, place));

const masterCommand = (dir: string, place: Place): string[] => [
  ...(place.lan?.enter('master') ?? []),
  process.execPath,
  PROGRAM,
  ...masterArgs(dir, place),
];

/**
 * The main threads of nodes that fire are real-time. A master shares its cores with none of them: here, where it
 * does, it would say its repeats when all of these have nothing more to do.
 */
const REAL_TIME = ['chrt', '--reset-on-fork', '--rr', '9'];
const onItsOwn = spawnSync('chrt', ['--rr', '9', 'true']).status === 0 ? REAL_TIME : [];

const isUp = (dir: string): true | undefined =>
  existsSync(join(dir, 'master', 'master.json')) || undefined;

function start(
  {lan, toFiles}: Place,
  host: string,
  log: string,
  args: readonly string[],
): ChildProcess {
  const inside = lan ? [...lan.enter(host), ...(host === 'master' ? onItsOwn : [])] : [];
  const command = [...inside, process.execPath, PROGRAM, ...args];
  const [program = '', ...rest] = [...command, '--until-stdin-ends'];
  if (!toFiles) return spawn(program, rest, {stdio: ['pipe', 'ignore', 'inherit']});
  const file = openSync(log, 'a');
  const child = spawn(program, rest, {stdio: ['pipe', 'ignore', file]});
  closeSync(file);
  return child;
}

/** The built program, as far as its end; `code` is its exit code. */
export function volley(args: readonly string[]) {
  const {status, stdout, stderr} = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
  });
  return {code: status, stdout, stderr};
}

function run(args: readonly string[], inside: readonly string[] = []): string {
  const [program = '', ...rest] = [...inside, process.execPath, PROGRAM, ...args];
  const {status, stdout, stderr} = spawnSync(program, rest, {encoding: 'utf8'});
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

/** Asks again and again; rejects when nothing is found for so long. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  what: string,
  msMax = START_MS_MAX,
): Promise<T> {
  const since = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() - since > msMax) throw new Error(`${what} did not come up`);
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
