// `npm run bench -- capture`: a rig on a LAN of network namespaces (test/rig/lan-rig.ts), with a shutter at each node that
// writes down what it really did (test/rig/shutters.ts). All hosts are on this machine and share its cores, which
// real boards do not: it shows delivery, firing and what is reported, and what our own work costs. What is
// reported is held against what happened. Beside it bare multicast on the same LAN (bare-multicast.ts).

import {freemem} from 'node:os';
import {setTimeout as sleep} from 'node:timers/promises';
import {MIB} from '../../src/base/units.ts';
import {isLate} from '../../src/core/capture-tally.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {EVERY_NODE} from '../../src/master/commands.ts';
import {type Cluster, openCluster, until} from '../rig/cluster.ts';
import {type LanRig, openLan, whyNoLan} from '../rig/lan-rig.ts';
import {giveShutter, judge, SHUTTER, truthOf} from '../rig/shutters.ts';
import {bareMulticast, type Floor} from './bare-multicast.ts';
import {number, percentile, type Row, table} from './report.ts';
import {memoryOf} from './usage.ts';

export type CaptureOptions = {
  readonly nodes: readonly number[];
  /** Percent, each way, of each node's cable. */
  readonly losses: readonly number[];
  readonly shots: number;
  /** Of the shots of a row; 0 = as many nodes as there are for these cores. */
  readonly intervalMs: number;
  readonly nows: number;
};

export type CaptureCase = {
  readonly nodes: number;
  readonly loss: number;
  readonly shots: number;
  readonly intervalMs: number;
  readonly spreadsMs: readonly number[];
  readonly missed: number;
  readonly late: number;
  readonly doubled: number;
  readonly falsely: number;
  readonly untold: number;
  /** Reasons of what was missed. */
  readonly reasons: readonly string[];
  readonly boundMsMax: number;
  readonly nowLastMs: readonly number[];
  /** From the instant to the word of all, or to the naming of who is missing. */
  readonly toldMs: number;
  readonly namedMs: number;
  readonly collectedMbit: number;
  readonly memoryMib: number;
  /** Nodes that ended though nobody told them to, with their last words. */
  readonly ended: readonly string[];
  readonly floors: readonly Floor[];
};

export type CaptureBench = {
  readonly cases: readonly CaptureCase[];
  readonly skipped: readonly string[];
};

const RATE_MBIT = 100;
/** Started, joined, armed: measured, with room for the work itself. */
const NODE_MIB = 64;
/** A shot costs a board about so much of a core, with its file and its report; here all share these. */
const SHARE_MS = 30;
const INTERVAL_MS_MIN = 250;
const LEAD_MS = 2_000;
/** One capture has so many shots at most: its view is asked for as a whole. */
const ROW_MAX = 50;
const COLLECTED_MIB = 64;
const FLOOR_SHOTS_MAX = 50;
const SETTLED_MS_MAX = 120_000;
const WAVE = 8;

type Order = {readonly leadMs: number; readonly shots?: number; readonly intervalMs?: number};
type Shot = Order & {readonly args?: readonly string[]};

async function shoot(cluster: Cluster, {leadMs, shots = 1, intervalMs = 0, args = []}: Shot) {
  const order = {action: SHUTTER, args, target: EVERY_NODE, leadMs, shots, intervalMs};
  return (await cluster.client.capture(order)).captureId;
}

type Id = Awaited<ReturnType<typeof shoot>>;

/** The first state of which this can be said. */
async function when(
  cluster: Cluster,
  captureId: Id,
  isSo: (view: CaptureView) => boolean,
): Promise<CaptureView> {
  for await (const event of cluster.client.events({captureId}))
    if (event.kind === 'capture' && isSo(event.capture)) return event.capture;
  throw new Error('the master has ended');
}

const isDone = ({state}: CaptureView): boolean => state === 'done';

/** Asked for now and then: to follow every change of it would be work beside the shots. */
const ended = (cluster: Cluster, captureId: Id): Promise<CaptureView> =>
  until(async () => {
    await sleep(500);
    const view = await cluster.client.captureOf(captureId);
    return isDone(view) ? view : undefined;
  }, 'the end of a capture');

/** Every node knows the time and fires. */
const settled = (cluster: Cluster): Promise<true> =>
  until(
    async () => {
      const view = await ended(cluster, await shoot(cluster, {leadMs: LEAD_MS}));
      return view.rows.every(({verdict}) => verdict === 'fired') || undefined;
    },
    'a shot of all nodes',
    SETTLED_MS_MAX,
  );

