// Others that bring one file to many hosts of a LAN rig, for `npm run bench -- bulk`: udpcast and UFTP (Debian
// packages, with their receivers named beforehand as far as they can), and HTTP to each host.

import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {until} from '../rig/cluster.ts';
import type {LanRig} from '../rig/lan-rig.ts';

export type Job = {
  readonly lan: LanRig;
  readonly hosts: readonly string[];
  /** What is sent, and a folder for what arrives. */
  readonly file: string;
  readonly dir: string;
  readonly rateMbit: number;
  readonly limitMs: number;
};

/** undefined ms = not everybody had it in time. `busy`: of all processors of this machine meanwhile, 0 … 1. */
export type Timed = {
  readonly ms: number | undefined;
  readonly whole: number;
  readonly busy: number;
};

export type Peer = {
  readonly name: string;
  readonly program: string;
  /** It takes as long as all of them one after the other, whatever is lost: measured once in a room. */
  readonly isOnce?: true;
  readonly run: (job: Job) => Promise<Omit<Timed, 'busy'>>;
};

/** Receivers listen before anything is sent. */
const LISTEN_MS = 1_000;
const HTTP_PORT = 7_778;
/** Of the link, for all. */
export const LINK_PART = 0.97;
const SERVER = `const fs=require('fs'),f=process.argv[1];require('http').createServer((q,r)=>fs.createReadStream(f).pipe(r)).listen(${HTTP_PORT},()=>console.log('up'))`;

const outOf = ({dir}: Job, host: string): string => join(dir, host);

function on(lan: LanRig, host: string, words: readonly string[], pipe = false): ChildProcess {
  const [program = '', ...rest] = [...lan.enter(host), ...words];
  return spawn(program, rest, {stdio: ['ignore', pipe ? 'pipe' : 'ignore', 'ignore']});
}

/** Waits for the end of all, or ends them. @returns when the last one ended, of `performance.now()` */
async function endOf(children: readonly ChildProcess[], limitMs: number): Promise<number> {
  const timer = setTimeout(() => {
    for (const child of children) child.kill('SIGKILL');
  }, limitMs);
  const isRunning = ({exitCode, signalCode}: ChildProcess) =>
    exitCode === null && signalCode === null;
  await Promise.all(children.filter(isRunning).map(child => once(child, 'exit')));
  clearTimeout(timer);
  return performance.now();
}

function wholeOf(job: Job, nameOf: (host: string) => string): number {
  const {size} = statSync(job.file);
  return job.hosts.filter(host => {
    const path = nameOf(host);
    return existsSync(path) && statSync(path).size === size;
  }).length;
}

const timed = (job: Job, whole: number, ms: number): Omit<Timed, 'busy'> => ({
  whole,
  ms: whole === job.hosts.length ? ms : undefined,
});

/** `--fec 8x8/128`: 6 % of parity along, and retransmission of what that does not mend. */
async function udpcast(job: Job, fec: readonly string[]): Promise<Omit<Timed, 'busy'>> {
  const {lan, hosts, file, rateMbit, limitMs} = job;
  const receivers = hosts.map(host =>
    on(lan, host, ['udp-receiver', '--file', outOf(job, host), '--nokbd', '--interface', 'eth0']),
  );
  await sleep(LISTEN_MS);
  const begunAt = performance.now();
  const rate = `${Math.round(rateMbit * LINK_PART * 1_000)}k`;
  const few = ['--min-receivers', String(hosts.length), '--max-wait', '5', '--nokbd'];
  const sender = on(lan, 'master', [
    ...['udp-sender', '--file', file, '--interface', 'eth0', ...few, '--max-bitrate', rate],
    ...['--rexmit-hello-interval', '200', ...fec],
  ]);
  const at = await endOf([sender, ...receivers], limitMs);
  return timed(
    job,
    wholeOf(job, host => outOf(job, host)),
    at - begunAt,
  );
}

async function uftp(job: Job): Promise<Omit<Timed, 'busy'>> {
  const {lan, hosts, file, rateMbit, limitMs} = job;
  const uid = (i: number): string => `0x${(i + 1).toString(16).padStart(8, '0').toUpperCase()}`;
  const receivers = hosts.map((host, i) => {
    mkdirSync(outOf(job, host));
    // -q: without a name server each waits for one.
    const own = ['-D', outOf(job, host), '-U', uid(i), '-B', '4194304'];
    return on(lan, host, ['uftpd', '-d', '-q', '-I', 'eth0', ...own]);
  });
  await sleep(LISTEN_MS);
  const begunAt = performance.now();
  const rate = String(Math.round(rateMbit * LINK_PART * 1_000));
  const named = ['-H', hosts.map((_, i) => uid(i)).join(',')];
  const sender = on(lan, 'master', [
    'uftp',
    '-R',
    rate,
    '-I',
    'eth0',
    '-r',
    '0.05',
    ...named,
    file,
  ]);
  const at = await endOf([sender], limitMs);
  for (const receiver of receivers) receiver.kill('SIGTERM');
  await endOf(receivers, 5_000);
  const name = file.slice(file.lastIndexOf('/') + 1);
  return timed(
    job,
    wholeOf(job, host => join(outOf(job, host), name)),
    at - begunAt,
  );
}

async function http(job: Job): Promise<Omit<Timed, 'busy'>> {
  const {lan, hosts, file, limitMs} = job;
  const server = on(lan, 'master', [process.execPath, '-e', SERVER, file], true);
  let said = '';
  server.stdout?.on('data', chunk => {
    said += String(chunk);
  });
  await until(() => said.includes('up') || undefined, 'the server');
  const begunAt = performance.now();
  const url = `http://${lan.address('master')}:${HTTP_PORT}/`;
  const clients = hosts.map(host => on(lan, host, ['curl', '-s', '-o', outOf(job, host), url]));
  const at = await endOf(clients, limitMs);
  server.kill('SIGTERM');
  await endOf([server], 5_000);
  return timed(
    job,
    wholeOf(job, host => outOf(job, host)),
    at - begunAt,
  );
}

export const PEERS: readonly Peer[] = [
  {name: 'udpcast, retransmission', program: 'udp-sender', run: job => udpcast(job, [])},
  {
    name: 'udpcast, parity 8 to 128',
    program: 'udp-sender',
    run: job => udpcast(job, ['--fec', '8x8/128']),
  },
  {name: 'uftp, receivers named', program: 'uftp', run: uftp},
  {name: 'HTTP to each', program: 'curl', isOnce: true, run: http},
];

/** Of all processors, from now until it is asked. */
export function busySince(): () => number {
  const before = ticks();
  return () => {
    const after = ticks();
    return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
  };
}

/** user, nice, system, idle, iowait, …: proc(5). */
function ticks(): {readonly idle: number; readonly all: number} {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const counts = line.trim().split(/ +/).slice(1, 9).map(Number);
  return {
    idle: (counts[3] ?? 0) + (counts[4] ?? 0),
    all: counts.reduce((sum, count) => sum + count, 0),
  };
}

/** Runs it in an empty folder; undefined = its program is not here. */
export async function runPeer(peer: Peer, job: Job): Promise<Timed | undefined> {
  if (spawnSync('sh', ['-c', `command -v ${peer.program}`]).status !== 0) return undefined;
  mkdirSync(job.dir, {recursive: true});
  const busy = busySince();
  try {
    const done = await peer.run(job);
    return {...done, busy: busy()};
  } finally {
    rmSync(job.dir, {recursive: true, force: true});
  }
}
