// How fast null workunits go round: 64 bytes in, the same 64 bytes out of the `echo` app in a real runner,
// result signed, validated, committed with fsync. And how long one takes when nothing else is to do.

import type {BatchId} from '../../src/base/types.ts';
import type {BatchView} from '../../src/core/views.ts';
import type {OperatorClient} from '../../src/http/client.ts';
import {type Cluster, openCluster} from '../rig/cluster.ts';
import type {Machine} from './machine.ts';
import {number, percentile, type Row, table} from './report.ts';
import {Singles} from './singles.ts';
import {type Usage, usageOf} from './usage.ts';

const INPUT_BYTES = 64;
const SINGLES_WARM_UP = 400;
const NODES = 4;

export type DispatchRound = {
  readonly quorum: number;
  readonly workunits: number;
  readonly seconds: number;
  readonly workunitsPerSecond: number;
  readonly replicas: number;
  readonly masterCpuUs: number;
  readonly nodesCpuUs: number;
  readonly runnersCpuUs: number;
  readonly masterWrittenBytes: number;
  readonly nodesWrittenBytes: number;
  readonly masterResidentMb: number;
  readonly nodeResidentMb: number;
};

export type Dispatch = {
  readonly idleNodeResidentMb: number;
  readonly idleMasterResidentMb: number;
  readonly singleMsP50: number;
  readonly singleMsP99: number;
  readonly rounds: readonly DispatchRound[];
};

export async function dispatch(workunits: number, singles: number): Promise<Dispatch> {
  const cluster = await openCluster(NODES);
  try {
    const idle = cluster.nodePids.map(usageOf);
    const idleMaster = usageOf(cluster.masterPid);
    await round(cluster, 2_000, 1); // warm: apps fetched, runners up, code compiled
    const latency = await singleLatency(cluster.client, singles);
    const rounds = [await round(cluster, workunits, 1), await round(cluster, workunits, 2)];
    return {
      idleNodeResidentMb: Math.max(...idle.map(usage => usage.residentBytes)) / 1e6,
      idleMasterResidentMb: idleMaster.residentBytes / 1e6,
      ...latency,
      rounds,
    };
  } finally {
    await cluster.close();
  }
}

async function round(cluster: Cluster, workunits: number, quorum: number): Promise<DispatchRound> {
  const {client} = cluster;
  const {blobId, indexBlobId, count} = await client.lines(lines(workunits));
  const before = used(cluster);
  const since = performance.now();
  const {batchId} = await client.submit({
    name: 'bench',
    app: 'echo',
    args: [],
    input: {kind: 'lines', blobId, indexBlobId, count},
    policy: {minQuorum: quorum, targetReplicas: quorum},
  });
  const view = await ended(client, batchId);
  const seconds = (performance.now() - since) / 1_000;
  if (view.state !== 'done') throw new Error(`batch ended ${view.state}: ${view.reason}`);
  const after = used(cluster);
  const each = (pick: (usage: Usage) => number, who: 'master' | 'nodes'): number =>
    sum(after[who], pick) - sum(before[who], pick);
  return {
    quorum,
    workunits,
    seconds,
    workunitsPerSecond: workunits / seconds,
    replicas: view.replicas,
    masterCpuUs: each(usage => usage.cpuUs, 'master') / workunits,
    nodesCpuUs: each(usage => usage.cpuUs, 'nodes') / workunits,
    runnersCpuUs: each(usage => usage.runnersCpuUs, 'nodes') / workunits,
    masterWrittenBytes: each(usage => usage.writtenBytes, 'master') / workunits,
    nodesWrittenBytes: each(usage => usage.writtenBytes, 'nodes') / workunits,
    masterResidentMb: sum(after.master, usage => usage.residentBytes) / 1e6,
    nodeResidentMb: Math.max(...after.nodes.map(usage => usage.residentBytes)) / 1e6,
  };
}

const used = (cluster: Cluster): {master: Usage[]; nodes: Usage[]} => ({
  master: [usageOf(cluster.masterPid)],
  nodes: cluster.nodePids.map(usageOf),
});

const sum = (usages: readonly Usage[], pick: (usage: Usage) => number): number =>
  usages.reduce((total, usage) => total + pick(usage), 0);

async function* lines(count: number): AsyncGenerator<Uint8Array> {
  const line = `"${'x'.repeat(INPUT_BYTES - 2)}"\n`;
  for (let at = 0; at < count; at += 1_000)
    yield new TextEncoder().encode(line.repeat(Math.min(1_000, count - at)));
}

async function ended(client: OperatorClient, batchId: BatchId): Promise<BatchView> {
  const stop = new AbortController();
  for await (const event of client.events({batchId}, stop.signal))
    if (event.kind === 'batch' && event.batch.state !== 'running') {
      stop.abort();
      return event.batch;
    }
  throw new Error('the stream of events ended');
}

async function singleLatency(
  client: OperatorClient,
  singles: number,
): Promise<Pick<Dispatch, 'singleMsP50' | 'singleMsP99'>> {
  const asked = new Singles(client);
  await new Promise(resolve => setTimeout(resolve, 200)); // the stream is open
  const times: number[] = [];
  for (let i = 0; i < singles + SINGLES_WARM_UP; i++) {
    const ms = await asked.one();
    if (i >= SINGLES_WARM_UP) times.push(ms);
  }
  await asked.close();
  return {singleMsP50: percentile(times, 50), singleMsP99: percentile(times, 99)};
}

export function showDispatch(result: Dispatch, machine: Machine): string {
  const rows: Row[] = [
    ['one workunit at idle, submit to canonical, p50', `${number(result.singleMsP50, 2)} ms`],
    ['one workunit at idle, p99', `${number(result.singleMsP99, 2)} ms`],
    [
      'p50 over the three fdatasyncs in its way',
      number(result.singleMsP50 / (3 * machine.fdatasyncMsP50), 1),
    ],
    ['resident at idle, master', `${number(result.idleMasterResidentMb)} MB`],
    ['resident at idle, node', `${number(result.idleNodeResidentMb)} MB`],
  ];
  const shown = [table('null workunits, 4 node processes, one slot each', rows)];
  for (const round of result.rounds) shown.push(showRound(round, machine));
  return shown.join('\n');
}

function showRound(round: DispatchRound, machine: Machine): string {
  const {workunitsPerSecond: rate} = round;
  return table(`quorum ${round.quorum}: ${number(round.workunits)} workunits`, [
    ['validated workunits/s', number(rate)],
    ['share of synced LevelDB rows/s here', number(rate / machine.syncedRowsPerSecond, 3)],
    ['workunits for each Ed25519 verify/s here', number(rate / machine.verifiesPerSecond, 2)],
    ['replicas', number(round.replicas)],
    ['cpu for a workunit, master', `${number(round.masterCpuUs, 1)} us`],
    ['cpu for a workunit, nodes', `${number(round.nodesCpuUs, 1)} us`],
    ['cpu for a workunit, runners', `${number(round.runnersCpuUs, 1)} us`],
    ['written for a workunit, master', `${number(round.masterWrittenBytes)} bytes`],
    ['written for a workunit, nodes', `${number(round.nodesWrittenBytes)} bytes`],
    ['resident, master', `${number(round.masterResidentMb)} MB`],
    ['resident, largest node', `${number(round.nodeResidentMb)} MB`],
  ]);
}