type Row0 = Pick<
  CaptureCase,
  'spreadsMs' | 'missed' | 'late' | 'doubled' | 'falsely' | 'untold' | 'reasons' | 'boundMsMax'
>;

async function rowOf(cluster: Cluster, nodes: number, shots: number, intervalMs: number) {
  const all = Array.from({length: nodes}, (_, no) => no);
  const spreadsMs: number[] = [];
  const reasons = new Set<string>();
  const sum = {missed: 0, late: 0, doubled: 0, falsely: 0, untold: 0, boundMsMax: 0};
  for (let left = shots; left > 0; left -= ROW_MAX) {
    const order = {leadMs: LEAD_MS, shots: Math.min(left, ROW_MAX), intervalMs};
    const view = await ended(cluster, await shoot(cluster, order));
    const judged = judge(cluster, view, all);
    spreadsMs.push(...judged.spreadsMs);
    for (const what of ['missed', 'doubled', 'falsely', 'untold'] as const)
      sum[what] += judged[what];
    sum.late += view.rows.filter(isLate).length;
    sum.boundMsMax = Math.max(sum.boundMsMax, ...view.rows.map(row => row.clockBoundMs));
    for (const {verdict, reason} of view.rows)
      if (verdict !== 'fired')
        reasons.add(`${verdict} ${reason.replaceAll(/[\d.]+/g, '…')}`.trim());
  }
  return {...sum, spreadsMs, reasons: [...reasons]} satisfies Row0;
}

/** From the turn of the master in which it is asked to the last node that fired, by their own files. */
async function nowOf(cluster: Cluster, nodes: number, count: number): Promise<number[]> {
  const lasts: number[] = [];
  for (let i = 0; i < count; i++) {
    const id = await shoot(cluster, {leadMs: 0});
    const {createdAt} = await ended(cluster, id);
    const fired = Array.from({length: nodes}, (_, no) => truthOf(cluster, no).get(`${id}-1`)?.[0]);
    lasts.push(Math.max(...fired.map(at => at ?? 0)) - createdAt);
  }
  return lasts;
}

const sinceInstant = ({atWallMs}: CaptureView): number => Date.now() - (atWallMs[0] ?? 0);

async function manifestOf(cluster: Cluster, lan: LanRig, nodes: number) {
  const id = await shoot(cluster, {leadMs: LEAD_MS});
  const told = await when(cluster, id, ({rows}) => rows.every(({statement}) => statement !== ''));
  const toldMs = sinceInstant(told);
  const host = lan.nodes[nodes - 1] ?? '';
  lan.cut([host]);
  const alone = await shoot(cluster, {leadMs: LEAD_MS});
  const named = await when(cluster, alone, ({missing}) => missing !== undefined);
  const namedMs = sinceInstant(named);
  lan.heal([host]);
  await cluster.nodesUp(nodes);
  return {toldMs, namedMs};
}

/** From the first statement with a file to the last file on the master's disk. */
async function collectedMbitOf(cluster: Cluster, nodes: number): Promise<number> {
  const size = Math.round((COLLECTED_MIB * MIB) / nodes);
  const id = await shoot(cluster, {leadMs: LEAD_MS, args: [`size=${size}`]});
  await when(cluster, id, ({rows}) => rows.some(({files}) => files.length > 0));
  const since = performance.now();
  const {rows} = await when(cluster, id, isDone);
  const files = rows.flatMap(row => row.files).filter(({collected}) => collected);
  return (files.length * size * 8) / (performance.now() - since) / 1_000;
}

async function caseOf(
  cluster: Cluster,
  lan: LanRig,
  nodes: number,
  loss: number,
  options: CaptureOptions,
): Promise<CaptureCase> {
  const {shots, nows} = options;
  const intervalMs = options.intervalMs || Math.max(INTERVAL_MS_MIN, nodes * SHARE_MS);
  lan.setFaults(lan.nodes, {lossTo: loss, lossFrom: loss});
  await settled(cluster);
  const row = await rowOf(cluster, nodes, shots, intervalMs);
  const nowLastMs = await nowOf(cluster, nodes, nows);
  const memoryMib = cluster.nodePids.reduce((sum, pid) => sum + memoryOf(pid), 0) / MIB;
  const collectedMbit = await collectedMbitOf(cluster, nodes);
  const manifest = await manifestOf(cluster, lan, nodes);
  const floors: Floor[] = [];
  for (const isSigned of [false, true])
    floors.push(await bareMulticast(lan, lan.nodes, Math.min(shots, FLOOR_SHOTS_MAX), isSigned));
  const ended = cluster.lostNodes;
  const figures = {
    ...{nodes, loss, shots, intervalMs, memoryMib, collectedMbit},
    nowLastMs,
    floors,
  };
  return {...figures, ...row, ...manifest, ended};
}

