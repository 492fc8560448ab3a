// What somebody does to the files of a store while its master runs: nothing is acknowledged that would be lost, and
// the next start says what is wrong in place of beginning with nothing.

import {existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {type Cluster, masterFlags, newCluster, start, type Volley, volley} from './rig.ts';

const url = ({ports}: Cluster): string => `http://127.0.0.1:${ports.httpPort}`;

const token = (cluster: Cluster) =>
  volley(['nodes', 'token', '--data', cluster.data, '--url', url(cluster), '--json']);

async function running(
  t: ExecutionContext,
  cluster: Cluster,
  ...flags: readonly string[]
): Promise<Volley> {
  const master = start(t, ['master', ...masterFlags(cluster), ...flags]);
  await master.says('volley node --join');
  return master;
}

/** A master that was started, did something and ended as it should. */
async function used(t: ExecutionContext): Promise<Cluster> {
  const cluster = await newCluster(t);
  const master = await running(t, cluster);
  t.is((await token(cluster)).code, 0);
  await master.stop();
  return cluster;
}

async function refused(t: ExecutionContext, cluster: Cluster, why: RegExp): Promise<void> {
  const {code, stderr} = await start(t, ['master', ...masterFlags(cluster)]).ended;
  t.is(code, 75, stderr);
  t.regex(stderr, why);
}

test('a store that is deleted under its master: no acknowledgement, and no new beginning', async t => {
  t.timeout(170_000);
  const cluster = await used(t);
  const master = await running(t, cluster);
  rmSync(join(cluster.data, 'store'), {recursive: true});
  t.not((await token(cluster)).code, 0, 'nothing is promised any more');
  const {code, stderr} = await master.ended;
  t.is(code, 75, stderr);
  t.regex(stderr, /the store failed: .*HEAD was deleted/);
  await refused(t, cluster, /store is gone, and this master has worked with it.*--empty-store/s);
  t.false(existsSync(join(cluster.data, 'store')), 'nothing was made');
  const anew = await running(t, cluster, '--empty-store');
  t.is((await token(cluster)).code, 0);
  await anew.stop();
  await (await running(t, cluster)).stop();
});

test('tables that are cut under a running master are named at the next start', async t => {
  t.timeout(170_000);
  const cluster = await used(t);
  const store = join(cluster.data, 'store');
  await (await running(t, cluster)).stop(); // LevelDB makes tables of its log when it opens
  const master = await running(t, cluster);
  const tables = readdirSync(store).filter(name => name.endsWith('.ldb'));
  t.true(tables.length > 0);
  for (const name of tables) truncateSync(join(store, name), statSync(join(store, name)).size >> 1);
  await token(cluster); // it may die of this: the system says SIGBUS for what is gone of a mapped file
  master.process.kill('SIGKILL');
  await master.ended;
  await refused(t, cluster, /the store is damaged: /);
  const saved = await volley(['recover', '--apply', '--data', cluster.data]);
  t.is(saved.code, 0, saved.stderr);
  await (await running(t, cluster)).stop();
});

test('an emptied CURRENT and an emptied folder are no new store', async t => {
  t.timeout(170_000);
  const cluster = await used(t);
  const store = join(cluster.data, 'store');
  writeFileSync(join(store, 'CURRENT'), '');
  await refused(t, cluster, /the store is damaged: /);
  for (const name of readdirSync(store)) rmSync(join(store, name));
  await refused(t, cluster, /is gone, and this master has worked with it/);
});
