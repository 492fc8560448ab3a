// A node and the person who sits at it: by the socket in its folder.

import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import type {BatchView, NodeView} from '../../src/core/views.ts';
import {processTree} from '../../src/io/process-memory.ts';
import type {NodeStatus} from '../../src/node/status.ts';
import {type Cluster, nodeFlags, runningCluster, start, type Volley, volley} from './rig.ts';

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));
const WAIT_MS = 60_000;

async function until(is: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const since = Date.now();
  while (!(await is())) {
    if (Date.now() - since > WAIT_MS) throw new Error(`${what} did not come`);
    await sleep(50);
  }
}

const dirOf = ({dir}: Cluster, name: string): string => join(dir, name);

async function node(cluster: Cluster, word: string, ...more: string[]): Promise<NodeStatus> {
  const args = ['node', word, '--data', dirOf(cluster, 'a'), '--json', ...more];
  const {code, stdout, stderr} = await volley(args);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as NodeStatus;
}

async function operator<T>(cluster: Cluster, ...args: (string | number)[]): Promise<T> {
  const {code, stdout, stderr} = await volley([...args, '--json'], {
    VOLLEY_HOME: cluster.dir,
  });
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

/** A workunit of some seconds. */
async function submit(cluster: Cluster, end: number): Promise<number> {
  const range = ['--range', `100_000_000_000..${end}`, '--chunk', '10_000_000_000'];
  const args = ['batch', 'submit', 'primes', ...range, '--quorum', '1'];
  return (await operator<{id: number}>(cluster, ...args)).id;
}

/** The processes of a node that compute. */
const runnersOf = ({process: {pid = 0}}: Volley): number[] =>
  processTree(pid).filter(one => commandOf(one).includes('runner-worker'));
const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
};
const commandOf = (pid: number): string => read(`/proc/${pid}/cmdline`);
const isStill = (pid: number): boolean => /^State:\s+T/m.test(read(`/proc/${pid}/status`));

test.serial('suspend, status, resume and drain of a node at work', async t => {
  const cluster = await runningCluster(t, ['a']);
  const [a] = cluster.nodes as [Volley];
  t.like(await node(cluster, 'status'), {state: 'idle', slots: 1, allowed: 1, spooled: 0});
  await submit(cluster, 101_000_000_000);
  await until(async () => (await node(cluster, 'status')).running.length === 1, 'work');
  await until(() => runnersOf(a).length > 0, 'a runner');
  const held = await node(cluster, 'suspend');
  t.like(held, {state: 'suspended', allowed: 0});
  t.deepEqual(held.reasons, [{by: 'owner', text: 'suspended by its owner'}]);
  await until(() => runnersOf(a).every(isStill), 'the stop of all runners');
  await until(async () => {
    const {nodes} = await operator<{nodes: NodeView[]}>(cluster, 'nodes');
    return nodes[0]?.heldBy.startsWith('owner') === true && nodes[0].allowed === 0;
  }, 'the word to the master');
  t.regex(
    (await volley(['nodes'], {VOLLEY_HOME: cluster.dir})).stdout,
    /0\/1.*\n.*owner: suspended/,
  );
  t.like(await node(cluster, 'resume'), {state: 'working', reasons: []});
  t.false(runnersOf(a).every(isStill));
  t.like(await node(cluster, 'drain', '--stay'), {state: 'draining'});
  t.like(await node(cluster, 'resume'), {state: 'working'});
  await node(cluster, 'drain');
  const {code} = await a.ended;
  t.is(code, 0, 'when what ran is done and acknowledged');
  t.false(existsSync(join(dirOf(cluster, 'a'), 'control.sock')));
  const gone = await volley(['node', 'status', '--data', dirOf(cluster, 'a')]);
  t.is(gone.code, 1);
  t.regex(gone.stderr, /no node answers in .*there is no node running/);
});

test.serial('a node that is killed goes on from the state that its app saved', async t => {
  const cluster = await runningCluster(t, ['a']);
  const [a] = cluster.nodes as [Volley];
  const batchId = await submit(cluster, 110_000_000_000);
  const states = join(dirOf(cluster, 'a'), 'states');
  await until(() => existsSync(states) && readdirSync(states).length > 0, 'a saved state');
  await sleep(1_000);
  a.process.kill('SIGKILL');
  await a.ended;
  const [name = ''] = readdirSync(states);
  const saved = readFileSync(join(states, name)).subarray(-24);
  const permille = saved.readUInt16LE(0);
  const again = start(t, ['node', ...nodeFlags(cluster, 'a'), '--slots', 1]);
  await again.says('joined').catch(() => {});
  let first = 0;
  await until(async () => {
    first = (await node(cluster, 'status')).running[0]?.permille ?? 0;
    return first > 0;
  }, 'progress');
  t.true(first >= permille, `${first} ‰ after ${permille} ‰ were saved`);
  t.log(`saved at ${permille} ‰, first heard of at ${first} ‰`);
  await operator(cluster, 'batch', 'cancel', batchId);
  await until(() => readdirSync(states).length === 0, 'the end of what nobody wants');
});

