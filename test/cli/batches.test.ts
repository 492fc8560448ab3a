// What an operator does with batches, by the commands that a user types, on a cluster of real processes.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFile, stat, truncate} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test from 'ava';
import {type Cluster, runningCluster, volley} from './rig.ts';

let cluster: Cluster;
const cleanups: (() => unknown)[] = [];

test.before(async t => {
  t.timeout(170_000);
  cluster = await runningCluster({teardown: act => cleanups.unshift(act)}, ['n1', 'n2']);
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

const ask = (line: string, input?: string) =>
  volley([...line.split(' '), '--data', cluster.data], {}, input);

async function json<T>(line: string): Promise<T> {
  const {code, stdout, stderr} = await ask(`${line} --json`);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

type Batch = {id: number; state: string; count: number; done: number; failed: number};

test.serial('a batch is suspended with a reason, resumed, and its history says who', async t => {
  t.timeout(170_000);
  // Nobody computes before the batch is suspended: else it may be done by then.
  t.is((await ask('suspend')).code, 0);
  const batch = await json<Batch>('batch submit primes --range 0..40_000_000 --chunk 1_000_000');
  const suspended = await ask(`batch suspend ${batch.id} --reason lunch`);
  t.is(suspended.code, 0, suspended.stderr);
  t.regex(suspended.stdout, /is suspended, priority 0/);
  t.regex((await ask(`batch show ${batch.id}`)).stdout, /state +suspended by owner, .* ago: lunch/);
  t.regex((await ask('batch ls')).stdout, new RegExp(`^ +${batch.id} .*suspended`, 'm'));
  t.regex((await ask(`batch priority ${batch.id} --to -5`)).stdout, /priority -5/);
  t.is((await ask(`batch resume ${batch.id}`)).code, 0);
  t.is((await ask('resume')).code, 0);
  t.is((await ask(`batch watch ${batch.id}`)).code, 0);
  const {stdout} = await ask(`batch history ${batch.id}`);
  const told = stdout.split('\n').map(line => line.replace(/^\S+ \S+ +/, '').replace(/ +/g, ' '));
  t.deepEqual(told.slice(1, -1), [
    'owner (admin) submitted 40 workunits of primes',
    'owner (admin) suspended lunch',
    'owner (admin) priority from 0 to -5',
    'owner (admin) resumed',
  ]);
});

test.serial('failed workunits are retried, and fail again when nothing has changed', async t => {
  t.timeout(170_000);
  const line = 'batch submit primes --lines - --quorum 1 --wait';
  const {code} = await ask(line, '"no"\n"such"\n"range"\n');
  t.is(code, 1);
  const {batches} = await json<{batches: Batch[]}>('batch ls');
  const batch = batches.at(-1);
  t.like(batch, {state: 'failed', failed: 3});
  const again = await ask(`batch retry ${batch?.id} --wait`);
  t.is(again.code, 1);
  t.regex((await ask(`batch history ${batch?.id}`)).stdout, /retried +3 failed workunits/);
  const none = await ask('batch retry 1');
  t.is(none.code, 2);
  t.regex(none.stderr, /no failed workunit/);
});

test.serial('a copy has the same inputs and the policy that was changed', async t => {
  t.timeout(170_000);
  const line = 'batch submit primes --range 0..1_000 --chunk 100 --quorum 1 --wait';
  const source = await json<Batch>(line);
  const copy = await json<Batch & {policy: object; clonedFrom: number}>(
    `batch clone ${source.id} --quorum 2 --priority 7 --wait`,
  );
  t.like(copy, {state: 'done', count: 10, clonedFrom: source.id});
  t.like(copy.policy, {minQuorum: 2, targetReplicas: 2, priority: 7});
  t.is((await ask(`batch results ${copy.id} --sum`)).stdout, '168\n');
  t.regex((await ask(`batch show ${copy.id}`)).stdout, /copy of +batch \d+/);
});

test.serial('only machines alike compute a batch that says so, and its copy', async t => {
  t.timeout(170_000);
  const range = 'batch submit primes --range 0..1_000 --chunk 100 --quorum 2';
  const {id, state} = await json<Batch>(`${range} --homogeneous engine --wait`);
  t.is(state, 'done');
  t.regex((await ask(`batch show ${id}`)).stdout, /homogeneous engine/);
  const copy = await json<Batch & {policy: object}>(`batch clone ${id} --wait`);
  t.like(copy, {state: 'done', policy: {homogeneous: 'engine'}});
  const {code, stderr} = await ask(`${range} --homogeneous cpu`);
  t.is(code, 2);
  t.regex(stderr, /off or arch or engine/);
});

test.serial('one workunit is told as one, wherever it is told', async t => {
  t.timeout(170_000);
  const sent = await ask('batch submit primes --lines - --quorum 1', '[0,10]\n');
  const id = /Batch (\d+) is submitted: 1 workunit of primes\./.exec(sent.stdout)?.[1];
  t.truthy(id, sent.stdout);
  t.regex((await ask(`batch show ${id}`)).stdout, /^input +1 line of blob /m);
  t.regex((await ask(`batch clone ${id}`)).stdout, /: 1 workunit\.$/m);
  t.regex((await ask(`batch history ${id}`)).stdout, /submitted +1 workunit of primes/);
});

test.serial('an export that was cut goes on to the same bytes, in both formats', async t => {
  t.timeout(170_000);
  const line = 'batch submit primes --range 0..300 --chunk 1 --quorum 1 --wait';
  const {id} = await json<Batch>(line);
  const {id: other} = await json<Batch>(line);
  for (const format of ['ndjson', 'csv']) {
    const out = join(cluster.dir, `export.${format}`);
    const first = await ask(`batch export ${id} --format ${format} --out ${out}`);
    t.is(first.code, 0, first.stderr);
    const whole = await readFile(out, 'utf8');
    t.is((await ask(`batch export ${id} --format ${format}`)).stdout, whole);
    t.is(whole.trimEnd().split('\n').length, format === 'csv' ? 601 : 300);
    const again = await ask(`batch export ${id} --format ${format} --out ${out}`);
    t.is(again.code, 2, 'a file that is there is not written over');
    t.regex(again.stderr, /is there already: go on with it by --resume, or name another file/);
    const resume = (batch: number) =>
      ask(`batch export ${batch} --format ${format} --out ${out} --resume`);
    t.regex((await resume(id)).stderr, new RegExp(`: ${out} is whole already\n$`));
    const size = Math.floor((await stat(out)).size / 2) + 3;
    await truncate(out, size);
    const mixed = await resume(other);
    t.is(mixed.code, 2);
    const refusal = `the file holds results of batch ${id}: it cannot go on with batch ${other}`;
    t.true(mixed.stderr.includes(refusal), mixed.stderr);
    t.is((await stat(out)).size, size);
    const resumed = await resume(id);
    t.is(resumed.code, 0, resumed.stderr);
    t.regex(resumed.stderr, new RegExp(`: 1[45]\\d more results are in ${out}\n$`));
    t.is(await readFile(out, 'utf8'), whole);
  }
});

test.serial('where an export cannot be written, it is said what is in the way', async t => {
  t.timeout(170_000);
  const {id} = await json<Batch>('batch submit primes --range 0..10 --chunk 10 --quorum 1 --wait');
  const told = async (line: string): Promise<string> => {
    const {code, stderr} = await ask(`batch export ${line}`);
    t.is(code === 0, false);
    t.notRegex(stderr, /ENOENT|EEXIST|EISDIR/);
    return stderr;
  };
  const {dir} = cluster;
  t.regex(await told(`${id} --out ${dir}/no/f.csv`), /there is no folder .*\/no\n/);
  t.regex(
    await told(`${id} --out ${dir}/no.csv --resume`),
    /no\.csv is not there: .*without --resume/,
  );
  t.regex(await told(`${id} --out ${dir}`), /it is a folder/);
  t.regex(await told(`${id} --out ${dir} --resume`), /it is a folder/);
  const running = await json<Batch>(
    'batch submit primes --range 0..10_000_000_000 --chunk 10_000_000 --name long',
  );
  await ask(`batch suspend ${running.id}`);
  t.regex(
    await told(`${running.id} --out ${dir}/f.csv --resume`),
    /is suspended: .* export it anew when it has ended/,
  );
  t.is((await ask(`batch delete ${running.id} --force`)).code, 0);
});

test.serial('an export whose reader goes away says so by its exit code', async t => {
  t.timeout(170_000);
  const line = 'batch submit primes --range 0..20_000 --chunk 1 --quorum 1 --wait';
  const {id} = await json<Batch>(line);
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const argv = ['--import=tsx', main, 'batch', 'export', String(id), '--data', cluster.data];
  const cut = spawn(process.execPath, argv, {stdio: ['ignore', 'pipe', 'pipe']});
  await once(cut.stdout, 'data');
  cut.stdout.destroy();
  const [code] = await once(cut, 'close');
  t.is(code, 1);
});

test.serial('a batch is deleted, and only its history is left', async t => {
  t.timeout(170_000);
  const running = await json<Batch>(
    'batch submit primes --range 0..10_000_000_000 --chunk 10_000_000',
  );
  const refused = await ask(`batch delete ${running.id}`);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /is running: cancel it first/);
  const watching = ask(`batch watch ${running.id}`);
  t.is((await ask(`batch delete ${running.id} --force`)).code, 0);
  t.is((await watching).code, 2);
  const gone = await ask(`batch show ${running.id}`);
  t.is(gone.code, 2);
  t.regex((await ask(`batch history ${running.id}`)).stdout, /deleted/);
  t.is((await ask(`batch results ${running.id}`)).code, 2);
});

test.serial(
  'a batch that too few nodes could compute says why, or is refused with --strict',
  async t => {
    t.timeout(170_000);
    const few = ['batch', 'submit', 'primes', '--range', '0..10', '--quorum', '3'].join(' ');
    const refused = await ask(`${few} --strict`);
    t.is(refused.code, 2);
    t.regex(
      refused.stderr,
      /needs 3 different nodes \(minQuorum\), and 2 have joined; without --strict/,
    );
    const waiting = await ask(few);
    t.is(waiting.code, 0);
    t.regex(waiting.stderr, /^volley: batch \d+ needs 3 different nodes .*: it waits$/m);
    const id = /Batch (\d+)/.exec(waiting.stdout)?.[1];
    t.regex(
      (await ask('batch ls')).stdout,
      new RegExp(`^Batch ${id} waits: it needs 3 different`, 'm'),
    );
    t.regex(
      (await ask(`batch show ${id}`)).stdout,
      /^state +waiting$[\s\S]*^waits +needs 3 different/m,
    );
    await ask(`batch delete ${id} --force`);
    const aimed = await ask(
      'batch submit primes --range 0..10 --quorum 1 --select label=of-n2 --wait',
    );
    t.is(aimed.code, 0, aimed.stderr);
  },
);

test.serial(
  'every node computes a broadcast once, and its results bear the names of nodes',
  async t => {
    t.timeout(170_000);
    const line = 'batch submit primes --all --range 0..1_000 --wait';
    const batch = await json<Batch & {policy: object}>(line);
    t.like(batch, {state: 'done', count: 2, done: 2, policy: {broadcast: true, minQuorum: 1}});
    // They stand in the order in which the two joined.
    const lines = (await ask(`batch results ${batch.id}`)).stdout.split('\n').sort();
    t.deepEqual(lines, ['', 'n1\t168', 'n2\t168']);
    const {stdout: shown} = await ask(`batch show ${batch.id}`);
    t.regex(shown, /broadcast: one workunit for each node/);
    t.regex(shown, /^input +0 … 1,000$/m);
    const out = join(cluster.data, 'of-nodes');
    t.is((await ask(`batch results ${batch.id} --out ${out}`)).code, 0);
    t.is((await readFile(join(out, 'n2.out'), 'utf8')).trim(), '168');
    const csv = (await ask(`batch export ${batch.id} --format csv`)).stdout.split('\r\n');
    t.regex(csv[0] ?? '', /,reason,nodeId$/);
    t.regex(csv[1] ?? '', /^\d+,0,done,4,,"168\n",,,[0-9a-f]{32}$/);
    const clone = await json<Batch>(`batch clone ${batch.id} --wait`);
    t.like(clone, {state: 'done', done: 2});
  },
);

test.serial('a broadcast waits for a node that is held, and says so', async t => {
  t.timeout(170_000);
  t.is((await ask('nodes suspend n2')).code, 0);
  const strict = await ask('batch submit primes --all --strict');
  t.is(strict.code, 2);
  t.regex(strict.stderr, /needs each of its 2 nodes, and 1 cannot begin now: n2 is suspended/);
  const {code, stderr} = await ask('batch submit primes --all --name held');
  t.is(code, 0);
  t.regex(stderr, /1 cannot begin now: n2 is suspended: it waits/);
  const {batches} = await json<{batches: Batch[]}>('batch ls');
  const id = batches.at(-1)?.id;
  t.regex((await ask(`batch show ${id}`)).stdout, /waits +needs each of its 2 nodes/);
  t.is((await ask('nodes resume n2')).code, 0);
  t.is((await ask(`batch watch ${id}`)).code, 0);
});

test.serial(
  'a broadcast of many inputs, or with a quorum, is refused and stores nothing',
  async t => {
    const many = await ask('batch submit primes --all --range 0..1_000 --chunk 100');
    t.is(many.code, 2);
    t.regex(many.stderr, /a broadcast has one input for all its nodes, not 10/);
    const several = await ask('batch submit primes --all --quorum 2');
    t.is(several.code, 2);
    t.regex(several.stderr, /a broadcast has one result of each node: leave minQuorum out/);
    const word = await ask('batch submit primes --all no');
    t.is(word.code, 2);
    t.regex(word.stderr, /what is "no" for\?/);
  },
);
