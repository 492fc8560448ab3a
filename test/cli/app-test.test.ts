// Apps tried here before they are published, what was ever published under a name, and apps with files.

import {cp, mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {
  type Cluster,
  needApps,
  PASSPHRASE,
  runningCluster,
  temporaryFolder,
  volley,
} from './rig.ts';

let cluster: Cluster;
const cleanups: (() => unknown)[] = [];

test.before(async t => {
  t.timeout(170_000);
  await needApps();
  cluster = await runningCluster({teardown: act => cleanups.unshift(act)}, ['n1'], {
    actions: {
      script: {command: ['sh', '{bundle}/main.sh', '{args}']},
      plain: {command: ['sh', '-c', 'echo plain']},
    },
  });
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

type Run = {
  status: string;
  sha256: string;
  outputBytes: number;
  cpuMs: number;
  memoryBytes: number;
};
type Told = {deterministic: boolean; output: string; sandboxLevel: number; runs: Run[]};

test('an app in a folder runs twice as on a node: output, time, memory, equal or not', async t => {
  t.timeout(170_000);
  const plain = await volley(['app', 'test', 'dist/apps/echo', '--input', '-'], {}, 'hello');
  t.is(plain.code, 0, plain.stderr);
  t.is(plain.stdout, 'hello');
  t.regex(plain.stderr, /run 1: done: 5 bytes, [0-9a-f]{16}; .*MiB in the process/);
  const {code, stdout} = await volley(
    ['app', 'test', 'dist/apps/primes', '--range', '0..30_000_000', '--json'],
    {},
  );
  t.is(code, 0, stdout);
  const told = JSON.parse(stdout) as Told;
  t.true(told.deterministic);
  t.is(Buffer.from(told.output, 'base64').toString(), '1857859\n');
  t.is(told.runs.length, 2);
  for (const {status, cpuMs, memoryBytes} of told.runs) {
    t.is(status, 'done');
    t.true(cpuMs > 0);
    t.true(memoryBytes > 2 ** 20, String(memoryBytes));
  }
});

test('a run that saves its state on the way is not over before it ends', async t => {
  t.timeout(170_000);
  const line = ['app', 'test', 'dist/apps/primes', '--range', '0..1_000_000_000', '--times', '1'];
  const {code, stdout, stderr} = await volley(line, {});
  t.is(code, 0, stderr);
  t.is(stdout, '50847534\n');
});

test('what fails on a node fails here, with the same reason', async t => {
  t.timeout(170_000);
  const {code, stderr} = await volley(
    ['app', 'test', 'dist/apps/primes', '--input', '-'],
    {},
    'no',
  );
  t.is(code, 1);
  t.regex(stderr, /run 2: trapped: /);
  const missing = await volley(['app', 'test', 'dist/apps/echo', '--input', '/nowhere'], {});
  t.is(missing.code, 2);
});

test('limits hold: time', async t => {
  t.timeout(170_000);
  const dir = await temporaryFolder(t);
  await cp('dist/apps/primes', dir, {recursive: true});
  const manifest = JSON.parse(await readFile(join(dir, 'app.json'), 'utf8'));
  manifest.limits.timeSeconds = 0.2;
  await writeFile(join(dir, 'app.json'), JSON.stringify(manifest));
  const line = ['app', 'test', dir, '--range', '0..100_000_000_000', '--times', '1'];
  const {code, stderr} = await volley(line, {});
  t.is(code, 1);
  t.regex(stderr, /run 1: timedOut/);
});

test('a program that is not deterministic is found out', async t => {
  t.timeout(170_000);
  const dir = await temporaryFolder(t);
  const [app, node] = [join(dir, 'app'), join(dir, 'node')];
  for (const folder of [app, node]) await mkdir(folder);
  const limits = {timeSeconds: 10, memoryMib: 64, outputBytes: 1_024};
  const manifest = {name: 'dice', version: '1.0.0', runtime: 'exec', action: 'dice', limits};
  await writeFile(join(app, 'app.json'), JSON.stringify({...manifest, description: ''}));
  const command = ['/bin/sh', '-c', 'head -c 16 /dev/urandom | od -An -tx1'];
  const config = JSON.stringify({actions: {dice: {command}}});
  await writeFile(join(node, 'node.json'), config, {mode: 0o600});
  const {code, stderr} = await volley(['app', 'test', app, '--node-data', node], {});
  t.is(code, 1);
  t.regex(stderr, /the runs differ: the app is not deterministic/);
  t.regex(stderr, /^volley: dice 1\.0\.0, with all rights of this account/m);
  t.notRegex(stderr, /MiB in the process|sandbox level/);
  const denied = await volley(['app', 'test', app, '--node-data', dir], {});
  t.is(denied.code, 1);
  t.regex(denied.stderr, /refused/);
});

const FILES = {
  'lib/more.sh': 'more() { tr a-z A-Z; }\n',
  'main.sh': '. "$(dirname "$0")/lib/more.sh"; more; echo "$1"\n',
};

/** The folder of an exec app with these files in it. */
async function script(dir: string, name: string, app: object): Promise<string> {
  const folder = join(dir, name);
  await mkdir(join(folder, 'lib'), {recursive: true});
  for (const [path, text] of Object.entries(FILES)) await writeFile(join(folder, path), text);
  const limits = {timeSeconds: 20, memoryMib: 64, outputBytes: 1_024};
  const manifest = {name, version: '1.0.0', runtime: 'exec', limits, ...app};
  await writeFile(join(folder, 'app.json'), JSON.stringify(manifest));
  return folder;
}

test('files of an app run where the owner takes them, and nowhere else', async t => {
  t.timeout(170_000);
  const dir = await temporaryFolder(t);
  const good = await script(dir, 'shout', {action: 'script', files: Object.keys(FILES)});
  const other = await script(dir, 'stray', {action: 'plain', files: Object.keys(FILES)});
  const bare = await script(dir, 'bare', {action: 'script'});
  const escaping = await script(dir, 'escaping', {action: 'script', files: ['../x']});

  const ask = (...words: readonly string[]) => volley([...words, '--data', cluster.data]);
  const here = ['--node-data', join(cluster.dir, 'n1')];
  const tried = await volley(
    ['app', 'test', good, '--input', '-', '--arg', 'x', ...here],
    {},
    'hi ',
  );
  t.is(tried.stdout, 'HI x\n', tried.stderr);
  const strayed = await volley(['app', 'test', other, '--times', '1', ...here]);
  t.is(strayed.code, 1);
  t.regex(
    strayed.stderr,
    /refused: .* does not allow programs from the app for the action "plain"/,
  );
  const refused = await volley(['app', 'publish', escaping, '--data', cluster.data]);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /must be a path inside the folder/);

  for (const app of [good, other, bare]) {
    const line = ['app', 'publish', app, '--data', cluster.data];
    const {code, stderr} = await volley(line, {VOLLEY_PASSPHRASE: PASSPHRASE});
    t.is(code, 0, stderr);
  }
  const submit = (app: string, ...more: string[]) =>
    ask('batch', 'submit', app, '--range', '3..4', '--quorum', '1', '--json', ...more);
  const done = await submit('shout', '--arg', 'y', '--wait');
  t.is(done.code, 0, done.stderr);
  const {id} = JSON.parse(done.stdout) as {id: number};
  t.is((await ask('batch', 'results', String(id))).stdout.trim(), '0\t3 4\n0\ty');
  for (const [app, why] of [
    ['stray', /0 of 1 known nodes are allowed programs from the app for the action ."plain/],
    ['bare', /0 of 1 known nodes are allowed the action ."script/],
  ] as const) {
    const strict = await submit(app, '--strict');
    t.is(strict.code, 2);
    t.regex(strict.stderr, why);
  }
  const status = await volley(['node', 'status', '--data', join(cluster.dir, 'n1')]);
  t.regex(status.stdout, /containers: no images are allowed/);
});

test('all versions of an app are listed with their key and the batches that use them', async t => {
  t.timeout(170_000);
  const app = join(cluster.dir, 'my-app');
  await cp('dist/apps/echo', app, {recursive: true});
  const manifest = JSON.parse(await readFile(join(app, 'app.json'), 'utf8'));
  const publish = async (version: string) => {
    const text = JSON.stringify({...manifest, name: 'mine', version});
    await writeFile(join(app, 'app.json'), text);
    const line = ['app', 'publish', app, '--data', cluster.data];
    const {code, stderr} = await volley(line, {VOLLEY_PASSPHRASE: PASSPHRASE});
    t.is(code, 0, stderr);
  };
  const ask = (...words: readonly string[]) => volley([...words, '--data', cluster.data]);
  await publish('1.0.0');
  const submit = ['batch', 'submit', 'mine', '--range', '0..2', '--quorum', '1'];
  t.is((await ask(...submit)).code, 0);
  await publish('1.1.0');
  const {stdout} = await ask('app', 'versions', 'mine');
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, 3);
  t.regex(lines[1] ?? '', /^1\.0\.0 +[0-9a-f]{16} +\S+ \S+ +[0-9a-f]{16} +never +1$/);
  t.regex(lines[2] ?? '', /^1\.1\.0 .* current +never +none$/);
  const key = /([0-9a-f]{16}) +never +1$/.exec(lines[1] ?? '')?.[1] ?? '?';
  const shown = (await ask('keys', 'show', '--json')).stdout.replaceAll(' ', '');
  t.true(shown.includes(key), 'the key is one that keys show shows');
  t.regex((await ask('app', 'versions', 'echo')).stdout, /current/);
  t.is((await ask('app', 'versions', 'nothing')).code, 2);
  const remote = await ask('app', 'test', 'mine', '--range', '3..4');
  t.is(remote.stdout, '3 4\n');
});

test('a js app is tried, published, computed; what a node would refuse is not published', async t => {
  t.timeout(170_000);
  const app = join(cluster.dir, 'js-app');
  await mkdir(app);
  const limits = {timeSeconds: 10, memoryMib: 32, outputBytes: 1_000};
  const manifest = {name: 'span', version: '1.0.0', runtime: 'js', module: 'main.ts', limits};
  await writeFile(join(app, 'app.json'), JSON.stringify(manifest));
  const code = `type Input = {text(): string};
    export async function run(input: Input): Promise<number> {
      const [from, to] = input.text().split(' ').map(Number) as [number, number];
      return to - from;
    }`;
  const ask = (...words: readonly string[]) =>
    volley([...words, '--data', cluster.data], {VOLLEY_PASSPHRASE: PASSPHRASE});
  await writeFile(join(app, 'main.ts'), `import 'node:child_process'; ${code}`);
  const refused = await ask('app', 'publish', app);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /main\.ts:1: an app cannot import "node:child_process"/);
  // As far as V8 folds a NaN, its sign is another.
  const folded = `const f = new Float64Array(1), u = new Uint8Array(f.buffer);
    const nan = () => { const zero = 0; return zero / zero; };
    export function run() {
      let sum = 0;
      for (let i = 0; i < 200_000; i++) { f[0] = nan(); sum += u[7]; }
      return sum;
    }`;
  await writeFile(join(app, 'main.ts'), folded);
  const found = await ask('app', 'test', app, '--input', '-');
  t.is(found.code, 1, found.stderr);
  t.regex(found.stderr, /run 2: done: .*, without V8's optimizer\n/);
  t.regex(found.stderr, /the runs differ when V8 optimizes otherwise, .* no quorum will agree/);
  await writeFile(join(app, 'main.ts'), code);
  const tried = await ask('app', 'test', app, '--range', '3..10');
  t.is(tried.stdout, '7\n', tried.stderr);
  const published = await ask('app', 'publish', app);
  t.is(published.code, 0, published.stderr);
  t.regex((await ask('app', 'ls')).stdout, /^span +1\.0\.0 +js /m);
  const words = ['batch', 'submit', 'span', '--range', '0..10', '--chunk', '4', '--quorum', '1'];
  const {code: end, stderr} = await ask(...words, '--wait', '--json');
  t.is(end, 0, stderr);
  const batches = JSON.parse((await ask('batch', 'ls', '--json')).stdout) as {
    batches: {id: number; appName: string; runtime: string; policy: {homogeneous?: string}}[];
  };
  const batch = batches.batches.find(({appName}) => appName === 'span');
  t.like(batch, {runtime: 'js', policy: {homogeneous: 'engine'}});
  t.is((await ask('batch', 'results', String(batch?.id ?? 0), '--sum')).stdout.trim(), '10');
});