async function rigOf(nodes: number, options: CaptureOptions, into: CaptureCase[]): Promise<void> {
  const lan = await openLan({nodes, rateMbit: RATE_MBIT});
  try {
    const cluster = await openCluster(0, 1, lan);
    try {
      for (let no = 0; no < nodes; no++) {
        giveShutter(cluster, no);
        cluster.startNode(no);
        // boards start each on their own; here all at once would leave the master nothing of these cores
        if ((no + 1) % WAVE === 0 || no + 1 === nodes) await cluster.nodesUp(no + 1);
      }
      for (const loss of options.losses)
        into.push(await caseOf(cluster, lan, nodes, loss, options));
    } finally {
      await cluster.close();
    }
  } finally {
    await lan.close();
  }
}

export async function captureBench(options: CaptureOptions): Promise<CaptureBench> {
  const why = whyNoLan();
  if (why !== undefined) throw new Error(`there can be no LAN rig here: ${why}`);
  const cases: CaptureCase[] = [];
  const skipped: string[] = [];
  for (const nodes of options.nodes) {
    const [needMib, freeMib] = [nodes * NODE_MIB, Math.round(freemem() / MIB)];
    if (needMib > freeMib) {
      skipped.push(`${nodes} nodes: they need some ${needMib} MiB, and ${freeMib} are free`);
      continue;
    }
    try {
      await rigOf(nodes, options, cases);
    } catch (error) {
      skipped.push(`${nodes} nodes: ${(error as Error).message}`);
    }
  }
  return {cases, skipped};
}

const ms = (values: readonly number[]): string =>
  values.length === 0
    ? 'none'
    : `${[50, 95, 100].map(p => number(percentile(values, p), 1)).join(' / ')} ms`;

function floorText({spreadMsP50, spreadMsP95, lastMsP50, lastMsP95, lost}: Floor): string {
  const [spread, last] = [
    [spreadMsP50, spreadMsP95],
    [lastMsP50, lastMsP95],
  ].map(pair => pair.map(value => number(value, 1)).join(' / '));
  return `${spread} ms, last ${last} ms, ${number(lost)} lost`;
}

function caseTable(found: CaptureCase): string {
  const {nodes, loss, shots, intervalMs, floors} = found;
  const asked = number(nodes * shots);
  const rows: Row[] = [
    ['spread, p50 / p95 / max', ms(found.spreadsMs)],
    [`missed, of ${asked} shots of nodes`, [number(found.missed), ...found.reasons].join(', ')],
    ['late by more than 5 ms', number(found.late)],
    ['fired twice', number(found.doubled)],
    ['false reports; fired and not told', `${number(found.falsely)}; ${number(found.untold)}`],
    ['largest clock bound', `${number(found.boundMsMax, 1)} ms`],
    ['--now to the last node, p50 / p95 / max', ms(found.nowLastMs)],
    ['all have told, after the instant', `${number(found.toldMs)} ms`],
    ['a missing node is named, after the instant', `${number(found.namedMs)} ms`],
    [
      `collected, of ${RATE_MBIT} Mbit/s`,
      `${number(found.collectedMbit, 1)} Mbit/s, ${number((found.collectedMbit * 100) / RATE_MBIT)} %`,
    ],
    ...found.ended.map((text): Row => ['ended by itself', text]),
    ['memory of all nodes and their actions', `${number(found.memoryMib)} MiB`],
    ...floors.map(
      (floor): Row => [
        `one bare packet${floor.isSigned ? ', signature checked' : ''}: spread p50 / p95`,
        floorText(floor),
      ],
    ),
  ];
  return table(`${nodes} nodes, loss ${loss} %, ${shots} shots every ${intervalMs} ms`, rows);
}

export const showCapture = ({cases, skipped}: CaptureBench): string =>
  [...cases.map(caseTable), ...skipped.map(text => `could not do ${text}`)].join('\n');
