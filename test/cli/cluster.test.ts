// One small cluster of real processes: a master and two nodes, asked by the commands that a user types.

import {cp, mkdir, readdir, readFile, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {type Cluster, PASSPHRASE, runningCluster, volley} from './rig.ts';

let cluster: Cluster;
const cleanups: (() => unknown)[] = [];

test.before(async t => {
  t.timeout(170_000);
  cluster = await runningCluster({teardown: act => cleanups.unshift(act)}, ['n1', 'n2']);
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

const ask = (line: string | readonly (string | number)[], input?: string) =>
  volley(
    [...(typeof line === 'string' ? line.split(' ') : line), '--data', cluster.data],
    {},
    input,
  );

async function json<T>(line: string | readonly (string | number)[], input?: string): Promise<T> {
  const {code, stdout, stderr} = await ask(
    [...(typeof line === 'string' ? line.split(' ') : line), '--json'],
    input,
  );
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

type Batch = {id: number; state: string; count: number; done: number; disagreements: number};
const batchCount = async () => (await json<{batches: Batch[]}>('batch ls')).batches.length;

test.serial('nodes are listed with their names, labels and states', async t => {
  t.timeout(170_000);
  const {stdout} = await ask('nodes');
  t.regex(stdout, /^name +id +state +labels/);
  t.regex(stdout, /^n1 +[0-9a-f]{8} +up +of-n1 /m);
  t.regex(stdout, /^n2 +[0-9a-f]{8} +up +of-n2 /m);
});

test.serial('the built-in apps are published', async t => {
  const {apps} = await json<{apps: {name: string}[]}>('app ls');
  const names = apps.map(app => app.name);
  for (const name of ['echo', 'primes', 'render', 'wordcount']) t.true(names.includes(name), name);
});

test.serial('an app of our own is signed with the passphrase, published, and runs', async t => {
  t.timeout(170_000);
  const app = join(cluster.dir, 'my-app');
  await cp('dist/apps/echo', app, {recursive: true});
  const manifest = JSON.parse(await readFile(join(app, 'app.json'), 'utf8'));
  await writeFile(join(app, 'app.json'), JSON.stringify({...manifest, name: 'mine'}));
  const publish = (passphrase: string) =>
    volley(['app', 'publish', app, '--data', cluster.data], {VOLLEY_PASSPHRASE: passphrase});
  const wrong = await publish('not the passphrase');
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /^volley: the passphrase does not open .*offline\.vault\n$/);
  const right = await publish(PASSPHRASE);
  t.is(right.code, 0, right.stderr);
  const batch = await json<Batch>('batch submit mine --range 5..6 --quorum 1 --wait');
  t.is((await ask(`batch results ${batch.id}`)).stdout, '0\t5 6\n');
});

test.serial('primes below a million are counted as published', async t => {
  t.timeout(170_000);
  const line = 'batch submit primes --range 0..1_000_000 --chunk 50_000 --quorum 2 --wait';
  const batch = await json<Batch>(line);
  t.like(batch, {state: 'done', count: 20, done: 20, disagreements: 0});
  t.is((await ask(`batch results ${batch.id} --sum`)).stdout, '78498\n');
  const {stdout} = await ask(`batch results ${batch.id}`);
  t.is(stdout.split('\n').length, 21);
  t.true(stdout.startsWith('0\t5133\n'), stdout);
  t.regex((await ask(`batch show ${batch.id}`)).stdout, /workunits +20\n/);
  const watched = await ask(`batch watch ${batch.id}`);
  t.is(watched.code, 0);
  t.regex(watched.stdout, /is done\n20 of 20 workunits/);
});

test.serial('lines go in and come out in their order, by a pipe too', async t => {
  t.timeout(170_000);
  const lines = Array.from({length: 300}, (_, i) => JSON.stringify({i, text: `é${i}`}));
  const batch = await json<Batch>('batch submit echo --lines - --wait', lines.join('\n'));
  t.is(batch.count, 300);
  const {stdout} = await ask(`batch results ${batch.id}`);
  t.deepEqual(
    stdout.trimEnd().split('\n'),
    lines.map((line, i) => `${i}\t${line}`),
  );
});

/** As src/apps/wordcount says it, for plain English. */
function wordCounts(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/[a-z0-9]+(?:'+[a-z0-9]+)*/g))
    counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

test.serial('words of real texts are counted, each result under the name of its file', async t => {
  t.timeout(170_000);
  const texts = {
    'licence.txt': await readFile('node_modules/typescript/LICENSE.txt', 'utf8'),
    'sub/readme.txt': await readFile('node_modules/cac/LICENSE', 'utf8'),
  };
  const folder = join(cluster.dir, 'texts');
  for (const [name, text] of Object.entries(texts)) {
    await mkdir(join(folder, name, '..'), {recursive: true});
    await writeFile(join(folder, name), text.replace(/[^\x20-\x7e\n]/g, ' '));
  }
  const pattern = join(folder, '**/*.txt');
  const batch = await json<Batch>(['batch', 'submit', 'wordcount', '--files', pattern, '--wait']);
  t.like(batch, {state: 'done', count: 2, done: 2});
  const {stdout} = await ask(`batch results ${batch.id}`);
  for (const name of Object.keys(texts)) {
    const path = join(folder, name);
    const found = stdout
      .split('\n')
      .map(line => line.split('\t'))
      .filter(([file]) => file === path)
      .map(([, word, count]) => [word, Number(count)]);
    const wanted = [...wordCounts(await readFile(path, 'utf8'))];
    wanted.sort(([a], [b]) => (a < b ? -1 : 1));
    t.true(wanted.length > 50);
    t.deepEqual(found, wanted);
  }
  const out = join(cluster.dir, 'counts');
  t.is((await ask(['batch', 'results', batch.id, '--out', out])).code, 0);
  const written = await readFile(join(out, `${folder}/licence.txt.out`), 'utf8');
  t.is(written.split('\n').length - 1, wordCounts(texts['licence.txt']).size);
});

test.serial('the words of all texts together are one table, reduced by the same app', async t => {
  const folder = join(cluster.dir, 'texts'); // of the test before
  const pattern = join(folder, '**/*.txt');
  const line = [
    'batch',
    'submit',
    'wordcount',
    '--reduce',
    'wordcount',
    '--wait',
    '--files',
    pattern,
  ];
  const batch = await json<Batch>(line);
  t.is(batch.state, 'done');
  const {stdout, code} = await ask(`batch results ${batch.id}`);
  t.is(code, 0);
  const paths = ['licence.txt', 'sub/readme.txt'].map(name => join(folder, name));
  const texts = await Promise.all(paths.map(path => readFile(path, 'utf8')));
  const table = stdout
    .trimEnd()
    .split('\n')
    .map(each => each.split('\t'));
  const wanted = [...wordCounts(texts.join('\n'))].toSorted(([a], [b]) => (a < b ? -1 : 1));
  t.deepEqual(
    table.map(([word, count]) => [word, Number(count)]),
    wanted,
  );
  t.regex((await ask('batch ls')).stdout, /wordcount +done, reduce/);
  t.notRegex((await ask('batch ls')).stdout, new RegExp(`^ *${Number(batch.id) + 1} `, 'm'));
  t.regex(
    (await ask('batch ls --stages')).stdout,
    new RegExp(`batch ${batch.id}, round 1, reduce`),
  );
  t.regex((await ask(`batch show ${batch.id}`)).stdout, /reduced by wordcount/);
  t.regex((await ask(`batch export ${batch.id}`)).stdout, /"index":0/);
});

test.serial('clusters of real flowers are found in rounds of map and reduce', async t => {
  t.timeout(170_000);
  const [header = '', ...rows] = (await readFile('test/data/iris.csv', 'utf8'))
    .trimEnd()
    .split('\n');
  for (const part of [0, 1, 2]) {
    const lines = [header, ...rows.slice(50 * part, 50 * (part + 1)), ''];
    await writeFile(join(cluster.dir, `iris-${part}.csv`), lines.join('\n'));
  }
  const line = 'batch submit kmeans --arg 3 --arg 4 --rounds until-stable --wait --files';
  const batch = await json<Batch>([...line.split(' '), join(cluster.dir, 'iris-*.csv')]);
  t.is(batch.state, 'done');
  const {stdout} = await ask(`batch results ${batch.id}`);
  // What R and scikit-learn find: test/apps/kmeans.test.ts.
  const inertia = Number(/inertia,(\S+)/.exec(stdout)?.[1]);
  t.true(Math.abs(inertia - 78.85144142614601) < 1e-12, stdout);
  t.deepEqual(stdout.match(/(?<=cluster,\d,)\d+/g)?.toSorted(), ['38', '50', '62']);
});

test.serial('heat crosses the edges of strips that different nodes compute', async t => {
  t.timeout(170_000);
  const spread = async (strips: number, steps: number, more: string): Promise<Buffer> => {
    const line = `batch submit heat --range 0..${strips} --chunk 1 --arg 20 --arg 24 --arg ${strips}`;
    const batch = await json<Batch>(`${line} --arg ${steps} --wait${more}`);
    const out = join(cluster.dir, `heat-${strips}`);
    t.is((await ask(['batch', 'results', batch.id, '--out', out])).code, 0);
    const files = (await readdir(out)).toSorted().map(name => readFile(join(out, name)));
    return Buffer.concat((await Promise.all(files)).map(file => file.subarray(40)));
  };
  const whole = await spread(1, 18, '');
  t.is(whole.length, 20 * 24 * 8);
  t.deepEqual(await spread(4, 6, ' --rounds 3 --halo 1'), whole);
});

test.serial('unknown batches, apps and nodes are named', async t => {
  const unknown: [string, RegExp][] = [
    ['batch show 999', /there is no batch 999; `volley batch ls`/],
    ['batch submit echo --range 0..1 --shared nothing-there', /nothing-there.*no such file/],
    ['batch submit echo --range 0..1 --shared /dev/null', /\/dev\/null is empty/],
    ['batch submit echo --range 0..1 --shared /dev/zero', /\/dev\/zero is .*64/],
    ['batch watch 999', /there is no batch 999/],
    ['batch results 999', /there is no batch 999/],
    ['batch cancel 999', /there is no batch 999/],
    ['batch submit primse --range 0..9', /there is no app "primse"; `volley app ls`/],
    ['capture --action testcard --select n99', /there is no node "n99"; `volley nodes`/],
    ['capture --action testcard --select label=x', /no node matches: none has the label "x"/],
    ['batch submit primes --range 0..9 --time-limit 9999', /above the app's own limit of 600/],
    ['batch submit primes --range 0..9 --quorum 3 --target 2', /targetReplicas is below minQuorum/],
  ];
  for (const [line, message] of unknown) {
    const {code, stderr} = await ask(line);
    t.is(code, 2, line);
    t.regex(stderr, message);
    t.is(stderr.trimEnd().split('\n').length, 1);
  }
});

test.serial('bad input is refused whole, with the line, and nothing is stored', async t => {
  t.timeout(170_000);
  const before = await batchCount();
  const file = async (name: string, text: string) => {
    await writeFile(join(cluster.dir, name), text);
    return join(cluster.dir, name);
  };
  const lines = ['batch', 'submit', 'echo', '--lines'];
  const files = ['batch', 'submit', 'wordcount', '--files'];
  const good = await file('good.txt', 'words\n');
  const huge = await file('huge', '1\n');
  await truncate(huge, 1_025 * 1_024 * 1_024); // sparse: takes no room
  const cases: [readonly string[], RegExp][] = [
    [[...lines, join(cluster.dir, 'none')], /cannot read .*none: there is no such file/],
    [[...lines, cluster.dir], /cannot read .*: it is a folder/],
    [[...lines, await file('empty', '')], /input refused: .*empty is empty/],
    [[...lines, await file('bad', '{"a":1}\n{"b":\n')], /input refused: line 2 is not JSON/],
    [[...lines, await file('gap', '1\n\n2\n')], /input refused: line 2 is blank/],
    [[...lines, huge], /huge is 1074790400 bytes; at most 1073741824 are allowed/],
    [[...files, good, join(cluster.dir, 'none')], /cannot read .*none: there is no such file/],
    [[...files, good, '--files', cluster.dir], /cannot read .*: it is a folder/],
    [[...files, join(cluster.dir, '*.pdf')], /no file matches the pattern/],
  ];
  for (const [line, message] of cases) {
    const {code, stderr} = await ask(line);
    t.is(code, 2, line.join(' '));
    t.regex(stderr, message);
  }
  const piped = await ask('batch submit echo --lines -', '');
  t.is(piped.code, 2);
  t.is(await batchCount(), before);
});

test.serial('a batch is cancelled, and then has ended', async t => {
  t.timeout(170_000);
  const line = 'batch submit primes --range 900_000_000_000..901_000_000_000 --chunk 10_000_000';
  const batch = await json<Batch>(line);
  const cancelled = await json<Batch>(`batch cancel ${batch.id}`);
  t.is(cancelled.state, 'cancelled');
  t.is((await ask(`batch watch ${batch.id}`)).code, 1);
  const again = await ask(`batch cancel ${batch.id}`);
  t.is(again.code, 2);
  t.regex(again.stderr, /has already ended \(cancelled\)/);
});
