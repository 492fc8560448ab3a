// A disk that answers EIO: the process ends with exit code 75, and what was acknowledged before is there.

import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {OperatorClient} from '../../src/http/client.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {
  masterFlags,
  newCluster,
  nodeFlags,
  runningCluster,
  shownJoin,
  start,
  temporaryFolder,
  volley,
} from './rig.ts';

const SOURCE = fileURLToPath(new URL('disk-fails.c', import.meta.url));

/** The library to preload, or undefined where there is no compiler. */
async function failingDisk(t: ExecutionContext): Promise<string | undefined> {
  const library = join(await temporaryFolder(t), 'disk-fails.so');
  try {
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE], {stdio: 'ignore'});
    return library;
  } catch {
    t.log('skipped: the fault needs gcc');
    t.pass();
    return undefined;
  }
}

test('a master whose n-th sync fails ends with 75 and has all that it acknowledged', async t => {
  t.timeout(170_000);
  const library = await failingDisk(t);
  if (library === undefined) return;
  const told: string[] = [];
  for (const at of [2, 6, 12]) {
    const cluster = await newCluster(t);
    const env = {LD_PRELOAD: library, FAIL_AT: `${at}`};
    const master = start(t, ['master', ...masterFlags(cluster), '--min-free', 0], env);
    const url = `http://127.0.0.1:${cluster.ports.httpPort}`;
    const token = readFileSync(join(cluster.data, 'operator.token'), 'utf8').trim();
    const client = new OperatorClient({url, token});
    let acknowledged = 0;
    await master
      .says('volley node --join')
      .then(async () => {
        for (;;) {
          await client.token(1, 1);
          acknowledged += 1;
        }
      })
      .catch(() => {});
    client.close();
    const ended = await master.ended;
    t.is(ended.code, 75, `${at}: ${ended.stderr}`);
    t.regex(ended.stderr, /the store failed: /);
    const store = await openLevelStore(join(cluster.data, 'store'));
    await auditStore(store, new NodeCrypto());
    let tokens = 0;
    for await (const _ of store.scan('token')) tokens += 1;
    await store.close();
    t.true(tokens >= acknowledged, `${at}: ${acknowledged} acknowledged, ${tokens} there`);
    told.push(`${at}: ${acknowledged}`);
  }
  t.log(`tokens acknowledged before the n-th sync failed: ${told.join(', ')}`);
});

test('a node whose n-th sync fails ends with 75', async t => {
  t.timeout(170_000);
  const library = await failingDisk(t);
  if (library === undefined) return;
  const cluster = await runningCluster(t, []);
  const join_ = shownJoin(cluster.master);
  for (const at of [1, 3, 4]) {
    const env = {LD_PRELOAD: library, FAIL_AT: `${at}`};
    const node = start(t, ['node', ...nodeFlags(cluster, `n${at}`), '--join', join_], env);
    const ended = await node.ended;
    t.is(ended.code, 75, `${at}: ${ended.stderr}`);
  }
});

test('a master that cannot write a blob ends with 75, and has no half of it afterwards', async t => {
  t.timeout(170_000);
  const library = await failingDisk(t);
  if (library === undefined) return;
  const cluster = await newCluster(t);
  const lines = join(cluster.dir, 'lines');
  writeFileSync(lines, '1\n2\n3\n');
  const url = `http://127.0.0.1:${cluster.ports.httpPort}`;
  const submit = () =>
    volley(['batch', 'submit', 'echo', '--lines', lines, '--data', cluster.data, '--url', url]);
  const failing = start(t, ['master', ...masterFlags(cluster)], {LD_PRELOAD: library});
  await failing.says('volley node --join'); // its own apps are stored by now
  await failing.stop();
  const env = {LD_PRELOAD: library, FAIL_BLOBS: '1'};
  const master = start(t, ['master', ...masterFlags(cluster)], env);
  await master.says('volley node --join');
  const refused = await submit();
  t.not(refused.code, 0);
  t.log(refused.stderr.trim());
  const ended = await master.ended;
  t.is(ended.code, 75, ended.stderr);
  t.regex(ended.stderr, /the store failed: .*blobs.*EIO/);
  const sound = start(t, ['master', ...masterFlags(cluster)]);
  await sound.says('volley node --join');
  t.deepEqual(readdirSync(join(cluster.data, 'blobs', 'tmp')), []);
  t.is((await submit()).code, 0);
});

test('a node that cannot write a blob ends with 75, and does the work when it can', async t => {
  t.timeout(170_000);
  const library = await failingDisk(t);
  if (library === undefined) return;
  const cluster = await runningCluster(t, []);
  const url = `http://127.0.0.1:${cluster.ports.httpPort}`;
  const flags = [...nodeFlags(cluster, 'n'), '--join', shownJoin(cluster.master)];
  const env = {LD_PRELOAD: library, FAIL_BLOBS: '1'};
  const node = start(t, ['node', ...flags], env);
  await node.says('joined');
  const batch = volley([
    ...['batch', 'submit', 'primes', '--range', '0..1000', '--chunk', 100, '--quorum', 1],
    ...['--wait', '--data', cluster.data, '--url', url],
  ]);
  const ended = await node.ended;
  t.is(ended.code, 75, ended.stderr);
  t.regex(ended.stderr, /the store failed: .*blobs.*EIO/);
  start(t, ['node', ...flags]);
  t.is((await batch).code, 0);
});
