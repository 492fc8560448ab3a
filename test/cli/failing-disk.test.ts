// A disk that answers EIO to the n-th sync: the process ends with exit code 75, and what was acknowledged
// before is there.

import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {OperatorClient} from '../../src/http/client.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {masterFlags, newCluster, nodeFlags, runningCluster, start, temporaryFolder} from './rig.ts';

const SOURCE = fileURLToPath(new URL('fdatasync-fails.c', import.meta.url));

/** The library to preload, or undefined where there is no compiler. */
async function failingSync(t: ExecutionContext): Promise<string | undefined> {
  const library = join(await temporaryFolder(t), 'fdatasync-fails.so');
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
  const library = await failingSync(t);
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
  t.timeout(120_000);
  const library = await failingSync(t);
  if (library === undefined) return;
  const cluster = await runningCluster(t, []);
  const join_ = /volley node --join (\S+)/.exec(cluster.master.stdout)?.[1] ?? '';
  for (const at of [1, 3, 4]) {
    const env = {LD_PRELOAD: library, FAIL_AT: `${at}`};
    const node = start(t, ['node', ...nodeFlags(cluster, `n${at}`), '--join', join_], env);
    const ended = await node.ended;
    t.is(ended.code, 75, `${at}: ${ended.stderr}`);
  }
});
