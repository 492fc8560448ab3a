// `volley doctor` and `volley recover`: what is typed, what is printed, exit codes, and that nothing but
// `--apply` changes a store.

import {execFileSync, spawnSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asBatchId} from '../../src/base/types.ts';
import {describe, describeMissing} from '../../src/cli/recover.ts';
import {decodePage, decodePageKey} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import type {Loss} from '../../src/master/salvage.ts';
import {loadedRig, writeStore} from '../rig/stored-master.ts';
import {masterFlags, newCluster, start, temporaryFolder, volley} from './rig.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const NOBODY = 65_534;
const COMMANDS = [['doctor', '--store'], ['recover'], ['recover', '--apply']] as const;

const crypto = new NodeCrypto();
const {rig} = loadedRig({workunits: 400, nodes: 3, rounds: 6});

/** The folder of a master with a store of a few hundred workunits. */
async function masterFolder(t: ExecutionContext): Promise<{data: string; store: string}> {
  const data = join(await temporaryFolder(t), 'master');
  mkdirSync(data, {mode: 0o700});
  writeFileSync(join(data, 'cluster.json'), '{}');
  const store = join(data, 'store');
  await writeStore(store, rig, 'log');
  return {data, store};
}

/** Spoils the log in its middle. */
function damage(store: string): void {
  const log = join(store, readdirSync(store).find(name => name.endsWith('.log')) ?? '');
  const bytes = readFileSync(log);
  bytes.fill(0xa5, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 300);
  writeFileSync(log, bytes);
}

/** Every file of a folder and what is in it. */
const lookAt = (folder: string): string[] =>
  readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter(entry => entry.isFile())
    .map(({parentPath, name}) => join(parentPath, name))
    .sort()
    .map(path => `${path} ${toHex(crypto.sha256(readFileSync(path)))}`);

const errorOf = ({stderr}: {stderr: string}) =>
  (JSON.parse(stderr) as {error: {code: string; message: string}}).error;

test('a whole store is called whole, and is left as it is', async t => {
  const {data} = await masterFolder(t);
  const before = lookAt(data);
  for (const [command, pattern] of [
    [
      ['doctor', '--store'],
      /^The store of the master in .*: \d+ commits, [\d_]+ rows[\s\S]*It is whole\.\n$/,
    ],
    [['recover'], /^The store in .* is whole: there is nothing to recover\.\n$/],
    [['recover', '--apply'], /^The store in .* is whole/],
  ] as const) {
    const {code, stdout, stderr} = await volley([...command, '--data', data]);
    t.is(code, 0, stderr);
    t.regex(stdout, pattern);
    t.deepEqual(lookAt(data), before);
  }
  const {stdout} = await volley(['recover', '--json', '--data', data]);
  t.deepEqual(JSON.parse(stdout), {role: 'master', whole: true, applied: false});
});

