// A rig as it is built: 32 hosts on cables of 100 Mbit that lose 3 % each way, and a shutter at each that writes down
// what it really did (test/rig/shutters.ts). What is reported is what happened; who is missing is named; and
// of the packets of somebody who holds all keys, none fires that is wrong in one thing.

import {loadavg} from 'node:os';
import test, {type ExecutionContext} from 'ava';
import type {CaptureId} from '../../src/base/types.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {EVERY_NODE} from '../../src/master/commands.ts';
import type {Command} from '../../src/wire/message.ts';
import {type Cluster, openCluster, until} from '../rig/cluster.ts';
import {Forger} from '../rig/forger.ts';
import {type LanRig, openLan, whyNoLan} from '../rig/lan-rig.ts';
import {giveShutter, judge, SHUTTER, truthOf} from '../rig/shutters.ts';

const NODES = 32;
const SHOTS = 10;
const KILLED = 0;
const CUT = 1;
const ALL = Array.from({length: NODES}, (_, no) => no);

async function shoot(cluster: Cluster, shots: number, leadMs: number): Promise<CaptureId> {
  const order = {action: SHUTTER, args: [], target: EVERY_NODE, leadMs, shots, intervalMs: 250};
  return (await cluster.client.capture(order)).captureId;
}

/** A node that was started a moment ago does not know the master's time, and says so. */
async function untilAllFire(cluster: Cluster): Promise<void> {
  await until(async () => {
    const captureId = await shoot(cluster, 1, 2_000);
    const {rows} = await when(cluster, captureId, ({state}) => state === 'done');
    return rows.every(({verdict}) => verdict === 'fired') || undefined;
  }, 'the time at every node');
}

/** The first state of a capture of which this can be said. */
async function when(
  cluster: Cluster,
  captureId: CaptureId,
  isSo: (view: CaptureView) => boolean,
): Promise<CaptureView> {
  for await (const event of cluster.client.events({captureId}))
    if (event.kind === 'capture' && isSo(event.capture)) return event.capture;
  throw new Error('the master has ended');
}

/** What is said of shots that are not fired, and how often. */
function reasonsOf({rows}: CaptureView): string {
  const counts = new Map<string, number>();
  for (const {verdict, reason} of rows) {
    const text = `${verdict} ${reason.replaceAll(/[\d.]+/g, '…')}`.trim();
    if (verdict !== 'fired') counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${count} ${text}`).join(', ');
}

const p95 = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? 0;

async function aRow(t: ExecutionContext, cluster: Cluster): Promise<void> {
  // 33 boards on the two cores of one machine: commands come early, so that a shot is late at worst
  const captureId = await shoot(cluster, SHOTS, 6_000);
  const view = await when(cluster, captureId, ({state}) => state === 'done');
  const {spreadsMs, ...counts} = judge(cluster, view, ALL);
  const all = {fired: NODES * SHOTS, doubled: 0, missed: 0, falsely: 0, untold: 0};
  t.deepEqual(counts, all, reasonsOf(view));
  t.true(view.rows.every(({files}) => files.length === 1 && files[0]?.collected));
  t.is(new Set(view.rows.map(({files}) => files[0]?.blobId)).size, NODES * SHOTS, 'own files');
  t.log(
    `${SHOTS} shots of ${NODES} nodes: spread p95 ${p95(spreadsMs).toFixed(1)} ms,`,
    `load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  );
}

