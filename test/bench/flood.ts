// What an honest user notices while a stranger floods both ports: junk of several kinds, from many addresses,
// half of it to the master's port and half to the group that all nodes hear. Sender, master and nodes share
// the cores of this machine, so the rate that the sender reached is part of the result, and what a bare socket
// takes of the same flood in the same run is the measure.

import {type ChildProcess, fork} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {GROUP} from '../../src/io/udp.ts';
import {INITIATION_BYTES} from '../../src/wire/limits.ts';
import {macKeyOf} from '../../src/wire/session.ts';
import {openTrust} from '../../src/wire/trust.ts';
import {type Cluster, openCluster} from '../rig/cluster.ts';
import {number, percentile, type Row, table} from './report.ts';
import {Singles} from './singles.ts';
import {usageOf} from './usage.ts';

const SENDER = fileURLToPath(new URL('./flood-sender.mjs', import.meta.url));
const SINK = fileURLToPath(new URL('./flood-sink.mjs', import.meta.url));
const NODES = 2;
const SINGLES_WARM_UP = 400;
const SINGLES_IDLE = 400;
const BARE_MS = 2_000;
const RECORD_MS = 1_500;
const FRAMES_OF_A_KIND = 64;
/** So many in a row no slower than the slowest at idle: it is over. */
const CALM_IN_A_ROW = 10;

export const FLOOD_GOALS = {p99Times: 5, growthMib: 32, recoverySeconds: 5} as const;

type Target = {readonly host: string; readonly port: number; readonly multicast: boolean};

export type Flood = {
  readonly seconds: number;
  readonly askedPerSecond: number;
  /** What the sender reached. */
  readonly sentPerSecond: number;
  /** A bare Node socket under the same flood, alone on the machine. */
  readonly bareSentPerSecond: number;
  readonly bareReceivedPerSecond: number;
  /** Junk that the master read and dropped; the rest the kernel dropped before it. */
  readonly masterDropsPerSecond: number;
  readonly masterCpuPercent: number;
  readonly nodeCpuPercent: number;
  readonly singles: number;
  readonly idleMsP50: number;
  readonly idleMsP99: number;
  readonly floodMsP50: number;
  readonly floodMsP99: number;
  readonly masterGrowthMib: number;
  readonly nodeGrowthMib: number;
  readonly recoveryMs: number;
  /** What the master counted, by name. */
  readonly drops: Readonly<Record<string, number>>;
};

export async function flood(seconds: number, perSecond: number): Promise<Flood> {
  const cluster = await openCluster(NODES);
  const singles = new Singles(cluster.client);
  try {
    await times(singles, SINGLES_WARM_UP);
    const frames = await junk(cluster);
    const bare = await bareSocket(frames, perSecond);
    const idle = await times(singles, SINGLES_IDLE);
    const idleMsP99 = percentile(idle, 99);
    const flooded = await whileFlooded(cluster, singles, {frames, seconds, perSecond});
    const recoveryMs = await recovery(singles, idleMsP99);
    return {
      seconds,
      askedPerSecond: perSecond,
      ...bare,
      ...flooded,
      idleMsP50: percentile(idle, 50),
      idleMsP99,
      recoveryMs,
    };
  } finally {
    await singles.close();
    await cluster.close();
  }
}

async function times(singles: Singles, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push(await singles.one());
  return all;
}

/** Four kinds: dice, another version of ours, initiations that anybody could make, and what was recorded. */
async function junk(cluster: Cluster): Promise<Buffer[]> {
  const crypto = new NodeCrypto();
  const trust = openTrust(crypto, readFileSync(join(cluster.dir, 'master', 'trust')));
  if (!trust) throw new Error('the trust document does not open');
  const macKey = macKeyOf(crypto, trust.masterStatic);
  const of = (make: () => Uint8Array): Buffer[] =>
    Array.from({length: FRAMES_OF_A_KIND}, () => Buffer.from(make()));
  const random = of(() => randomBytes(1 + Math.floor(Math.random() * 1_232)));
  const version = of(() => Buffer.concat([Buffer.of(7, 2, 0, 0), randomBytes(200)]));
  const initiations = of(() => {
    const frame = randomBytes(INITIATION_BYTES).fill(0, INITIATION_BYTES - 16);
    frame.set([1, 0, 0, 0]);
    const mac1 = crypto.hmacSha256(macKey, frame.subarray(0, INITIATION_BYTES - 32));
    frame.set(mac1.subarray(0, 16), INITIATION_BYTES - 32);
    return frame;
  });
  const heard = await recorded(cluster);
  const replayed = of(() => heard[Math.floor(Math.random() * heard.length)] ?? Buffer.alloc(1));
  return random.flatMap((frame, i) =>
    [frame, version[i], initiations[i], replayed[i]].map(it => it ?? frame),
  );
}

