// A node without its master goes on with what it has, and reports it when the cable is whole again.

import {writeFileSync} from 'node:fs';
import {loadavg} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {askNode} from '../../src/io/control.ts';
import type {NodeStatus} from '../../src/node/status.ts';
import {openCluster, until} from '../rig/cluster.ts';
import {openLan, whyNoLan} from '../rig/lan-rig.ts';
import {ended} from '../rig/work.ts';

const CHUNK = 4_000_000;
const COUNT = 60;
const BUFFER_SECONDS = 120;

async function statusOf(dir: string): Promise<NodeStatus> {
  const answer = await askNode(dir, {do: 'status'});
  if (!answer.ok) throw new Error(answer.reason);
  return answer.status as NodeStatus;
}

/** All that is in hand is computed, and kept. */
async function isDone(dir: string): Promise<true | undefined> {
  const {running, waiting} = await statusOf(dir);
  return running.length + waiting === 0 || undefined;
}

test('what was buffered is computed while the cable is cut, and counts afterwards', async t => {
  t.timeout(300_000);
  const why = whyNoLan();
  if (why !== undefined) {
    t.log(`skipped: ${why}`);
    t.pass();
    return;
  }
  const lan = await openLan({nodes: 1});
  t.teardown(() => lan.close());
  const cluster = await openCluster(1, 1, lan);
  t.teardown(() => cluster.close());
  const dir = join(cluster.dir, 'node0');
  const path = join(dir, 'preferences.json');
  const status = (): Promise<NodeStatus> => statusOf(dir);
  writeFileSync(path, JSON.stringify({bufferSeconds: BUFFER_SECONDS}), {mode: 0o600});
  await until(
    async () => (await status()).preferences.owner.bufferSeconds === BUFFER_SECONDS || undefined,
    'the preference',
  );
  const {batchId} = await cluster.client.submit({
    name: 'offline',
    app: 'primes',
    args: [],
    input: {
      kind: 'range',
      start: 900_000_000_000,
      end: 900_000_000_000 + COUNT * CHUNK,
      chunk: CHUNK,
    },
    policy: {minQuorum: 1},
  });
  await until(async () => (await status()).waiting > 10 || undefined, 'a buffer');
  const atCut = await status();
  lan.cut(lan.nodes);
  await until(
    async () => !(await status()).session.welcomed || undefined,
    'the loss of the master',
  );
  const {done: doneAtCut} = await cluster.client.batch(batchId);
  await until(() => isDone(dir), 'the end of the buffer', 120_000);
  const {spooled, session} = await status();
  t.false(session.welcomed);
  t.true(spooled > 0);
  t.is((await cluster.client.batch(batchId)).done, doneAtCut, 'nobody told the master');
  lan.heal(lan.nodes);
  const {state, done, replicas} = await ended(cluster, batchId);
  t.deepEqual({state, done}, {state: 'done', done: COUNT});
  await until(async () => (await status()).spooled === 0 || undefined, 'receipts');
  t.log(
    `${atCut.waiting + atCut.running.length} workunits in hand at the cut, ${doneAtCut} of ${COUNT} done by then;`,
    `${spooled} reports brought back, ${replicas} replicas in all, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  );
  t.true(doneAtCut < COUNT && atCut.waiting > 0);
  // A machine that is very busy may look silent for other reasons; test/node/spool.test.ts is exact.
  t.true(replicas < COUNT + spooled, 'what was computed without the master is not done again');
});
