// Cables that are cut under a real cluster, and a switch that eats multicast. Whatever happened, the work
// ends within 30 s and one lease after all is well again (promise P10).

import {loadavg} from 'node:os';
import test, {type ExecutionContext} from 'ava';
import {EVERY_NODE} from '../../src/master/commands.ts';
import {type Cluster, openCluster, until} from '../rig/cluster.ts';
import {type LanRig, openLan, whyNoLan} from '../rig/lan-rig.ts';
import {ended, NIGHTLY, primesOf, submitPrimes} from '../rig/work.ts';

const NODES = NIGHTLY ? 16 : 4;
const CYCLES = NIGHTLY ? 20 : 3;
const LEASE_SECONDS = 20;
const HEALED_MS_MAX = 30_000 + LEASE_SECONDS * 1_000;

/** A LAN and a cluster on it that go with the test; undefined = it cannot be had here, which was said. */
async function lanCluster(
  t: ExecutionContext,
  prepare: (lan: LanRig) => void = () => {},
): Promise<{readonly lan: LanRig; readonly cluster: Cluster} | undefined> {
  const why = whyNoLan();
  if (why !== undefined) {
    t.log(`skipped: ${why}`);
    t.pass();
    return undefined;
  }
  const lan = await openLan({nodes: NODES});
  t.teardown(() => lan.close());
  prepare(lan);
  const cluster = await openCluster(NODES, 1, lan);
  t.teardown(() => cluster.close());
  return {lan, cluster};
}

const isUp = (cluster: Cluster, wanted: number) => async (): Promise<true | undefined> =>
  (await cluster.client.status()).nodes.up === wanted || undefined;

/** Milliseconds until as many nodes are up as there are. */
async function backAfter(cluster: Cluster): Promise<number> {
  const since = performance.now();
  await until(isUp(cluster, NODES), 'every node', HEALED_MS_MAX);
  return performance.now() - since;
}

test('work ends after any number of cables was cut and mended', async t => {
  t.timeout(NIGHTLY ? 1_800_000 : 300_000);
  const rig = await lanCluster(t);
  if (!rig) return;
  const {lan, cluster} = rig;
  const [first = ''] = lan.nodes;
  const ways = [[first], lan.nodes.slice(0, NODES / 2), lan.nodes];
  const back: number[] = [];
  const batches = [];
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const cut = ways[cycle % ways.length] ?? [];
    const {batchId} = await cluster.client.submit({
      name: `cut ${cut.length}`,
      app: 'primes',
      args: [],
      input: {kind: 'range', start: 0, end: 100_000_000, chunk: 1_000_000},
      policy: {minQuorum: 2, leaseSeconds: LEASE_SECONDS},
    });
    batches.push(batchId);
    await until(
      async () => (await cluster.client.batch(batchId)).done > 0 || undefined,
      'a result',
    );
    lan.cut(cut);
    await until(isUp(cluster, NODES - cut.length), 'the silence of nodes', HEALED_MS_MAX);
    lan.heal(cut);
    back.push(await backAfter(cluster));
  }
  const since = performance.now();
  for (const batchId of batches) {
    const {state, done} = await ended(cluster, batchId, HEALED_MS_MAX);
    t.deepEqual({state, done}, {state: 'done', done: 100});
    const {found, published} = await primesOf(cluster, batchId, 100_000_000);
    t.is(found, published);
  }
  t.log(
    `${CYCLES} cuts of 1, ${NODES / 2} and ${NODES} cables: nodes back after ${list(back)} ms,`,
    `all work ended ${(performance.now() - since).toFixed(0)} ms after the last,`,
    `load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  );
});

test('a cable that works one way only is lost and found like any other', async t => {
  t.timeout(300_000);
  const rig = await lanCluster(t);
  if (!rig) return;
  const {lan, cluster} = rig;
  const back: number[] = [];
  for (const faults of [{lossTo: 100}, {lossFrom: 100}]) {
    const batchId = await submitPrimes(cluster, 100, 1_000_000);
    lan.setFaults(lan.nodes, faults);
    // What goes to a node only is not silent for its master: it hears pulls, and answers into the void.
    const cut = NODES;
    if (faults.lossFrom) await until(isUp(cluster, NODES - cut), 'the silence of nodes');
    else await until(() => lan.lost() > 60 || undefined, 'packets that are lost');
    lan.setFaults(lan.nodes, {});
    back.push(await backAfter(cluster));
    const {state} = await ended(cluster, batchId, HEALED_MS_MAX);
    t.is(state, 'done');
    const {found, published} = await primesOf(cluster, batchId, 100_000_000);
    t.is(found, published);
  }
  t.log(`back after ${list(back)} ms, load ${(loadavg()[0] ?? 0).toFixed(1)}`);
});

test('a switch that eats multicast delays commands and loses none', async t => {
  t.timeout(300_000);
  const eaten = (lan: LanRig): void => lan.setFaults(lan.hosts, {multicastLoss: 100});
  const rig = await lanCluster(t, eaten);
  if (!rig) return;
  const {cluster} = rig;
  const first = await ended(cluster, await submitPrimes(cluster, 100, 1));
  t.is(first.state, 'done', 'idle nodes hear by unicast that there is work');

  const {captureId} = await cluster.client.capture({
    action: 'testcard',
    args: [],
    target: EVERY_NODE,
    leadMs: 2_000,
    shots: 1,
    intervalMs: 0,
  });
  const capture = await until(async () => {
    const view = await cluster.client.captureOf(captureId);
    return view.state === 'done' ? view : undefined;
  }, 'the end of the capture');
  t.deepEqual(new Set(capture.rows.map(row => row.verdict)), new Set(['fired']));
  t.is(capture.rows.length, NODES);
  t.log(`spread of the shot ${capture.spreadMs[0]?.toFixed(1)} ms on ${NODES} nodes`);

  const long = await submitPrimes(cluster, 1_000, 1_000_000);
  await until(async () => (await cluster.client.batch(long)).out >= NODES || undefined, 'leases');
  await cluster.client.cancel(long);
  t.is((await ended(cluster, await submitPrimes(cluster, 100, 1))).state, 'done', 'nodes are free');

  await cluster.killMaster();
  await cluster.startMaster();
  const backMs = await backAfter(cluster);
  await cluster.killNode(0);
  await until(isUp(cluster, NODES - 1), 'the silence of a node');
  cluster.startNode(0);
  t.log(`back after a kill of the master: ${backMs.toFixed(0)} ms`);
  t.log(`a killed node: ${(await backAfter(cluster)).toFixed(0)} ms`);
  await until(() => cluster.logOf(1).includes('no multicast is heard') || undefined, 'the warning');
});

const list = (values: readonly number[]): string => values.map(ms => ms.toFixed(0)).join(', ');
