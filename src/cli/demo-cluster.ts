// A cluster of real processes on this machine: one master and some nodes, each `volley master` and `volley
// node` as a user would start them. They live in a temporary folder and die with us: each holds a pipe to
// us as its stdin and ends when that does, even when we are killed.

import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, mkdtempSync, openSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fromHex} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {asAddress} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {NodeView} from '../core/views.ts';
import {OperatorClient} from '../http/client.ts';
import {initCluster, readOperatorToken} from '../io/cluster-files.ts';
import {NodeCrypto} from '../io/crypto.ts';
import {readMasterPlace} from '../library/master-place.ts';
import {encodeToken} from '../wire/token.ts';
import {prepareBuiltInApps} from './built-in-apps.ts';
import {checkBuiltInApps} from './built-in-check.ts';
import {freePorts, type Ports} from './free-ports.ts';

const HOST = '127.0.0.1';
const START_MS_MAX = 30 * SECOND_MS;
/** From SIGTERM to SIGKILL. */
const END_MS_MAX = 5 * SECOND_MS;
const LOG_LINES = 12;

type Member = {
  readonly name: string;
  readonly log: string;
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  /** We ended it ourselves. */
  ending: boolean;
};

export type DemoOptions = {
  /** The processes stay when we end. */
  readonly keep: boolean;
  /** A process that we did not end is gone. */
  readonly onLost: (error: Error) => void;
};

export class DemoCluster {
  readonly dir: string;
  readonly #options: DemoOptions;
  readonly #members = new Map<string, Member>();
  #ports: Ports | undefined;
  #fingerprint = new Uint8Array();
  #client: OperatorClient | undefined;
  /** What is being made must be there before it can be removed. */
  #starting: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: DemoOptions) {
    checkBuiltInApps();
    this.#options = options;
    this.dir = mkdtempSync(join(tmpdir(), 'volley-demo-'));
  }

  get masterDir(): string {
    return join(this.dir, 'master');
  }

  get client(): OperatorClient {
    if (!this.#client) throw new Error('the demo has no master yet');
    return this.#client;
  }

  get pids(): number[] {
    return [...this.#members.values()].flatMap(member => member.process.pid ?? []);
  }

  startMaster(): Promise<void> {
    const starting = this.#startMaster();
    this.#starting = starting.catch(() => {});
    return starting;
  }

  async #startMaster(): Promise<void> {
    const crypto = new NodeCrypto();
    const made = await initCluster(this.masterDir, crypto, {name: 'demo'});
    await prepareBuiltInApps(this.masterDir, crypto, made.appKey);
    this.#fingerprint = new Uint8Array(made.rootFingerprint);
    const ports = await freePorts(HOST);
    this.#ports = ports;
    const flags = ['--http-port', ports.httpPort, '--blob-port', ports.blobPort];
    this.#start('master', ['--quiet', '--port', ports.port, ...flags], this.masterDir);
    const place = await this.#until('the start of the master', async () =>
      readMasterPlace(this.masterDir),
    );
    const token = readOperatorToken(this.masterDir);
    this.#client = new OperatorClient({url: place.httpUrl, token});
  }

  /** Starts nodes that join, named node-1 … */
  async addNodes(count: number): Promise<void> {
    const {secret} = await this.client.token(count, 1);
    const token = encodeToken({
      fingerprint: this.#fingerprint,
      secret: fromHex(secret) ?? new Uint8Array(),
      address: asAddress(`${HOST}:${this.#ports?.port}`),
    });
    for (let no = 1; no <= count; no++) this.startNode(no, ['--join', token]);
  }

  /** A node that has joined once needs no token. */
  startNode(no: number, flags: readonly string[] = []): void {
    const name = `node-${no}`;
    const own = ['--name', name, '--label', no % 2 === 1 ? 'left' : 'right', '--slots', 1];
    const ports = ['--master-port', this.#ports?.port ?? 0];
    this.#start('node', [...own, ...ports, ...flags], join(this.dir, name), name);
  }

  /** Waits until this many nodes are up. */
  async nodesUp(count: number, onChange: (up: number) => void): Promise<readonly NodeView[]> {
    return this.#until(`the joining of ${count} nodes`, async () => {
      const nodes = await this.client.nodes();
      const up = nodes.filter(node => node.state === 'up');
      onChange(up.length);
      return up.length >= count ? nodes : undefined;
    });
  }

  /** SIGKILL: no goodbye, no last write. Answers its process id. */
  async kill(no: number): Promise<number> {
    const member = this.#members.get(`node-${no}`);
    if (!member) throw new Error(`the demo has no node ${no}`);
    member.ending = true;
    member.process.kill('SIGKILL');
    await member.exited;
    return member.process.pid ?? 0;
  }

  /** Ends all processes and waits for them, then removes the folder. Twice is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#client?.close();
    const members = [...this.#members.values()];
    for (const member of members) {
      member.ending = true;
      member.process.kill('SIGTERM');
    }
    const late = setTimeout(() => this.killAll(), END_MS_MAX);
    await Promise.all(members.map(member => member.exited));
    clearTimeout(late);
    await this.#starting;
    rmSync(this.dir, {recursive: true, force: true, maxRetries: 5, retryDelay: 50});
  }

  /** At once and without waiting. */
  killAll(): void {
    for (const member of this.#members.values()) {
      member.ending = true;
      member.process.kill('SIGKILL');
    }
  }

  /** We end, they stay. */
  leave(): void {
    this.#closed = true;
    this.#client?.close();
    for (const member of this.#members.values()) {
      member.ending = true;
      member.process.unref();
    }
  }

  /** The last lines of every log, for a demo that failed. */
  logTails(): string[] {
    return [...this.#members.values()].flatMap(({name, log}) => {
      const lines = readLog(log)
        .split('\n')
        .slice(-LOG_LINES - 1, -1);
      return [`--- ${name}`, ...lines];
    });
  }

  #start(
    command: 'master' | 'node',
    flags: readonly (string | number)[],
    data: string,
    name: string = command,
  ): void {
    if (this.#closed) return;
    const {keep} = this.#options;
    const common = ['--data', data, '--interface', HOST, '--group-port', this.#ports?.groupPort];
    const argv = [
      ...process.execArgv,
      process.argv[1] ?? '',
      command,
      ...common.map(String),
      ...flags.map(String),
      ...(keep ? [] : ['--until-stdin-ends']),
    ];
    const log = join(this.dir, `${name}.log`);
    const out = openSync(log, 'a', 0o600);
    // A process group of its own: Ctrl-C reaches us alone, and we end the others in order.
    const process_ = spawn(process.execPath, argv, {
      stdio: [keep ? 'ignore' : 'pipe', out, out],
      detached: true,
    });
    closeSync(out);
    // A write to a child that is gone is no news: its exit is.
    process_.stdin?.on('error', () => {});
    const exited = once(process_, 'exit').catch((error: unknown) => [String(error)]);
    const member: Member = {name, log, process: process_, exited, ending: false};
    this.#members.set(name, member);
    void exited.then(how => this.#onExit(member, how));
  }

  #onExit(member: Member, how: unknown): void {
    if (member.ending) return;
    const reason = `${member.name} of the demo has ended by itself (${String(how)})`;
    this.#options.onLost(new VolleyError('VOLLEY_INTERNAL', {reason}));
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const until = performance.now() + START_MS_MAX;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (this.#closed || performance.now() > until)
        throw new VolleyError('VOLLEY_TIMEOUT', {what, limit: `${START_MS_MAX / SECOND_MS} s`});
      await sleep(50);
    }
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