/** What the group says while work is submitted: beacons and true commands. And data of no session. */
async function recorded(cluster: Cluster): Promise<Buffer[]> {
  const heard: Buffer[] = [];
  const socket = createSocket({type: 'udp4', reuseAddr: true});
  socket.on('message', datagram => heard.push(datagram));
  socket.bind(cluster.udp.group, GROUP);
  await once(socket, 'listening');
  socket.addMembership(GROUP, '127.0.0.1');
  const singles = new Singles(cluster.client);
  const until = performance.now() + RECORD_MS;
  while (performance.now() < until) await singles.one();
  await singles.close();
  socket.close();
  if (heard.length === 0) throw new Error('nothing was heard on the group');
  for (let i = 0; i < 8; i++)
    heard.push(
      Buffer.concat([Buffer.of(4, 0, 0, 0), randomBytes(4), Buffer.alloc(4), randomBytes(100)]),
    );
  return heard;
}

class Sender {
  readonly #child: ChildProcess;
  #sent = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', sent => {
      this.#sent = Number(sent);
    });
  }

  static async open(
    targets: readonly Target[],
    frames: readonly Buffer[],
    perSecond: number,
  ): Promise<Sender> {
    const order = {targets, frames: frames.map(frame => frame.toString('base64')), perSecond};
    const child = fork(SENDER, [JSON.stringify(order)]);
    await once(child, 'message');
    return new Sender(child);
  }

  get sent(): number {
    return this.#sent;
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function bareSocket(
  frames: readonly Buffer[],
  perSecond: number,
): Promise<Pick<Flood, 'bareSentPerSecond' | 'bareReceivedPerSecond'>> {
  const sink = fork(SINK);
  const [{port}] = (await once(sink, 'message')) as [{port: number}];
  const sender = await Sender.open(
    [{host: '127.0.0.1', port, multicast: false}],
    frames,
    perSecond,
  );
  await wait(BARE_MS);
  sink.send('how many?');
  const [{received}] = (await once(sink, 'message')) as [{received: number}];
  const {sent} = sender;
  await sender.close();
  sink.kill('SIGKILL');
  const rate = (count: number): number => (count * 1_000) / BARE_MS;
  return {bareSentPerSecond: rate(sent), bareReceivedPerSecond: rate(received)};
}

type Order = {
  readonly frames: readonly Buffer[];
  readonly seconds: number;
  readonly perSecond: number;
};

async function whileFlooded(cluster: Cluster, singles: Singles, order: Order) {
  const {unicast, group} = cluster.udp;
  const targets = [
    {host: '127.0.0.1', port: unicast, multicast: false},
    {host: GROUP, port: group, multicast: true},
  ];
  const before = used(cluster);
  const countersBefore = await drops(cluster);
  const sender = await Sender.open(targets, order.frames, order.perSecond);
  const since = performance.now();
  let ending: Promise<number> | undefined;
  let after = before;
  // One that never comes back must not make the flood last for ever.
  const end = setTimeout(() => {
    after = used(cluster);
    ending = sender.close().then(() => performance.now() - since);
  }, order.seconds * 1_000);
  const all: number[] = [];
  const most = {master: 0, node: 0};
  while (ending === undefined) {
    all.push(await singles.one());
    const now = used(cluster);
    most.master = Math.max(most.master, now.masterBytes);
    most.node = Math.max(most.node, now.nodeBytes);
  }
  clearTimeout(end);
  const seconds = (await ending) / 1_000;
  const {sent} = sender;
  const counted = difference(await drops(cluster), countersBefore);
  return {
    singles: all.length,
    sentPerSecond: sent / seconds,
    masterDropsPerSecond: Object.values(counted).reduce((sum, it) => sum + it, 0) / seconds,
    masterCpuPercent: (after.masterCpuUs - before.masterCpuUs) / seconds / 1e4,
    nodeCpuPercent: (after.nodeCpuUs - before.nodeCpuUs) / seconds / 1e4,
    floodMsP50: percentile(all, 50),
    floodMsP99: percentile(all, 99),
    masterGrowthMib: (most.master - before.masterBytes) / 2 ** 20,
    nodeGrowthMib: (most.node - before.nodeBytes) / 2 ** 20,
    drops: counted,
  };
}

function used(cluster: Cluster) {
  const master = usageOf(cluster.masterPid);
  const nodes = cluster.nodePids.map(usageOf);
  return {
    masterBytes: master.residentBytes,
    masterCpuUs: master.cpuUs,
    nodeBytes: Math.max(...nodes.map(it => it.residentBytes)),
    nodeCpuUs: Math.max(...nodes.map(it => it.cpuUs)),
  };
}

async function drops(cluster: Cluster): Promise<Record<string, number>> {
  const {counters} = await cluster.client.status();
  return Object.fromEntries(Object.entries(counters).filter(([name]) => name.startsWith('drop.')));
}

const difference = (
  after: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> =>
  Object.fromEntries(Object.entries(after).map(([name, it]) => [name, it - (before[name] ?? 0)]));

/** From the end of the flood to the last single that was slower than at idle, ten good ones behind it. */
async function recovery(singles: Singles, idleMsP99: number): Promise<number> {
  const since = performance.now();
  let calm = 0;
  let lastSlowMs = 0;
  while (calm < CALM_IN_A_ROW && performance.now() - since < 60_000) {
    const isCalm = (await singles.one()) <= idleMsP99;
    calm = isCalm ? calm + 1 : 0;
    if (!isCalm) lastSlowMs = performance.now() - since;
  }
  return calm < CALM_IN_A_ROW ? Number.POSITIVE_INFINITY : lastSlowMs;
}

export function showFlood(result: Flood): string {
  const {p99Times, growthMib, recoverySeconds} = FLOOD_GOALS;
  const goal = (holds: boolean, text: string): string => `${text}: ${holds ? 'held' : 'MISSED'}`;
  const ratio = result.floodMsP99 / result.idleMsP99;
  const rows: Row[] = [
    ['junk asked for', `${number(result.askedPerSecond)}/s for ${number(result.seconds)} s`],
    ['junk sent', `${number(result.sentPerSecond)}/s`],
    [
      'a bare socket alone: sent, received',
      `${number(result.bareSentPerSecond)}/s, ${number(result.bareReceivedPerSecond)}/s`,
    ],
    ['read and dropped by the master', `${number(result.masterDropsPerSecond)}/s`],
    [
      'cpu of the master, of the busiest node',
      `${number(result.masterCpuPercent)} %, ${number(result.nodeCpuPercent)} %`,
    ],
    [
      'one workunit at idle, p50 and p99',
      `${number(result.idleMsP50, 2)} ms, ${number(result.idleMsP99, 2)} ms`,
    ],
    [
      `one workunit in the flood (${number(result.singles)}), p50 and p99`,
      `${number(result.floodMsP50, 2)} ms, ${number(result.floodMsP99, 2)} ms`,
    ],
    [
      'p99 over p99 at idle',
      `${number(ratio, 2)} (${goal(ratio <= p99Times, `goal ${p99Times}`)})`,
    ],
    [
      'master grew by',
      `${number(result.masterGrowthMib, 1)} MiB (${goal(result.masterGrowthMib <= growthMib, `goal ${growthMib}`)})`,
    ],
    [
      'largest node grew by',
      `${number(result.nodeGrowthMib, 1)} MiB (${goal(result.nodeGrowthMib <= growthMib, `goal ${growthMib}`)})`,
    ],
    [
      'back to idle after',
      `${number(result.recoveryMs)} ms (${goal(result.recoveryMs <= recoverySeconds * 1_000, `goal ${recoverySeconds} s`)})`,
    ],
    ...Object.entries(result.drops)
      .filter(([, count]) => count > 0)
      .map(([name, count]): Row => [`  ${name}`, number(count)]),
  ];
  return table(`a flood of junk, ${NODES} node processes`, rows);
}