test.serial(
  'preferences: wrong at the start is an error, later a note; the operator wishes too',
  async t => {
    const cluster = await runningCluster(t, ['a']);
    const [a] = cluster.nodes as [Volley];
    const path = join(dirOf(cluster, 'a'), 'preferences.json');
    writeFileSync(path, '{"cpuPercent": 40}', {mode: 0o600});
    await until(async () => (await node(cluster, 'status')).cpuPercent === 40, 'the duty cycle');
    writeFileSync(path, '{"cpuPercnt": 10}', {mode: 0o600});
    await until(() => a.stderr.includes('did you mean "cpuPercent"?'), 'the note');
    const fault = 'unknown key "cpuPercnt"; did you mean "cpuPercent"?';
    t.like(await node(cluster, 'status'), {cpuPercent: 40, preferencesFault: fault});
    const status = ['node', 'status', '--data', dirOf(cluster, 'a')];
    t.true((await volley(status)).stdout.includes(`\n  preferences.json is not taken: ${fault}\n`));
    writeFileSync(path, '{"cpuPercent": 40, "cores": 1}', {mode: 0o600});
    const mended = await node(cluster, 'status');
    t.like(mended, {preferences: {owner: {cores: 1}}}, 'looked at when asked');
    t.false('preferencesFault' in mended);
    writeFileSync(path, '{"cpuPercnt": 10}', {mode: 0o600});
    const prefs = ['nodes', 'prefs', '--label', 'of-a', 'cpuPercent=20', 'hours=00:00-24:00'];
    t.like(await operator(cluster, ...prefs), {nodes: [{preferences: {cpuPercent: 20}}]});
    await until(async () => (await node(cluster, 'status')).cpuPercent === 20, 'the wish');
    await operator(cluster, 'nodes', 'prefs', 'a', 'cpuPercent=80');
    await until(async () => (await node(cluster, 'status')).cpuPercent === 40, 'the stricter one');
    const typo = await volley(['nodes', 'prefs', 'a', 'coers=2'], {VOLLEY_HOME: cluster.dir});
    t.deepEqual([typo.code, typo.stderr.includes('did you mean "cores"?')], [2, true]);
    await a.stop();
    const refused = await volley(['node', ...nodeFlags(cluster, 'a')]);
    t.is(refused.code, 2);
    t.regex(
      refused.stderr,
      /preferences\.json: unknown key "cpuPercnt"; did you mean "cpuPercent"\?/,
    );
  },
);

test.serial(
  'what is aborted is an error of its node, its state goes, another node has it',
  async t => {
    const cluster = await runningCluster(t, ['a', 'b']);
    const [a] = cluster.nodes as [Volley, Volley];
    const of = (name: string) => ['--data', dirOf(cluster, name)];
    await volley(['node', 'suspend', ...of('b')]);
    const batchId = await submit(cluster, 110_000_000_000);
    const states = join(dirOf(cluster, 'a'), 'states');
    await until(() => existsSync(states) && readdirSync(states).length > 0, 'a saved state');
    const {running} = await node(cluster, 'suspend');
    t.deepEqual(
      running.map(({replica}) => `${replica}`),
      [`${batchId}/0/0`],
    );
    const unknown = await volley(['node', 'abort', `${batchId}/1`, ...of('a')]);
    t.deepEqual(unknown, {
      code: 2,
      stdout: '',
      stderr: `volley: "${batchId}/1" is not in hand at this node; in hand are ${batchId}/0/0\n`,
    });
    t.is((await node(cluster, 'status')).running.length, 1);
    const aborted = await node(cluster, 'abort', `${batchId}/0`);
    t.like(aborted, {state: 'suspended', running: [], waiting: 0});
    await until(() => runnersOf(a).length === 0 && readdirSync(states).length === 0, 'its end');
    t.regex((await volley(['node', 'abort', `${batchId}/0/0`, ...of('a')])).stderr, /nothing is$/m);
    // Were b held back still, a would be all that there is, and be given it again.
    t.is((await volley(['node', 'resume', ...of('b')])).code, 0);
    await until(async () => {
      const {stdout} = await volley(['node', 'status', ...of('b')]);
      return stdout.includes(`runs ${batchId}/0/1`);
    }, 'the next replica at the other node');
    t.is((await node(cluster, 'resume')).state, 'idle');
    const {nodes} = await operator<{nodes: NodeView[]}>(cluster, 'nodes');
    const errors = nodes.map(each => [each.name, each.errors]).sort();
    t.deepEqual(errors, [
      ['a', 1],
      ['b', 0],
    ]);
  },
);

test.serial('the batch of a cluster whose nodes are lent in turns ends', async t => {
  const cluster = await runningCluster(t, ['a']);
  const range = ['--range', '0..10_000_000', '--chunk', '1_000_000'];
  const args = ['batch', 'submit', 'primes', ...range, '--quorum', '1'];
  const {id} = await operator<{id: number}>(cluster, ...args);
  for (let turn = 0; turn < 3; turn++) {
    await node(cluster, 'suspend');
    await node(cluster, 'resume');
  }
  await until(async () => {
    const {state} = await operator<BatchView>(cluster, 'batch', 'show', id);
    return state === 'done';
  }, 'the end');
  t.pass();
});