test('a damaged store is named with 75, told about without a change, and mended by --apply', async t => {
  const {data, store} = await masterFolder(t);
  damage(store);
  const before = lookAt(data);
  const looked = await volley(['doctor', '--store', '--json', '--data', data]);
  t.is(looked.code, 75, looked.stderr);
  const found = JSON.parse(looked.stdout) as {damages: {table: string}[]; role: string};
  t.is(found.role, 'master');
  t.true(found.damages.length > 0);
  const said = await volley(['doctor', '--store', '--data', data]);
  t.regex(said.stdout, /It is damaged in \d+ places?:\n {2}[a-z]+\//);
  const plan = await volley(['recover', '--data', data]);
  t.is(plan.code, 75, plan.stderr);
  t.regex(plan.stdout, /Nothing was changed\. `volley recover --apply` puts it in place\.\n$/);
  t.deepEqual(lookAt(data), before, 'nothing was changed, and nothing left beside it');
  const done = await volley(['recover', '--apply', '--data', data]);
  t.is(done.code, 0, done.stderr);
  const kept = /kept in (\S+);/.exec(done.stdout)?.[1] ?? '';
  t.deepEqual(
    lookAt(kept).map(line => line.replace(kept, store)),
    before.filter(line => line.includes('/store/')),
    'the damaged store is kept as it was',
  );
  t.deepEqual(readdirSync(data).length, 3, 'cluster.json and two stores');
  t.is(statSync(store).mode & 0o777, 0o700);
  t.is((await volley(['doctor', '--store', '--data', data])).code, 0);
  t.is((await volley(['recover', '--data', data])).code, 0);
});

test('of a store without one of its tables the lost decisions are counted', async t => {
  const data = join(await temporaryFolder(t), 'master');
  const store = join(data, 'store');
  mkdirSync(data, {mode: 0o700});
  writeFileSync(join(data, 'cluster.json'), '{}');
  await writeStore(store, loadedRig({workunits: 4_000, nodes: 4, outputBytes: 200}).rig, 'both');
  const tables = readdirSync(store).filter(name => name.endsWith('.ldb'));
  const sizeOf = (name: string): number => statSync(join(store, name)).size;
  rmSync(join(store, tables.sort((a, b) => sizeOf(b) - sizeOf(a))[0] ?? ''));
  const {code, stdout} = await volley(['recover', '--data', data]);
  t.is(code, 75);
  t.regex(stdout, /batch 1 \(b\): at least 1,\d{3} decisions are lost; by number it is known that/);
  const done = await volley(['recover', '--apply', '--json', '--data', data]);
  const {loss} = JSON.parse(done.stdout) as {loss: Loss};
  const level = await openLevelStore(store);
  t.teardown(() => level.close());
  for (const {batchId, decisionsLost} of loss.batches) {
    let left = 0;
    for await (const [key, page] of level.scan('page'))
      if (decodePageKey(key).batchId === batchId) left += decodePage(page).size;
    t.is(decisionsLost, 2_000 - left, `batch ${batchId}`);
  }
});

test('what is lost is told by its number where nothing names it', t => {
  const lossOf = (reopened: readonly number[] | undefined, decisionsLost: number): string =>
    describe({batchId: asBatchId(53), name: 'flood', reopened, decisionsLost});
  t.is(lossOf(undefined, 0), 'batch 53: the disk lost what was asked for; submit it again');
  t.is(lossOf([4], 0), 'batch 53 (flood): up to 1 workunit is open again: 4');
  t.is(
    lossOf([1, 2, 3, 7], 2),
    'batch 53 (flood): up to 4 workunits are open again and at least 2 decisions are lost: 1-3, 7',
  );
  t.is(
    lossOf([1, 2], 1_978),
    'batch 53 (flood): at least 1,978 decisions are lost; by number it is known that 2 workunits are open again: 1-2',
  );
  t.is(
    lossOf([], 1),
    'batch 53 (flood): at least 1 decision is lost; nothing says of which workunits',
  );
  t.is(describeMissing([[3, 3]]), 'batch 3 is not in what is left: it is lost, or was deleted');
  t.is(
    describeMissing([
      [25, 52],
      [54, 54],
    ]),
    'batches 25 to 52, 54 are not in what is left: they are lost, or were deleted',
  );
});

test('the store of a node is mended by the same commands', async t => {
  const {data, store} = await masterFolder(t);
  const node = join(data, '..', 'node');
  mkdirSync(node);
  writeFileSync(join(node, 'node.keys'), '');
  cpSync(store, join(node, 'store'), {recursive: true});
  damage(join(node, 'store'));
  const {code, stdout} = await volley(['recover', '--apply', '--json', '--data', node]);
  t.is(code, 0);
  t.like(JSON.parse(stdout), {role: 'node', whole: false, applied: true});
});

test('a folder of something else is not called good', async t => {
  const dir = await temporaryFolder(t);
  const {stdout} = await volley(['doctor', '--data', dir]);
  t.regex(stdout, /is no folder of a master or a node/);
});

test('flags that are not there and folders that are none are refused with 2', async t => {
  const {data} = await masterFolder(t);
  const dir = await temporaryFolder(t);
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['recover', '--aply', '--data', data], /did you mean "?--apply"?/],
    [['doctor', '--stor', '--data', data], /did you mean "?--store"?/],
    [['recover', data], /has no use for/],
    [['doctor', 'store'], /has no use for/],
    [['recover', '--data'], /--data/],
    [['recover', '--data', dir], /is neither the folder of a master nor that of a node/],
    [['doctor', '--store', '--data', join(dir, 'none')], /is neither the folder of a master/],
  ];
  for (const [args, pattern] of wrong) {
    const {code, stderr, stdout} = await volley(args);
    t.is(code, 2, `${args.join(' ')}: ${stdout}${stderr}`);
    t.regex(stderr, pattern);
    t.is(stderr.trimEnd().split('\n').length, 1);
  }
  const asJson = await volley(['recover', '--json', '--data', dir]);
  t.is(asJson.code, 2);
  t.is(errorOf(asJson).code, 'VOLLEY_USAGE');
});

