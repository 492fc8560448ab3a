// `npm run bench -- bulk`: one file to many hosts of a LAN rig (test/rig/lan-rig.ts), by `volley push` and by others
// (bulk-peers.ts), in one run over the same cables and with the same losses. Beside them the floor: what the bytes take
// on the wire with their headers, in datagrams of 1,400 bytes, without any loss. All hosts share the cores of this
// machine, which bounds nodes times rate, not one board.

import {spawnSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {MIB} from '../../src/base/units.ts';
import {WIRE_OVERHEAD_BYTES} from '../../src/core/bulk-rate.ts';
import {SYMBOL_BYTES} from '../../src/core/transfer.ts';
import type {TransferView} from '../../src/core/views.ts';
import {followTransfer} from '../../src/library/transfer-states.ts';
import {type Cluster, openCluster} from '../rig/cluster.ts';
import {type LanRig, openLan, whyNoLan} from '../rig/lan-rig.ts';
import {busySince, LINK_PART, PEERS, runPeer, type Timed} from './bulk-peers.ts';
import {number, type Row, table} from './report.ts';
import {usageOf} from './usage.ts';

export type BulkOptions = {
  /** `<nodes>@<Mbit/s>x<MiB>`: 8@100x32. */
  readonly rooms: readonly string[];
  /** Percent at each node; `1+20` = 1, and one node at 20. */
  readonly losses: readonly string[];
  /** Small transfers in a row at 5 % loss in the first room; 0 = none. */
  readonly starts: number;
  readonly isAlone: boolean;
};

type Room = {readonly nodes: number; readonly rateMbit: number; readonly mib: number};

export type BulkCase = Room & {
  readonly loss: string;
  readonly floorMs: number;
  readonly ours: Timed & {
    readonly firstDataMs: number;
    /** Of one core, while it was sent. */
    readonly senderCpu: number;
    /** Datagrams, of those that it takes without a loss. */
    readonly overhead: number;
    /** The most that was ever resident. */
    readonly memoryMib: readonly [master: number, node: number];
    /** Bytes that a node wrote, of those of the file. */
    readonly written: number;
  };
  /** The same without being told the rate of the link. */
  readonly found: Timed;
  readonly others: readonly (readonly [name: string, timed: Timed | undefined])[];
};

export type BulkBench = {
  readonly cases: readonly BulkCase[];
  readonly starts: {readonly whole: number; readonly of: number} | undefined;
};

const LIMIT_FLOORS = 30;
const LIMIT_MS_MIN = 60_000;
const EVERYBODY = {labels: [], nodes: []};

function roomOf(text: string): Room {
  const [, nodes, rateMbit, mib] = /^(\d+)@(\d+)x(\d+)$/.exec(text) ?? [];
  if (mib === undefined) throw new Error(`a room is <nodes>@<Mbit/s>x<MiB>, not "${text}"`);
  return {nodes: Number(nodes), rateMbit: Number(rateMbit), mib: Number(mib)};
}

const floorMsOf = ({rateMbit, mib}: Room): number =>
  (Math.ceil((mib * MIB) / SYMBOL_BYTES) * (SYMBOL_BYTES + WIRE_OVERHEAD_BYTES) * 8) /
  (rateMbit * 1_000);

function setLoss(lan: LanRig, loss: string): void {
  const [all = '0', one] = loss.split('+');
  lan.setFaults(lan.nodes, {lossTo: Number(all), lossFrom: Number(all)});
  const [first] = lan.nodes;
  if (one !== undefined && first)
    lan.setFaults([first], {lossTo: Number(one), lossFrom: Number(one)});
}

/** A file that nobody has yet, at the master. */
async function store(cluster: Cluster, path: string, bytes: number) {
  const body = randomBytes(bytes);
  writeFileSync(path, body);
  const blobId = await cluster.store(body);
  return {blobId, sha256: createHash('sha256').update(body).digest('hex')};
}

async function ours(cluster: Cluster, room: Room, path: string, fileName: string, rate?: number) {
  const {blobId, sha256} = await store(cluster, path, room.mib * MIB);
  const before = usageOf(cluster.masterPid);
  const nodeBefore = usageOf(cluster.nodePids[0] ?? 0);
  const busy = busySince();
  const begunAt = performance.now();
  const limit = rate === undefined ? {} : {rate};
  const asked = {blob: blobId, fileName, target: EVERYBODY, ...limit};
  const {id} = await cluster.client.push(asked);
  let firstDataMs = Number.NaN;
  const view = await followTransfer(cluster.client, id, now => {
    if (Number.isNaN(firstDataMs) && now.sent > 0) firstDataMs = performance.now() - begunAt;
  });
  const ms = performance.now() - begunAt;
  const share = busy();
  const after = usageOf(cluster.masterPid);
  const whole = countWhole(cluster, room, fileName, sha256);
  const node = usageOf(cluster.nodePids[0] ?? 0);
  return {
    ms: whole === room.nodes ? ms : undefined,
    whole,
    busy: share,
    firstDataMs,
    senderCpu: (after.cpuUs - before.cpuUs) / 1_000 / ms,
    overhead: overheadOf(view),
    memoryMib: [after.peakBytes / MIB, node.peakBytes / MIB] as const,
    written: (node.writtenBytes - nodeBefore.writtenBytes) / (room.mib * MIB),
  };
}

const overheadOf = ({sent, symbols}: TransferView): number => sent / Math.max(1, symbols);

function countWhole(cluster: Cluster, {nodes}: Room, name: string, sha256: string): number {
  let whole = 0;
  for (let no = 0; no < nodes; no++) {
    const path = join(cluster.dir, `node${no}`, 'files', name);
    if (!existsSync(path)) continue;
    const bytes = readFileSync(path);
    if (createHash('sha256').update(bytes).digest('hex') === sha256) whole += 1;
  }
  return whole;
}

/** The master has a cable like the others: of that alone what leaves it is held back. */
function holdBack(lan: LanRig, rateMbit: number): void {
  const [program = '', ...rest] = [...lan.enter('master'), 'tc'];
  const root = ['qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '1:', 'htb', 'default', '1'];
  const rate = ['rate', `${rateMbit}mbit`, 'ceil', `${rateMbit}mbit`, 'burst', '3000'];
  const link = ['class', 'add', 'dev', 'eth0', 'parent', '1:', 'classid', '1:1', 'htb', ...rate];
  for (const words of [root, link]) {
    const {status, stderr} = spawnSync(program, [...rest, ...words], {encoding: 'utf8'});
    if (status !== 0) throw new Error(`tc ${words.join(' ')}: ${stderr}`);
  }
}

/** A master has a processor of its own; here its threads go first. */
const ownHost = (pid: number): void =>
  void spawnSync('chrt', ['--all-tasks', '--rr', '--pid', '9', String(pid)]);

async function benchRoom(room: Room, options: BulkOptions, isFirst: boolean): Promise<BulkBench> {
  const lan = await openLan({nodes: room.nodes, rateMbit: room.rateMbit});
  try {
    holdBack(lan, room.rateMbit);
    const cluster = await openCluster(0, 1, lan);
    try {
      for (let no = 0; no < room.nodes; no++) cluster.startNode(no);
      await cluster.nodesUp(room.nodes);
      ownHost(cluster.masterPid);
      const cases: BulkCase[] = [];
      for (const loss of options.losses)
        cases.push(await benchLoss(lan, cluster, room, loss, options));
      const starts =
        isFirst && options.starts > 0 ? await startsOf(lan, cluster, options.starts) : undefined;
      return {cases, starts};
    } finally {
      await cluster.close();
    }
  } finally {
    await lan.close();
  }
}

async function benchLoss(
  lan: LanRig,
  cluster: Cluster,
  room: Room,
  loss: string,
  {isAlone, losses}: BulkOptions,
): Promise<BulkCase> {
  const path = join(cluster.dir, 'bulk.bin');
  const floorMs = floorMsOf(room);
  setLoss(lan, loss);
  const linkBits = room.rateMbit * 1e6 * LINK_PART;
  const own = await ours(cluster, room, path, 'told.bin', linkBits);
  const found = await ours(cluster, room, path, 'found.bin');
  const limitMs = Math.max(LIMIT_MS_MIN, floorMs * LIMIT_FLOORS);
  const others: (readonly [string, Timed | undefined])[] = [];
  const job = {lan, hosts: lan.nodes, file: path, rateMbit: room.rateMbit, limitMs};
  const peers = PEERS.filter(({isOnce}) => !isAlone && (loss === losses[0] || !isOnce));
  for (const peer of peers)
    others.push([peer.name, await runPeer(peer, {...job, dir: join(cluster.dir, 'peer')})]);
  setLoss(lan, '0');
  return {...room, loss, floorMs, ours: own, found, others};
}

async function startsOf(lan: LanRig, cluster: Cluster, count: number) {
  setLoss(lan, '5');
  let whole = 0;
  for (let i = 0; i < count; i++) {
    const {blobId} = await store(cluster, join(cluster.dir, 'small.bin'), 100_000);
    const {id} = await cluster.client.push({
      blob: blobId,
      fileName: 'small.bin',
      target: EVERYBODY,
    });
    const {nodes} = await followTransfer(cluster.client, id, () => {});
    if (nodes.every(({state}) => state === 'whole')) whole += 1;
  }
  return {whole, of: count};
}

export async function bulkBench(options: BulkOptions): Promise<BulkBench> {
  const why = whyNoLan();
  if (why !== undefined) throw new Error(`there can be no LAN rig here: ${why}`);
  const cases: BulkCase[] = [];
  let starts: BulkBench['starts'];
  for (const [i, text] of options.rooms.entries()) {
    const done = await benchRoom(roomOf(text), options, i === 0);
    cases.push(...done.cases);
    starts ??= done.starts;
  }
  return {cases, starts};
}

export function showBulk({cases, starts}: BulkBench): string {
  const tables = cases.map(({nodes, rateMbit, mib, loss, floorMs, ours: own, found, others}) => {
    const share = (timed: Timed | undefined): string => {
      if (timed === undefined) return 'its program is not here';
      if (timed.ms === undefined) return `${timed.whole} of ${nodes} had it in the end`;
      const times = `${number(timed.ms / 1_000, 2)} s, ${number(timed.ms / floorMs, 2)} times the floor`;
      return `${times}, processors ${number(timed.busy * 100)} % busy`;
    };
    const rows: Row[] = [
      ['floor, with headers', `${number(floorMs / 1_000, 2)} s`],
      ['volley push, to the last node’s verified file', share(own)],
      ['… where it has to find the rate', share(found)],
      ...others.map(([name, timed]) => [name, share(timed)] as const),
      ['datagrams sent, of those without a loss', number(own.overhead, 3)],
      ['start to first data seen', `${number(own.firstDataMs)} ms`],
      ['master, of one core', `${number(own.senderCpu * 100, 1)} %`],
      [
        'resident at most, master and a node',
        own.memoryMib.map(mib => `${number(mib)} MiB`).join(', '),
      ],
      ['bytes that a node wrote, of the file', number(own.written, 2)],
    ];
    return table(`${mib} MiB to ${nodes} nodes at ${rateMbit} Mbit/s, loss ${loss} %`, rows);
  });
  if (starts)
    tables.push(
      table('transfers of 100 kB at 5 % loss', [
        ['that every node had in the end', `${starts.whole} of ${starts.of}`],
      ]),
    );
  return tables.join('\n');
}
