// Captures by the commands that a user types, on a small cluster of real processes.

import {createHash} from 'node:crypto';
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {connect} from '../../src/library/volley.ts';
import {nodeFlags, runningCluster, Volley, volley} from './rig.ts';

let cluster: Awaited<ReturnType<typeof runningCluster>>;
const cleanups: (() => unknown)[] = [];

test.before(async t => {
  t.timeout(170_000);
  cluster = await runningCluster({teardown: act => cleanups.unshift(act)}, ['n1', 'n2']);
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

const ask = (line: string | readonly (string | number)[]) =>
  volley([...(typeof line === 'string' ? line.split(' ') : line), '--data', cluster.data]);

async function json<T>(line: string | readonly (string | number)[]): Promise<T> {
  const {code, stdout, stderr} = await ask([
    ...(typeof line === 'string' ? line.split(' ') : line),
    '--json',
  ]);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

test.serial('a capture brings a verified picture of every node and what they signed', async t => {
  t.timeout(170_000);
  const out = join(cluster.dir, 'scan');
  const {code, stdout} = await ask(['capture', '--action', 'testcard', '--out', out]);
  t.is(code, 0, stdout);
  t.regex(stdout, /^n1 +1 .* fired +1\/of-n1\.png +[0-9a-f]{12}$/m);
  t.regex(stdout, /2 of 2 fired\nspread [\d.]+ ms/);
  const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
  t.is(manifest.files.length, 2);
  for (const {path, sha256, size} of manifest.files) {
    const bytes = await readFile(join(out, path));
    t.is(bytes.length, size);
    t.is(createHash('sha256').update(bytes).digest('hex'), sha256);
    t.is(bytes.subarray(1, 4).toString(), 'PNG');
  }
  t.true((await readFile(join(out, 'report.html'), 'utf8')).includes('2 of 2'));
  const sidecar = JSON.parse(await readFile(join(out, '1', 'of-n1.png.json'), 'utf8'));
  const of = manifest.files.find(({path}: {path: string}) => path === '1/of-n1.png');
  t.like(sidecar, {node: 'n1', label: 'of-n1', shot: 1, sha256: of.sha256});
  // Offline: no master is asked, and the root is the one that the operator knows.
  const {keys} = await json<{keys: {key: string; fingerprint: string}[]}>('keys show');
  const root = keys.find(({key}) => key === 'root')?.fingerprint ?? '';
  const verify = (...more: string[]) => volley(['capture', 'verify', out, ...more]);
  const good = await verify('--cluster', root);
  t.is(good.code, 0, good.stdout);
  t.regex(good.stdout, /is whole and unaltered: 2 files and 2 statements/);
  t.regex(good.stdout, /A master of the cluster with root/);
  t.regex((await verify()).stdout, /Not proven: that this is your cluster/);
  t.is((await verify('--cluster', 'ab'.repeat(16))).code, 1);
  await writeFile(join(out, '1', 'of-n1.png'), 'another picture');
  await writeFile(join(out, '1', 'note.txt'), 'mine');
  const bad = JSON.parse((await verify('--json')).stdout);
  t.false(bad.whole);
  t.deepEqual(
    bad.faults.map(({kind, what}: {kind: string; what: string}) => [kind, what]),
    [
      ['altered', '1/of-n1.png'],
      ['surplus', '1/note.txt'],
    ],
  );
  // The folder is looked at before anything fires, and the files can be brought again.
  const taken = await ask(['capture', '--action', 'testcard', '--out', out]);
  t.is(taken.code, 2);
  t.regex(taken.stderr, /holds a capture already/);
  const other = join(cluster.dir, 'again');
  const id = `${manifest.captureId}`;
  const again = await ask(['capture', '--again', id, '--out', other]);
  t.is(again.code, 0);
  const paths = ['--layout', '{node}/{capture}-{shot}.{n}.{ext}'];
  const third = await ask(['capture', 'fetch', id, '--out', join(cluster.dir, 'third'), ...paths]);
  t.is(third.code, 0, third.stderr);
  const [one, two] = await Promise.all([
    readFile(join(other, '1', 'of-n1.png')),
    readFile(join(cluster.dir, 'third', 'n1', `${id}-1.1.png`)),
  ]);
  t.deepEqual(one, two);
  t.is((await volley(['capture', 'verify', join(cluster.dir, 'third')])).code, 0);
});

test.serial('a capture of selected nodes, on hearing, with two shots', async t => {
  t.timeout(170_000);
  const out = join(cluster.dir, 'scan-2');
  const flags = ['--now', '--select', 'n2', '--shots', 2, '--every', '200ms', '--out', out];
  const view = await json<{rows: {name: string; verdict: string}[]}>([
    'capture',
    '--action',
    'testcard',
    ...flags,
  ]);
  t.deepEqual(
    view.rows.map(({name, verdict}) => [name, verdict]),
    [
      ['n2', 'fired'],
      ['n2', 'fired'],
    ],
  );
  for (const shot of ['1', '2']) t.true((await readFile(join(out, shot, 'of-n2.png'))).length > 0);
});

test.serial('the roll is called first, and where too few are ready nothing fires', async t => {
  t.timeout(170_000);
  const dry = await ask('capture --action testcard --dry-run');
  t.is(dry.code, 0, dry.stderr);
  t.regex(dry.stderr, /2 of 2 nodes are ready; the last heard of it within [\d.]+ ms/);
  t.regex(dry.stdout, /Nothing was fired: this was a dry run/);
  const none = await ask('capture --action laser --require all --select n1');
  t.is(none.code, 1);
  t.regex(none.stderr, /not ready: n1 \(the owner of this node does not allow "laser"\)/);
  t.regex(none.stdout, /Nothing was fired: 0 of 1 nodes are ready, 1 are needed/);
  t.regex((await ask('capture --action testcard --require 3')).stderr, /3 nodes are needed, and 2/);
  t.regex((await ask('capture --action testcard --require most')).stderr, /takes all, 95% or 12/);
  t.regex((await ask('capture --action testcard --sweep 5ms --now')).stderr, /leave out --now/);
  type Row = {name: string; lateMs: number; firedAt: number};
  const out = join(cluster.dir, 'sweep');
  const swept = await json<{rows: Row[]; rollCall: {ready: number}}>([
    ...['capture', '--action', 'testcard', '--require', '100%', '--sweep', '400ms', '--out', out],
  ]);
  t.is(swept.rollCall.ready, 2);
  const [first, second] = swept.rows.sort((a, b) => a.name.localeCompare(b.name));
  const apart = (second?.firedAt ?? 0) - (first?.firedAt ?? 0);
  const expected = 400 + (second?.lateMs ?? 0) - (first?.lateMs ?? 0);
  t.true(Math.abs(apart - expected) < 0.01, `${apart} ms`);
});

test.serial('several actions are one capture, each of those who are to do it', async t => {
  t.timeout(170_000);
  const out = join(cluster.dir, 'steps');
  type Row = {name: string; shot: number; verdict: string; firedAt: number};
  const view = await json<{rows: Row[]; action: string; atWallMs: number[]}>([
    ...['capture', '--step', '+300ms testcard second @n2', '--step', 'testcard first'],
    ...['--shots', '2', '--every', '800ms', '--out', out],
  ]);
  t.is(view.action, 'testcard');
  const [first = 0] = view.atWallMs;
  t.deepEqual(
    view.atWallMs.map(at => Math.round(at - first)),
    [0, 300, 800, 1_100],
  );
  t.deepEqual(
    view.rows.map(({name, shot, verdict}) => `${name} ${shot} ${verdict}`).sort(),
    ['n1 1', 'n1 3', 'n2 1', 'n2 2', 'n2 3', 'n2 4'].map(row => `${row} fired`),
  );
  const both = await ask('capture --step camera --action camera');
  t.is(both.code, 2);
  t.regex(both.stderr, /--step says what --action would: leave it out/);
  t.regex((await ask(['capture', '--step', 'camera @nobody'])).stderr, /nobody/);
});

test.serial('a capture is cancelled before its instant, and each node says so', async t => {
  t.timeout(170_000);
  const out = join(cluster.dir, 'cancelled');
  const running = ask([
    'capture',
    '--action',
    'testcard',
    '--at',
    '+20s',
    '--shots',
    '2',
    '--out',
    out,
  ]);
  type Listed = {captures: {id: number; state: string; cancelled: number}[]};
  const last = async () => (await json<Listed>('capture ls')).captures.at(-1);
  while ((await last())?.state !== 'running') await sleep(100);
  const {id = 0} = (await last()) ?? {};
  const word = await ask(`capture cancel ${id}`);
  t.is(word.code, 0, word.stderr);
  t.regex(word.stdout, /Capture \d+ is cancelled/);
  const {code, stdout} = await running; // long before the instant
  t.is(code, 1);
  t.regex(stdout, /n1 +1 .* cancelled \(cancelled by the operator\)/);
  t.regex(stdout, /The capture was cancelled by owner/);
  t.is((await last())?.cancelled, 4);
  t.regex((await ask(`capture show ${id}`)).stdout, /testcard, .*, cancelled\n/);
  const proof = await volley(['capture', 'verify', out]);
  t.is(proof.code, 0, proof.stdout + proof.stderr);
  const again = await ask(`capture cancel ${id}`);
  t.is(again.code, 2);
  t.regex(again.stderr, /is over/);
});

test.serial('Ctrl-C and SIGTERM cancel a capture, and it ends with their codes', async t => {
  t.timeout(170_000);
  const interrupted = async (signal: 'SIGINT' | 'SIGTERM'): Promise<number | null> => {
    const out = join(cluster.dir, signal);
    const flags = ['--at', '+50s', '--out', out, '--json', '--data', cluster.data];
    const running = new Volley(['capture', '--action', 'testcard', ...flags]);
    while (!running.stderr.includes(' heard')) await sleep(50);
    const {code, stdout, stderr} = await running.stop(signal);
    t.like(JSON.parse(stdout), {cancelled: 'owner', whole: false});
    t.regex(stderr, /capture \d+ is being cancelled; once more leaves it/);
    return code;
  };
  t.deepEqual(await Promise.all([interrupted('SIGINT'), interrupted('SIGTERM')]), [130, 143]);
});

test.serial('a program fires several actions, and cancels what has not fired', async t => {
  t.timeout(170_000);
  await using volleys = await connect({data: cluster.data});
  const steps = [{action: 'testcard'}, {atMs: 100, action: 'testcard', args: ['low']}];
  const view = await volleys.capture({steps, shots: 2, leadMs: 200, intervalMs: 300});
  t.deepEqual([view.shots, view.rows.length, view.steps?.length], [4, 8, 2]);
  t.deepEqual([...new Set(view.rows.map(({verdict}) => verdict))], ['fired']);
  const signal = AbortSignal.timeout(500);
  const cut = await volleys.capture({action: 'testcard', leadMs: 30_000, signal});
  t.is(cut.cancelled, 'owner');
  t.deepEqual([...new Set(cut.rows.map(({verdict}) => verdict))], ['cancelled']);
  const late = volleys.capture({action: 'testcard', signal: AbortSignal.abort()});
  await t.throwsAsync(late, {any: true, name: 'AbortError'});
});

test.serial('captures are listed, shown and deleted; what is not whole ends with 1', async t => {
  t.timeout(170_000);
  const {captures} = await json<{captures: {id: number; fired: number}[]}>('capture ls');
  const [first] = captures;
  if (!first) return t.fail();
  t.regex(
    (await ask('capture ls')).stdout,
    /^ +1 +\d{4}-.* testcard +whole +1 +2 +2 +\d +0 +0 +0 +2$/m,
  );
  t.regex((await ask('capture ls')).stdout, / laser +refused +1 +0 +0 +0 /);
  const refused = await ask('capture show 4');
  t.is(refused.code, 1);
  t.regex(
    refused.stdout,
    /refused\n0 of 1 nodes are ready.*\nnot ready: n1 .*\n\nNothing was fired: /,
  );
  const shown = await ask(`capture show ${first.id}`);
  t.is(shown.code, 0);
  t.regex(shown.stdout, /2 of 2 fired/);
  t.is((await ask(`capture rm ${first.id}`)).code, 0);
  t.is((await ask(`capture show ${first.id}`)).code, 2);
  t.regex((await ask(`capture fetch ${first.id}`)).stderr, /there is no capture/);
});

test.serial('a capture of an action that no owner allows ends with 1 and says so', async t => {
  t.timeout(170_000);
  const out = join(cluster.dir, 'scan-3');
  const {code, stdout} = await ask(['capture', '--action', 'camera', '--out', out]);
  t.is(code, 1);
  t.regex(stdout, /forbidden/);
  t.regex(stdout, /No node fired/);
});

type Told = {name: string; action: string; phase: string; model: string; error: string};
type SetOn = {name: string; state: string; settings: Record<string, string>; reason: string};

test.serial('actions are shown, set on all nodes by one command, and preview', async t => {
  t.timeout(170_000);
  const {actions} = await json<{actions: Told[]}>('capture actions');
  t.deepEqual(
    actions.map(({name, action, phase, model, error}) => [name, action, phase, model, error]),
    ['n1', 'n2'].map(name => [name, 'testcard', 'ready', 'testcard', '']),
  );
  const set = await json<{nodes: SetOn[]; differing: string[]}>(
    'capture settings testcard format=jpeg',
  );
  t.deepEqual(
    set.nodes.map(({state, settings}) => [state, settings]),
    [1, 2].map(() => ['set', {format: 'jpeg'}]),
  );
  t.deepEqual(set.differing, []);
  const one = await ask('capture settings testcard remark=left --select n1');
  t.is(one.code, 0, one.stderr);
  const shown = await ask('capture settings testcard');
  t.regex(shown.stdout, /Nodes differ in remark\./);
  t.regex(shown.stdout, /^n1 +known +jpeg +left/m);
  const refused = await ask('capture settings testcard gain=2');
  t.is(refused.code, 1);
  t.regex(refused.stdout, /^n2 +refused +.*no setting "gain"; there are: format, remark/m);
  t.regex((await ask('capture settings flash a=1')).stderr, /allows the action "flash"/);
  t.regex((await ask('capture settings testcard gain')).stderr, /"gain" is no name=value/);
  const out = join(cluster.dir, 'look');
  const look = await ask(['capture', 'preview', '--action', 'testcard', '--out', out]);
  t.is(look.code, 0, look.stderr);
  const picture = await readFile(join(out, '1', 'of-n1.jpg'));
  t.deepEqual([picture[0], picture[1]], [0xff, 0xd8]);
  t.true(JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8')).capture.preview);
  t.is((await ask('capture settings testcard format= remark=')).code, 0);
});

test.serial('clocks and loss of the nodes are shown', async t => {
  t.timeout(170_000);
  type Told = {name: string; heard?: number; missed?: number; clockBoundMs?: number};
  let told: Told[] = [];
  for (let i = 0; i < 60 && (told.length === 0 || told.some(({heard = 0}) => heard === 0)); i++) {
    await sleep(1_000);
    told = (await json<{nodes: Told[]}>('capture clocks')).nodes;
  }
  t.deepEqual(
    told.map(({name, missed}) => [name, missed]),
    [
      ['n1', 0],
      ['n2', 0],
    ],
  );
  for (const {clockBoundMs = -1} of told) t.true(clockBoundMs > 0);
  t.regex((await ask('capture clocks')).stdout, /^n1 +up +[\d.]+ +- +\d+ +0 +0\.0 %$/m);
});

test.serial(
  'a node that is ended says what became of its shots, now or after its next start',
  async t => {
    t.timeout(170_000);
    const out = join(cluster.dir, 'ended');
    const flags = ['--at', '+30s', '--select', 'n2', '--json', '--out', out];
    const capture = ask(['capture', '--action', 'testcard', ...flags]);
    type Listed = {captures: {id: number; state: string}[]};
    const last = async () => (await json<Listed>('capture ls')).captures.at(-1);
    while ((await last())?.state !== 'running') await sleep(100);
    const {id = 0} = (await last()) ?? {};
    type View = {rows: {heard: boolean; verdict: string; reason: string}[]};
    const rows = async () =>
      (JSON.parse((await ask(`capture show ${id} --json`)).stdout) as View).rows;
    while (!(await rows())[0]?.heard) await sleep(100);
    t.is((await cluster.nodes[1]?.stop())?.code, 0);
    const again = new Volley(['node', ...nodeFlags(cluster, 'n2')]);
    cleanups.unshift(() => again.stop());
    const {code} = await capture; // long before its instant
    t.is(code, 1);
    t.like((await rows())[0], {verdict: 'failed', reason: 'the node is stopping'});
  },
);

test.serial('a file of somebody else is not written over', async t => {
  t.timeout(170_000);
  const out = join(cluster.dir, 'mine');
  await mkdir(join(out, '1'), {recursive: true});
  await writeFile(join(out, '1', 'of-n1.png'), 'my picture');
  const {code, stderr} = await ask(['capture', '--action', 'testcard', '--out', out]);
  t.is(code, 1);
  t.regex(stderr, /of-n1\.png: another file has this name; move it away/);
  t.is(await readFile(join(out, '1', 'of-n1.png'), 'utf8'), 'my picture');
});