test('a folder without a store is named', async t => {
  const data = await temporaryFolder(t);
  writeFileSync(join(data, 'cluster.json'), '{}');
  for (const make of [() => {}, () => mkdirSync(join(data, 'store'))]) {
    make();
    for (const command of COMMANDS) {
      const ended = await volley([...command, '--json', '--data', data]);
      t.is(ended.code, 2);
      t.regex(errorOf(ended).message, /there is no store/);
    }
  }
});

test('a store that a running master has is left alone', async t => {
  t.timeout(170_000);
  const cluster = await newCluster(t);
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  for (const command of COMMANDS) {
    const ended = await volley([...command, '--json', '--data', cluster.data]);
    t.is(ended.code, 1);
    t.is(errorOf(ended).code, 'VOLLEY_STORE_LOCKED');
  }
  t.deepEqual(
    readdirSync(cluster.data).filter(name => name.startsWith('store') && name !== 'store.begun'),
    ['store'],
  );
  t.is((await master.stop()).code, 0);
});

/** As another user; undefined where we cannot be one. */
function asNobody(args: readonly string[]): {code: number | null; stderr: string} | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const {status, stderr} = spawnSync(process.execPath, ['--import=tsx', MAIN, ...args], {
    encoding: 'utf8',
    uid: NOBODY,
    gid: NOBODY,
    env: {...process.env, TSX_DISABLE_CACHE: '1', NODE_NO_WARNINGS: '1'},
  });
  return {code: status, stderr};
}

test('what may not be read or written is named', async t => {
  const {data, store} = await masterFolder(t);
  damage(store);
  chmodSync(join(data, '..'), 0o755);
  const refused = (what: string, command: readonly string[]): void => {
    const ended = asNobody([...command, '--json', '--data', data]);
    if (!ended) return t.log('skipped: to be another user needs root');
    t.is(ended.code, 1, ended.stderr);
    t.like(errorOf(ended), {code: 'VOLLEY_NO_PERMISSION'});
    t.true(errorOf(ended).message.includes(what), errorOf(ended).message);
  };
  for (const command of COMMANDS) refused(data, command);
  chmodSync(data, 0o755);
  for (const command of COMMANDS) refused(store, command);
  chmodSync(store, 0o755);
  if (process.getuid?.() === 0)
    for (const name of readdirSync(store)) chownSync(join(store, name), NOBODY, NOBODY);
  // It may be read, copied to the temporary folder and told about, but nothing can be put beside it.
  refused(data, ['recover', '--apply']);
  t.is(asNobody(['recover', '--data', data])?.code ?? 75, 75);
});

test('without room for the copy nothing is begun, and it is said how much is wanted', async t => {
  const {data, store} = await masterFolder(t);
  damage(store);
  const disk = join(data, '..', 'disk');
  mkdirSync(disk);
  const kib = Math.ceil(
    readdirSync(store).reduce((sum, n) => sum + statSync(join(store, n)).size, 0) / 1_024,
  );
  try {
    const size = `size=${Math.ceil(kib * 1.5) + 64}k`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', disk], {stdio: 'ignore'});
  } catch {
    t.log('skipped: mounting a small tmpfs needs root');
    return t.pass();
  }
  t.teardown(() => execFileSync('umount', ['-l', disk]));
  cpSync(data, join(disk, 'master'), {recursive: true});
  const before = lookAt(join(disk, 'master'));
  for (const command of COMMANDS) {
    const env = {TMPDIR: disk, TSX_DISABLE_CACHE: '1'};
    const ended = await volley([...command, '--json', '--data', join(disk, 'master')], env);
    t.is(ended.code, 1, ended.stderr);
    t.is(errorOf(ended).code, 'VOLLEY_NO_SPACE');
    t.regex(errorOf(ended).message, /\d+ bytes free, and \d+ are wanted: the store is copied/);
    t.deepEqual(lookAt(join(disk, 'master')), before);
  }
  const elsewhere = await volley(['recover', '--data', join(disk, 'master')]);
  t.is(elsewhere.code, 75, 'there is room in the temporary folder to look');
});
