// What an operator does with nodes and with the whole cluster, on real processes.

import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {type Cluster, nodeFlags, runningCluster, start, type Volley, volley} from './rig.ts';

let cluster: Cluster & {readonly nodes: readonly Volley[]};
const cleanups: (() => unknown)[] = [];

test.before(async t => {
  t.timeout(170_000);
  cluster = await runningCluster({teardown: act => cleanups.unshift(act)}, ['n1', 'n2']);
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

const ask = (...words: readonly string[]) => volley([...words, '--data', cluster.data]);

async function json<T>(line: string): Promise<T> {
  const {code, stdout, stderr} = await ask(...line.split(' '), '--json');
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

type Node = {name: string; out: number; state: string; labels: string[]};
type Batch = {id: number; state: string; done: number; out: number};
const nodeCalled = async (name: string): Promise<Node | undefined> =>
  (await json<{nodes: Node[]}>('nodes')).nodes.find(node => node.name === name);

/** Waits for the thing itself; the test's own timeout is the limit. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(100);
}

test.serial(
  'one command suspends all nodes, the table says who and why, and one resumes',
  async t => {
    t.timeout(170_000);
    const line = 'batch submit primes --range 0..400_000_000_000 --chunk 10_000_000 --quorum 1';
    const batch = await json<Batch>(line);
    await until(async () => (await json<Batch>(`batch show ${batch.id}`)).out > 0);
    const suspended = await ask('suspend', '--reason', 'the fuse');
    t.is(suspended.code, 0, suspended.stderr);
    t.regex(
      suspended.stdout,
      /^suspended by owner, .*: the fuse; 2 of 2 nodes that are up have taken it/,
    );
    t.regex((await ask('nodes')).stdout, /The cluster is suspended by owner, .*the fuse; 2 of 2/);
    t.regex((await ask('status')).stdout, /^computing +suspended by owner/m);
    const before = await json<Batch>(`batch show ${batch.id}`);
    await sleep(1_500);
    const after = await json<Batch>(`batch show ${batch.id}`);
    t.true(after.done - before.done <= 2, 'what was on its way at most');
    t.is(after.state, 'running');
    const resumed = await ask('resume');
    t.regex(resumed.stdout, /^resumed by owner, .*; 2 of 2 nodes/);
    await until(async () => (await json<Batch>(`batch show ${batch.id}`)).done > after.done);
    await ask('batch', 'cancel', String(batch.id));
  },
);

test.serial('a node is suspended, drained, quarantined and set free again', async t => {
  t.timeout(170_000);
  const batch = await json<Batch>(
    'batch submit primes --range 0..400_000_000_000 --chunk 10_000_000 --quorum 1',
  );
  await until(async () => ((await nodeCalled('n1'))?.out ?? 0) > 0);
  for (const [word, state, end] of [
    ['suspend', 'suspended', 'resume'],
    ['drain', 'draining', 'resume'],
    ['quarantine', 'quarantined', 'release'],
  ] as const) {
    const held = await ask('nodes', word, 'n1', '--reason', `a ${word}`);
    t.regex(held.stdout, new RegExp(`^n1 \\([0-9a-f]{8}\\) is ${state}, labels of-n1\\.`));
    await until(async () => (await nodeCalled('n1'))?.out === 0);
    const {stdout} = await ask('nodes');
    t.regex(stdout, new RegExp(`^n1 +[0-9a-f]{8} +${state} `, 'm'));
    t.regex(stdout, new RegExp(`^n1: ${state} by owner, .*: a ${word}$`, 'm'));
    t.is((await ask('nodes', end, 'n1')).code, 0);
    await until(async () => ((await nodeCalled('n1'))?.out ?? 0) > 0);
  }
  await ask('batch', 'cancel', String(batch.id));
});

test.serial('a label that was given selects nodes for a capture, the own one stays', async t => {
  t.timeout(170_000);
  const given = await ask('nodes', 'label', 'n2', '--add', 'ring1');
  t.regex(given.stdout, /labels of-n2 ring1\./);
  const out = `${cluster.dir}/shots`;
  const fired = await ask(
    'capture',
    '--action',
    'testcard',
    '--select',
    'label=ring1',
    '--out',
    out,
  );
  t.is(fired.code, 0, fired.stderr);
  t.regex(fired.stdout, /n2/);
  t.notRegex(fired.stdout, /n1 /);
  const own = await ask('nodes', 'label', 'n2', '--remove', 'of-n2');
  t.is(own.code, 2);
  t.regex(own.stderr, /says "of-n2" itself/);
  t.regex((await ask('nodes', 'label', 'n2', '--remove', 'ring1')).stdout, /labels of-n2\./);
});

test.serial('a node that is gone is forgotten', async t => {
  t.timeout(170_000);
  t.regex((await ask('nodes', 'forget', 'n2')).stderr, /is up; end it first/);
  await cluster.nodes[1]?.stop();
  await until(async () => (await nodeCalled('n2'))?.state === 'silent');
  t.regex((await ask('nodes', 'forget', 'n2')).stdout, /^n2 .* is forgotten/);
  t.is(await nodeCalled('n2'), undefined);
  t.regex((await ask('status')).stdout, /^forgotten +1 nodes/m);
});

test.serial(
  'a node that was forgotten joins anew with a token, and without one is told to ask',
  async t => {
    t.timeout(170_000);
    const {token} = await json<{token: string}>('nodes token');
    const line = ['node', ...nodeFlags(cluster, 'n2'), '--join', token];
    const back = start(t, line);
    await back.says('has joined the cluster');
    t.regex(back.stderr, /does not know this node any more: it joins anew with the token/);
    t.is((await nodeCalled('n2'))?.state, 'up');
    t.is((await json<{nodes: object[]}>('nodes pending')).nodes.length, 0);
    await back.stop();
    await until(async () => (await nodeCalled('n2'))?.state === 'silent');
    t.is((await ask('nodes', 'forget', 'n2')).code, 0);
    const asks = start(t, line);
    await asks.says('Waiting to be approved');
    t.regex(asks.stderr, /the token is used up .*it asks without one/);
    const {nodes} = await json<{nodes: {nodeId: string}[]}>('nodes pending');
    t.is((await ask('nodes', 'approve', nodes[0]?.nodeId ?? '')).code, 0);
    await asks.says('has joined the cluster');
  },
);