/** One is dead, one has no cable, and the master does not know it yet. */
async function missing(t: ExecutionContext, cluster: Cluster, lan: LanRig): Promise<void> {
  const host = lan.nodes[CUT] ?? '';
  await cluster.killNode(KILLED);
  lan.cut([host]);
  const captureId = await shoot(cluster, 1, 1_000);
  const named = await when(cluster, captureId, view => view.missing !== undefined);
  const afterMs = Date.now() - (named.atWallMs[0] ?? 0);
  t.is(named.state, 'running', 'named long before nobody is waited for any more');
  const silent = (named.missing ?? []).map(({name, why}) => `${name} ${why}`);
  for (const no of [KILLED, CUT]) t.true(silent.includes(`node${no} silent`), silent.join());
  t.log(`missing nodes are named ${afterMs.toFixed(0)} ms after the instant`);

  // Mended, it hears by unicast what it missed: it fires nothing, and says so.
  lan.heal([host]);
  const isToldBy = (view: CaptureView, no: number): boolean =>
    view.rows.some(({name, statement}) => name === `node${no}` && statement !== '');
  const told = ALL.filter(no => no !== KILLED && no !== CUT);
  const view = await when(cluster, captureId, it => told.every(no => isToldBy(it, no)));
  const {fired, doubled, falsely, untold} = judge(cluster, view, ALL);
  t.deepEqual(
    {fired, doubled, falsely, untold},
    {fired: NODES - 2, doubled: 0, falsely: 0, untold: 0},
  );
}

const FIRST_WRONG = 9_001;
const RIGHT = 9_999;

/** Everything that somebody with all keys can do wrong, and at last what the master would have said. */
async function forgeries(t: ExecutionContext, cluster: Cluster, lan: LanRig): Promise<void> {
  const forger = new Forger(cluster, lan, lan.nodes[NODES] ?? '');
  t.teardown(() => forger.close());
  await forger.joined();
  const real = await shoot(cluster, 1, 1_000);
  await when(
    cluster,
    real,
    ({rows}) => rows.filter(row => row.verdict === 'fired').length >= NODES - 1,
  );
  const seq = await forger.heardSeq();
  const listening = ALL.filter(no => no !== KILLED);
  const wrong = [
    {seal: {groupKey: new Uint8Array(32)}},
    {seal: {keyId: 200}},
    {secretKey: forger.otherKey()},
    {seal: {seq}},
    {seal: {epoch: 1_000_000}},
    {command: {issuedWallMs: (Date.now() - 60_000) as Command['issuedWallMs']}},
    {atWallMs: Date.now() - 1_000},
  ];
  const packets = wrong.map((how, no) =>
    forger.forge(SHUTTER, FIRST_WRONG + no, seq + 1 + no, how),
  );
  const right = forger.forge(SHUTTER, RIGHT, seq + 100);
  const again = forger.datagram();
  const hasFired = (no: number): boolean => truthOf(cluster, no).has(`${RIGHT}-1`);
  await until(() => {
    // what is lost on the way is said again: whoever heard the last has had all before it several times
    forger.say([again, ...packets, ...packets, right]);
    return listening.every(hasFired) || undefined;
  }, 'the firing of the packet that is right');
  for (const no of listening) {
    const truth = truthOf(cluster, no);
    const forged = [...truth.keys()].filter(shot => Number(shot.split('-')[0]) >= FIRST_WRONG);
    t.deepEqual(forged, [`${RIGHT}-1`]);
    t.true(
      [...truth.values()].every(times => times.length === 1),
      'nothing twice',
    );
  }
}

test('a rig on a lossy LAN fires each shot once, and says what happened', async t => {
  const why = whyNoLan();
  if (why !== undefined) {
    t.log(`skipped: ${why}`);
    return t.pass();
  }
  t.timeout(600_000);
  const lan = await openLan({nodes: NODES + 1, rateMbit: 100});
  t.teardown(() => lan.close());
  const cluster = await openCluster(0, 1, lan);
  t.teardown(() => cluster.close());
  for (const no of ALL) {
    giveShutter(cluster, no);
    cluster.startNode(no);
  }
  await cluster.nodesUp(NODES);
  lan.setFaults(lan.nodes, {lossTo: 3, lossFrom: 3});
  await untilAllFire(cluster);
  await aRow(t, cluster);
  await missing(t, cluster, lan);
  await forgeries(t, cluster, lan);
});
