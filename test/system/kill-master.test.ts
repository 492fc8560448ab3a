// Promise P1 and P4 on real processes: SIGKILL of the master at any moment of a batch, dozens of times, with
// eight node processes that go on or are killed too; then the books are read from the store itself.

import {loadavg} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import {decodeCredit, decodePage, decodeReportRow} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {decodeResults} from '../../src/wire/codec.ts';
import {type Cluster, openCluster, until} from '../rig/cluster.ts';
import {ended, NIGHTLY} from '../rig/work.ts';

const KILLS = NIGHTLY ? 300 : 30;
const NODES = 8;
const WORKUNITS = 2_000;
const CHUNK = 50_000;
/** Published: primes below 10^8. */
const PRIMES_BELOW_1E8 = 5_761_455;

type Books = {
  /** Index of each decided workunit, as often as it stands there. */
  readonly decided: number[];
  readonly credit: number;
  readonly total: number;
};

/** Reads what the store says, with nobody running: journal audited, pages, evidence, credit. */
async function books(cluster: Cluster): Promise<Books> {
  const store = await openLevelStore(join(cluster.dir, 'master', 'store'));
  try {
    await auditStore(store, new NodeCrypto());
    const decided: number[] = [];
    let credit = 0;
    let total = 0;
    for await (const [key, value] of store.scan('page'))
      for (const [offset, decision] of decodePage(value)) {
        decided.push(Number.parseInt(key.slice(8), 16) * 64 + offset);
        if (decision.kind !== 'done') continue;
        const row = await store.get('report', decision.reportNo.toString(16).padStart(14, '0'));
        const item = row && decodeResults(decodeReportRow(row).body)?.[decision.item];
        if (item?.status === 'done' && item.output.kind === 'inline')
          total += Number(new TextDecoder().decode(item.output.bytes));
      }
    for await (const [, value] of store.scan('credit')) credit += decodeCredit(value).credit;
    return {decided, credit, total};
  } finally {
    await store.close();
  }
}

const submit = async (cluster: Cluster): Promise<BatchId> => {
  const {batchId} = await cluster.client.submit({
    name: 'killed',
    app: 'primes',
    args: [],
    input: {kind: 'range', start: 0, end: WORKUNITS * CHUNK, chunk: CHUNK},
    policy: {minQuorum: 2},
  });
  return batchId;
};

/** Kills the master somewhere in each part of the batch; ms from each start until it serves again. */
async function killMasters(
  t: ExecutionContext,
  cluster: Cluster,
  batchId: BatchId,
  kills: number,
  meanwhile: (kill: number) => Promise<void> = async () => {},
): Promise<number[]> {
  const servesAfter: number[] = [];
  for (let kill = 1; kill <= kills; kill++) {
    // What was shown as done must be there afterwards.
    const goal = Math.floor((WORKUNITS * kill) / (kills + 1));
    const shown = await until(async () => {
      const {done} = await cluster.client.batch(batchId);
      return done >= goal ? done : undefined;
    }, `${goal} workunits`);
    await cluster.killMaster();
    await meanwhile(kill);
    const since = performance.now();
    await cluster.startMaster();
    const after = await cluster.client.batch(batchId);
    servesAfter.push(performance.now() - since);
    t.true(after.done >= shown, `kill ${kill}: ${shown} were shown as done, ${after.done} are`);
  }
  return servesAfter.sort((a, b) => a - b);
}

/** Each workunit decided once, all paid for, the sum of the results that which is published. */
async function checkBooks(t: ExecutionContext, cluster: Cluster, batchId: BatchId): Promise<void> {
  const batch = await ended(cluster, batchId);
  t.is(batch.state, 'done');
  t.is(batch.done, WORKUNITS);
  t.is(batch.disagreements, 0);
  await cluster.killMaster('SIGTERM');
  const {decided, credit, total} = await books(cluster);
  t.is(new Set(decided).size, WORKUNITS);
  t.is(decided.length, WORKUNITS);
  t.is(credit, WORKUNITS * 2);
  t.is(total, PRIMES_BELOW_1E8);
  t.log(`${batch.replicas} replicas for ${WORKUNITS} workunits at quorum 2`);
}

function show(t: ExecutionContext, sorted: readonly number[]): void {
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  const load = (loadavg()[0] ?? 0).toFixed(1);
  t.log(`${sorted.length} kills; serves after p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, load ${load}`);
}

test('kills of the master all through a batch lose nothing and grant nothing twice', async t => {
  t.timeout(NIGHTLY ? 3_600_000 : 480_000);
  const cluster = await openCluster(NODES);
  t.teardown(() => cluster.close());
  const batchId = await submit(cluster);
  show(t, await killMasters(t, cluster, batchId, KILLS));
  await checkBooks(t, cluster, batchId);
});

test('kills of nodes beside those of the master change nothing in the books', async t => {
  t.timeout(NIGHTLY ? 3_600_000 : 480_000);
  const cluster = await openCluster(NODES);
  t.teardown(() => cluster.close());
  const batchId = await submit(cluster);
  const kills = NIGHTLY ? 100 : 6;
  const servesAfter = await killMasters(t, cluster, batchId, kills, async kill => {
    await cluster.killNode(kill % NODES);
    cluster.startNode(kill % NODES);
  });
  show(t, servesAfter);
  await checkBooks(t, cluster, batchId);
});

test('a node that is killed and comes back reports what it had spooled', async t => {
  t.timeout(170_000);
  const cluster = await openCluster(2);
  t.teardown(() => cluster.close());
  const {batchId} = await cluster.client.submit({
    name: 'nodes killed',
    app: 'primes',
    args: [],
    input: {kind: 'range', start: 0, end: 10_000_000, chunk: 10_000},
    policy: {minQuorum: 2},
  });
  for (let kill = 0; kill < 4; kill++) {
    await until(async () => {
      const {done, state} = await cluster.client.batch(batchId);
      return state !== 'running' || done >= 200 * (kill + 1) || undefined;
    }, 'progress');
    await cluster.killNode(kill % 2);
    cluster.startNode(kill % 2);
  }
  const batch = await until(async () => {
    const view = await cluster.client.batch(batchId);
    return view.state === 'running' ? undefined : view;
  }, 'the end of the batch');
  t.is(batch.state, 'done');
  let total = 0;
  for await (const result of cluster.client.results(batchId)) total += Number(result.text);
  t.is(total, 664_579); // published: primes below 10^7
});
