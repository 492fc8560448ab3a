// A bad network under a real cluster: each cable loses 30 % of what goes over it each way and doubles 5 %.
// All work must end, with the right answers. How long it takes is a figure, not a test: it is held against
// the same work on the same LAN without loss, in the same run.

import {loadavg} from 'node:os';
import test, {type ExecutionContext} from 'ava';
import {type Cluster, openCluster} from '../rig/cluster.ts';
import {openLan, whyNoLan} from '../rig/lan-rig.ts';
import {ended, NIGHTLY, primesOf, submitPrimes} from '../rig/work.ts';

const NODES = NIGHTLY ? 16 : 8;
const BAD = {lossTo: 30, lossFrom: 30, duplicate: 5};
const ROUNDS = NIGHTLY ? 5 : 3;

type Work = {readonly what: string; readonly count: number; readonly chunk: number};
const WORKS: readonly Work[] = [
  {what: 'workunits of no length', count: 1_000, chunk: 1},
  {what: 'workunits of milliseconds', count: NIGHTLY ? 1_000 : 100, chunk: 1_000_000},
];

/** Milliseconds from submit to the last result. */
async function timed(t: ExecutionContext, cluster: Cluster, work: Work): Promise<number> {
  const since = performance.now();
  const batchId = await submitPrimes(cluster, work.count, work.chunk);
  const {state, done, disagreements} = await ended(cluster, batchId);
  const ms = performance.now() - since;
  t.deepEqual({state, done, disagreements}, {state: 'done', done: work.count, disagreements: 0});
  const {found, published} = await primesOf(cluster, batchId, work.count * work.chunk);
  t.is(found, published);
  return ms;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function rounds(t: ExecutionContext, cluster: Cluster, work: Work): Promise<number[]> {
  const all: number[] = [];
  for (let round = 0; round < ROUNDS; round++) all.push(await timed(t, cluster, work));
  return all;
}

test('all work ends where each cable loses 30 % each way and doubles 5 %', async t => {
  const why = whyNoLan();
  if (why !== undefined) {
    t.log(`skipped: ${why}`);
    return t.pass();
  }
  t.timeout(NIGHTLY ? 1_800_000 : 600_000);
  const lan = await openLan({nodes: NODES});
  t.teardown(() => lan.close());
  const cluster = await openCluster(NODES, 1, lan);
  t.teardown(() => cluster.close());
  for (const work of WORKS) await timed(t, cluster, work); // each node has the app now
  const well = [];
  for (const work of WORKS) well.push(await rounds(t, cluster, work));
  lan.setFaults(lan.nodes, BAD);
  lan.setFaults(['master'], {duplicate: BAD.duplicate});
  for (const [no, work] of WORKS.entries()) {
    const bad = await rounds(t, cluster, work);
    const good = well[no] ?? [];
    const ratio = median(bad) / median(good);
    t.log(
      `${work.count} ${work.what}, ${NODES} nodes: ${list(good)} ms without loss, ${list(bad)} ms with`,
      `medians 1 : ${ratio.toFixed(2)}, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
    );
  }

  const lost = lan.lost();
  t.true(lost > 100, `${lost} packets were lost`);
});

const list = (values: readonly number[]): string => values.map(ms => ms.toFixed(0)).join(', ');
