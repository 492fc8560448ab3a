import {readdir, readFile, readlink} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {PNG} from 'pngjs';
import {needApps, start, temporaryFolder} from './rig.ts';

/** What the processes of a demo in this folder have left there; tsx keeps a cache of its own. */
const leftIn = async (dir: string): Promise<string[]> =>
  (await readdir(dir)).filter(name => !name.startsWith('tsx-')).sort();

/**
 * Whoever lives in this folder or was started for it. Command lines do not tell: master and node hide theirs,
 * for a join token may be on it. tsx has a compiler of its own, which is none of ours.
 */
async function processesOf(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string): Promise<string> =>
      readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '');
    const follow = (link: string): Promise<string> =>
      readlink(`/proc/${name}/${link}`).catch(() => '');
    if (basename(await follow('exe')) === 'esbuild') continue;
    const line = await read('cmdline');
    const traces = [line, await read('environ'), await follow('cwd')];
    if (traces.some(trace => trace.includes(dir))) found.push(line.replaceAll('\0', ' '));
  }
  return found;
}

test.before(async () => {
  await needApps();
});

test.serial('the demo counts, captures, renders, and leaves only pictures', async t => {
  t.timeout(180_000);
  const dir = await temporaryFolder(t);
  const demo = start(t, ['demo', '--json', '--out', join(dir, 'pictures')], {TMPDIR: dir});
  const {code, stdout, stderr} = await demo.ended;
  t.is(code, 0, stderr);
  const {primes, capture, render} = JSON.parse(stdout);
  t.like(primes, {sum: 5_761_455, state: 'done', done: 1_000, failed: 0});
  t.is(capture.rows.length, 4);
  for (const row of capture.rows) t.is(row.verdict, 'fired');
  const {width, height} = PNG.sync.read(await readFile(render.path));
  t.deepEqual([width, height], [640, 480]);
  t.regex(stderr, /5,761,455, as published/);
  t.regex(stderr, /node-4 is killed/);
  t.deepEqual(await leftIn(dir), ['pictures']);
  t.deepEqual(await processesOf(dir), []);
});

for (const text of ['Starting', 'have joined', 'Counting']) {
  test.serial(`Ctrl-C after "${text}" ends everything and leaves nothing`, async t => {
    t.timeout(170_000);
    const dir = await temporaryFolder(t);
    const demo = start(t, ['demo', '--nodes', 2], {TMPDIR: dir});
    await demo.says(text);
    const {code} = await demo.stop('SIGINT');
    t.is(code, 130);
    t.deepEqual(await leftIn(dir), []);
    t.deepEqual(await processesOf(dir), []);
  });
}

test.serial('a demo that is killed takes its processes with it', async t => {
  t.timeout(170_000);
  const dir = await temporaryFolder(t);
  const demo = start(t, ['demo', '--nodes', 2], {TMPDIR: dir});
  await demo.says('Counting');
  t.true((await processesOf(dir)).length >= 3);
  await demo.stop('SIGKILL');
  // A runner that was just being started sees the end of its node when it is up, which a busy machine puts off.
  for (let i = 0; i < 600 && (await processesOf(dir)).length > 0; i++) await sleep(100);
  t.deepEqual(await processesOf(dir), []);
});

test.serial('a demo whose master dies says so with the logs, and leaves nothing', async t => {
  t.timeout(170_000);
  const dir = await temporaryFolder(t);
  const demo = start(t, ['demo', '--nodes', 2], {TMPDIR: dir});
  await demo.says('Counting');
  const [name] = (await leftIn(dir)).filter(each => each.startsWith('volley-demo-'));
  const place = await readFile(join(dir, name ?? '', 'master/master.json'), 'utf8');
  process.kill((JSON.parse(place) as {pid: number}).pid, 'SIGKILL');
  const {code, stderr} = await demo.ended;
  t.is(code, 1);
  t.regex(stderr, /--- node-1\n/);
  t.regex(stderr, /volley: .*master of the demo has ended by itself .*SIGKILL/);
  t.deepEqual(await leftIn(dir), []);
  t.deepEqual(await processesOf(dir), []);
});
