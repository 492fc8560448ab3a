// Files that are pushed to nodes, by the commands that a user types, on a small cluster of real processes.

import {createHash, randomBytes} from 'node:crypto';
import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {masterFlags, nodeFlags, runningCluster, start, type Volley, volley} from './rig.ts';

type View = {
  readonly id: number;
  readonly state: string;
  readonly sent: number;
  readonly symbols: number;
  readonly whole: boolean;
  readonly nodes: readonly {name: string; state: string; part: number}[];
};

const NAMES = ['n1', 'n2', 'n3', 'n4'];
const LIMIT_MS = 170_000;
let cluster: Awaited<ReturnType<typeof runningCluster>>;
let master: Volley;
const nodes = new Map<string, Volley>();
const cleanups: (() => unknown)[] = [];
const hooks = {teardown: (act: () => unknown) => cleanups.unshift(act)};

test.before(async t => {
  t.timeout(LIMIT_MS);
  cluster = await runningCluster(hooks, NAMES);
  master = cluster.master;
  for (const [i, name] of NAMES.entries()) nodes.set(name, cluster.nodes[i] as Volley);
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

type Word = string | number;
const ask = (...words: readonly Word[]) => volley([...words, '--data', cluster.data]);

async function shown(id: number): Promise<View> {
  const {stdout, stderr} = await ask('push', 'show', id, '--json');
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as View;
}

async function until(id: number, isWanted: (view: View) => boolean): Promise<View> {
  for (;;) {
    const view = await shown(id);
    if (isWanted(view)) return view;
    await sleep(100);
  }
}

const partOf = ({nodes: all}: View, name: string): number =>
  all.find(node => node.name === name)?.part ?? 0;

async function newFile(name: string, size: number): Promise<{path: string; sha256: string}> {
  const bytes = randomBytes(size);
  const path = join(cluster.dir, name);
  await writeFile(path, bytes);
  return {path, sha256: createHash('sha256').update(bytes).digest('hex')};
}

/** Its hash there; '' = it is not there. */
const hashAt = (node: string, name: string): Promise<string> =>
  readFile(join(cluster.dir, node, 'files', name)).then(
    bytes => createHash('sha256').update(bytes).digest('hex'),
    () => '',
  );

const hashesOf = (name: string): Promise<string[]> =>
  Promise.all(NAMES.map(node => hashAt(node, name)));

async function begin(name: string): Promise<void> {
  const node = start(hooks, ['node', ...nodeFlags(cluster, name)]);
  nodes.set(name, node);
  await node.says('joined');
}

async function end(name: string, signal: NodeJS.Signals): Promise<void> {
  await nodes.get(name)?.stop(signal);
}

test.serial('a file is at every node, at those with a label, and again for nothing', async t => {
  t.timeout(LIMIT_MS);
  const {path, sha256} = await newFile('model.bin', 1_000_003);
  const all = await ask('push', path);
  t.is(all.code, 0, all.stderr);
  t.regex(
    all.stdout,
    /^4 of 4 nodes have model\.bin \([\d.]+ [KM]iB\), .* to each, sent 1\.\d\d times\n/,
  );
  t.deepEqual(await hashesOf('model.bin'), [sha256, sha256, sha256, sha256]);
  const again = await ask('push', path, '--as', 'same.bin', '--json');
  t.is(again.code, 0, again.stderr);
  const view = JSON.parse(again.stdout) as View;
  t.true(view.whole);
  t.true(view.sent <= 1, `${view.sent} datagrams`);
  t.deepEqual(await hashesOf('same.bin'), [sha256, sha256, sha256, sha256]);
  const some = await newFile('some.bin', 200_000);
  const few = await ask('push', some.path, '--to', 'of-n2', '--to', 'n[3-3]', '--json');
  t.is(few.code, 0, few.stderr);
  const told = JSON.parse(few.stdout) as View;
  t.like(told, {state: 'ended', whole: true});
  t.deepEqual(told.nodes.map(({name, state}) => `${name} ${state}`).sort(), [
    'n2 whole',
    'n3 whole',
  ]);
  t.true(told.sent >= told.symbols, `${told.sent} of ${told.symbols}`);
  t.deepEqual(await hashesOf('some.bin'), ['', some.sha256, some.sha256, '']);
  const empty = await newFile('empty', 0);
  t.is((await ask('push', empty.path, '--to', 'n1')).code, 0);
  t.is(await hashAt('n1', 'empty'), empty.sha256);
  // Nothing else stays, neither there nor on the way.
  t.deepEqual((await readdir(join(cluster.dir, 'n1', 'files'))).sort(), [
    'empty',
    'model.bin',
    'same.bin',
  ]);
  t.deepEqual(await readdir(join(cluster.dir, 'n1', 'transfers')), []);
  const list = await ask('push', 'ls');
  t.regex(list.stdout, /^ *1 .* model\.bin .* ended +4 +4$/m);
  t.regex(list.stdout, /^ *3 .* some\.bin .* ended +2 +2$/m);
  const transfers = JSON.parse((await ask('push', 'ls', '--json')).stdout).transfers as View[];
  t.deepEqual(
    transfers.map(({id}) => id),
    [4, 3, 2, 1],
  );
});

test.serial('a transfer is cancelled: what nodes have of it goes', async t => {
  t.timeout(LIMIT_MS);
  const {path} = await newFile('long.bin', 3_000_000);
  const begun = await ask('push', path, '--rate', '1mbit', '--detach');
  t.is(begun.code, 0, begun.stderr);
  const id = Number(/^Transfer (\d+) has begun; `volley push show \d+`/.exec(begun.stdout)?.[1]);
  await until(id, view => partOf(view, 'n1') > 0);
  const running = await ask('push', 'show', id);
  t.is(running.code, 0, 'it is not over');
  t.regex(running.stdout, /^Transfer \d+: long\.bin, [\d.]+ MiB, sending\n/);
  t.regex(running.stdout, /^n1 +hears it \([\d.]+ ?%\)$/m);
  const cancelled = await ask('push', 'cancel', id);
  t.is(cancelled.code, 0, cancelled.stderr);
  t.regex(cancelled.stdout, /is over \(cancelled\); nodes that have the file keep it/);
  const over = await ask('push', 'show', id);
  t.is(over.code, 1);
  t.regex(over.stdout, /^n1 +has not got it/m);
  t.deepEqual(await hashesOf('long.bin'), ['', '', '', '']);
  const parts = async () =>
    (await Promise.all(NAMES.map(name => readdir(join(cluster.dir, name, 'transfers'))))).flat();
  while ((await parts()).length > 0) await sleep(50);
  t.is((await ask('push', 'cancel', id)).code, 0, 'once more is fine');
});

test.serial('a node that is killed in the middle has the file when it is back', async t => {
  t.timeout(LIMIT_MS);
  const {path, sha256} = await newFile('killed.bin', 4_000_000);
  const begun = await ask('push', path, '--rate', '8mbit', '--detach', '--json');
  const {id} = JSON.parse(begun.stdout) as View;
  await until(id, view => partOf(view, 'n2') > 0);
  await end('n2', 'SIGKILL');
  t.is(await hashAt('n2', 'killed.bin'), '', 'it was killed before it had all');
  await begin('n2');
  const view = await until(id, ({state}) => state === 'ended');
  t.true(view.whole, JSON.stringify(view.nodes));
  t.deepEqual(await hashesOf('killed.bin'), [sha256, sha256, sha256, sha256]);
  t.deepEqual(await readdir(join(cluster.dir, 'n2', 'transfers')), []);
});

test.serial('a master that is killed in the middle goes on with it', async t => {
  t.timeout(LIMIT_MS);
  const {path, sha256} = await newFile('again.bin', 4_000_000);
  const before = (JSON.parse((await ask('push', 'ls', '--json')).stdout).transfers as View[])
    .length;
  const pushing = ask('push', path, '--rate', '8mbit');
  const id = before + 1;
  while ((JSON.parse((await ask('push', 'ls', '--json')).stdout).transfers as View[]).length < id)
    await sleep(50);
  await until(id, view => partOf(view, 'n3') > 0);
  await master.stop('SIGKILL');
  t.is(await hashAt('n3', 'again.bin'), '', 'it was killed before they had all');
  master = start(hooks, ['master', ...masterFlags(cluster)]);
  const {code, stdout, stderr} = await pushing;
  t.is(code, 0, stdout + stderr);
  t.regex(stdout, /^4 of 4 nodes have again\.bin/m);
  t.deepEqual(await hashesOf('again.bin'), [sha256, sha256, sha256, sha256]);
});

test.serial('a node that is not here is named, and has the file when it is', async t => {
  t.timeout(LIMIT_MS);
  await end('n4', 'SIGTERM');
  const {path, sha256} = await newFile('late.bin', 300_000);
  const {code, stdout} = await ask('push', path);
  t.is(code, 1, stdout);
  t.regex(stdout, /^3 of 4 nodes have late\.bin/m);
  t.regex(stdout, /^ {2}n4 is not here; it fetches it when it is back/m);
  const {transfers} = JSON.parse((await ask('push', 'ls', '--json')).stdout);
  const [{id}] = transfers as [View];
  const meanwhile = await ask('push', 'show', id);
  t.is(meanwhile.code, 0, 'it is not over');
  t.regex(meanwhile.stdout, /^n4 +is not here/m);
  await begin('n4');
  const view = await until(id, ({state}) => state === 'ended');
  t.true(view.whole);
  t.deepEqual(await hashesOf('late.bin'), [sha256, sha256, sha256, sha256]);
});

test.serial('what cannot be is said, and nothing is sent', async t => {
  t.timeout(LIMIT_MS);
  const {path} = await newFile('good.bin', 10);
  const faults: [readonly Word[], RegExp][] = [
    [['push', join(cluster.dir, 'nothing.bin')], /there is no file .*nothing\.bin/],
    [['push', cluster.dir], /is no file; of a folder make one: tar -cf/],
    [['push', path, '--as', '../up'], /"\.\.\/up" is no name for a file at nodes: .* --as NAME/],
    [['push', path, '--as', '.hidden'], /"\.hidden" is no name for a file/],
    [['push', path, '--rate', 'fast'], /--rate is from 100kbit to 10gbit, .* not "fast"/],
    [['push', path, '--rate', '1kbit'], /--rate is from 100kbit to 10gbit/],
    [['push', path, '--to', 'nobody'], /nobody/],
    [['push', path, '--to', 'label=nobody'], /none has the label "nobody"/],
    [['push', 'show', 999], /999/],
    [['push', 'cancel', 999], /999/],
    [['push', 'show', 'x'], /"x" is not the number of a transfer/],
    [['push'], /file/],
  ];
  const ls = async () => (await ask('push', 'ls', '--json')).stdout;
  const before = await ls();
  for (const [words, sentence] of faults) {
    const {code, stdout, stderr} = await ask(...words);
    t.is(code, 2, `${words.join(' ')}: ${stdout}${stderr}`);
    t.regex(stderr, sentence, words.join(' '));
  }
  t.is(await ls(), before);
});
