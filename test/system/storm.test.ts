// All nodes of a large cluster come back at once: the master was killed, and each of them makes a new
// session. The master takes a bounded number of handshakes a second, so this is a matter of seconds.

import {loadavg} from 'node:os';
import test from 'ava';
import {openCluster, until} from '../rig/cluster.ts';
import {openCrowd} from '../rig/crowd.ts';
import {NIGHTLY} from '../rig/work.ts';

const NODES = NIGHTLY ? 1_000 : 200;

test('every node of a large cluster is back after a kill of the master', async t => {
  t.timeout(300_000);
  const cluster = await openCluster(0);
  t.teardown(() => cluster.close());
  const enrolSince = performance.now();
  const crowd = await openCrowd(cluster, NODES);
  t.teardown(() => crowd.close());
  await cluster.nodesUp(NODES);
  const enrolMs = performance.now() - enrolSince;
  await until(() => crowd.joined() >= NODES || undefined, 'every Welcome');
  await cluster.killMaster();
  await cluster.startMaster();
  const since = performance.now();
  const up = await until(async () => {
    const {nodes} = await cluster.client.status();
    return nodes.up >= NODES ? nodes.up : undefined;
  }, 'all nodes');
  const backMs = performance.now() - since;
  t.is(up, NODES);
  t.log(
    `${NODES} nodes: enrolled in ${enrolMs.toFixed(0)} ms, back ${backMs.toFixed(0)} ms after the`,
    `master serves again, load ${(loadavg()[0] ?? 0).toFixed(1)}`,
  );
});
