// Rounds on real processes, of which some are killed: the master in the middle of several rounds, and nodes beside it.
// The plate is what one strip makes of it, bit for bit.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import type {BatchRequest} from '../../src/core/operator-request.ts';
import {type Cluster, openCluster, until} from '../rig/cluster.ts';
import {ended} from '../rig/work.ts';

const NODES = 4;
const ROUNDS = 12;
const [WIDTH, HEIGHT, STRIPS, STEPS] = [48, 48, 6, 4];
/** Of each strip, before its numbers (src/apps/heat). */
const HEAD_BYTES = 40;

const heat = (strips: number, steps: number): BatchRequest => ({
  name: 'heat',
  app: 'heat',
  args: [WIDTH, HEIGHT, strips, steps].map(String),
  input: {kind: 'range', start: 0, end: strips, chunk: 1},
  policy: {minQuorum: 2},
});

async function plateOf(cluster: Cluster, batchId: BatchId): Promise<Buffer> {
  const strips: Buffer[] = [];
  for await (const {blobId, base64} of cluster.client.results(batchId)) {
    const parts: Uint8Array[] = base64 === undefined ? [] : [Buffer.from(base64, 'base64')];
    if (blobId) for await (const part of cluster.client.readBlob(blobId)) parts.push(part);
    strips.push(Buffer.concat(parts).subarray(HEAD_BYTES));
  }
  return Buffer.concat(strips);
}

test('rounds go on through kills of the master and of nodes, and end with the right bytes', async t => {
  t.timeout(170_000);
  const cluster = await openCluster(NODES);
  t.teardown(() => cluster.close());
  const {batchId} = await cluster.client.submit({
    ...heat(STRIPS, STEPS),
    stages: {rounds: ROUNDS, halo: 1},
  });
  const roundOf = async (): Promise<number> =>
    (await cluster.client.batch(batchId)).stageNow?.round ?? 1;
  for (const goal of [2, 5, 9]) {
    const seen = await until(async () => {
      const round = await roundOf();
      return round >= goal ? round : undefined;
    }, `round ${goal}`);
    await Promise.all([cluster.killMaster(), cluster.killNode(goal % NODES)]);
    cluster.startNode(goal % NODES);
    await cluster.startMaster();
    t.true((await roundOf()) >= seen, `round ${seen} was shown, and is not there after a kill`);
  }
  const batch = await ended(cluster, batchId);
  t.is(batch.state, 'done', batch.reason);
  const last = batch.stageNow;
  t.like(last, {round: ROUNDS, kind: 'map', state: 'done', count: STRIPS});
  const whole = await cluster.client.submit(heat(1, ROUNDS * STEPS));
  await ended(cluster, whole.batchId);
  const plate = await plateOf(cluster, whole.batchId);
  t.is(plate.length, WIDTH * HEIGHT * 8);
  t.deepEqual(await plateOf(cluster, last?.batchId ?? batchId), plate);
  const kept = (await cluster.client.batches()).filter(({stage}) => stage?.batchId === batchId);
  t.true(kept.length <= 2, 'rounds that nobody needs are gone');
});
