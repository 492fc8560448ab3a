// Work that stands still and goes on: a real runner process, stopped by the kernel.

import {spawn} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {processTree} from '../../src/io/process-memory.ts';
import {possibleJails} from '../../src/io/sandbox.ts';
import {endLeftovers, goOn, standStill} from '../../src/io/stand-still.ts';
import {compile, HOSTILE, isAlive, manifestOf, RunnerRig, until} from './runner-rig.ts';

let module: Uint8Array;
test.before(async () => {
  module = await compile(HOSTILE);
});

const stateOf = (pid: number): string =>
  /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '';
/** Ticks of the processor that a process and its threads have used. */
const ticksOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const leafOf = (pid: number): number => processTree(pid).at(-1) ?? pid;
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** It computes, or it has just ended. */
function isBusy(pid: number): boolean {
  try {
    return ticksOf(pid) > 20;
  } catch {
    return false;
  }
}

/** A runner whose app never ends, and the process that computes. */
async function endless(rig: RunnerRig): Promise<number> {
  rig.run('hostile', 'l', {timeLimitMs: 600_000});
  await until(() => rig.runner.pids.length > 0);
  const [pid = 0] = rig.runner.pids;
  await until(() => ticksOf(leafOf(pid)) > 20);
  return leafOf(pid);
}

const open = (options = {}): RunnerRig => new RunnerRig(options).add(manifestOf('hostile'), module);

test('what is held takes no processor at all, and goes on when it is let go', async t => {
  const rig = open();
  const pid = await endless(rig);
  rig.runner.pace([0], 100);
  t.true(await until(() => stateOf(pid) === 'T'));
  const before = ticksOf(pid);
  await sleep(300);
  t.is(ticksOf(pid), before);
  rig.runner.pace([], 100);
  t.true(await until(() => ticksOf(pid) > before + 5));
  await rig.runner.close();
  t.false(isAlive(pid));
});

test('in every sandbox that this machine has, all of a runner is stopped', async t => {
  for (const jail of possibleJails()) {
    const rig = open({jail, dir: mkdtempSync('/tmp/volley-pace-')});
    rig.run('hostile', 'l', {timeLimitMs: 600_000});
    const works = (): boolean => rig.runner.pids.some(pid => isAlive(pid) && isBusy(leafOf(pid)));
    await until(() => rig.ended.length > 0 || works());
    if (!works()) {
      t.log(`${jail.about}: does not work here`);
      await rig.runner.close();
      continue;
    }
    const [pid = 0] = rig.runner.pids;
    rig.runner.pace([0], 100);
    const all = () => processTree(pid).every(one => stateOf(one) === 'T');
    t.true(await until(all), `${jail.about}: ${processTree(pid).map(stateOf)}`);
    t.log(`${jail.about}: ${processTree(pid).length} processes stand still`);
    await rig.runner.close();
  }
});

test('the time limit stands still with the work', async t => {
  const rig = open();
  const id = rig.run('hostile', 'l', {timeLimitMs: 1_500});
  await until(() => rig.runner.pids.length > 0);
  await until(() => ticksOf(leafOf(rig.runner.pids[0] ?? 0)) > 20);
  rig.runner.pace([0], 100);
  await sleep(2_500);
  t.deepEqual(rig.ended, [], 'it would be over by now');
  rig.runner.pace([], 100);
  const ended = await rig.end(id);
  t.is(ended.type === 'failed' && ended.reason, 'timedOut');
  t.true(ended.cpuMs < 2_500, `${ended.cpuMs} ms`);
  await rig.runner.close();
});

test('an order that comes while its slot is held runs when it is let go', async t => {
  const rig = open();
  rig.runner.pace([0], 100);
  const id = rig.run('hostile', 'hello');
  await sleep(200);
  t.deepEqual([rig.ended, rig.runner.pids], [[], []]);
  rig.runner.pace([], 100);
  t.is(await rig.story(id), 'done hello');
  await rig.runner.close();
});

test('what is stopped for good while it stands still is ended, and the slot is free', async t => {
  const rig = open();
  const pid = await endless(rig);
  rig.runner.pace([0], 100);
  rig.runner.stop(rig.lastId, false);
  t.true(await until(() => !isAlive(pid)));
  rig.runner.pace([], 100);
  t.is(await rig.story(rig.run('hostile', 'next')), 'done next');
  await rig.runner.close();
});

test('a duty cycle stops and goes on again and again, and results come as ever', async t => {
  const rig = open();
  rig.runner.pace([], 25);
  const pid = await endless(rig);
  const [since, before] = [performance.now(), ticksOf(pid)];
  const seen = new Set<string>();
  while (performance.now() - since < 3_000) {
    seen.add(stateOf(pid) === 'T' ? 'still' : 'on');
    await sleep(7);
  }
  const share = (ticksOf(pid) - before) / ((performance.now() - since) / 10);
  t.deepEqual([...seen].sort(), ['on', 'still']);
  t.log(`25 % wished, ${(100 * share).toFixed(0)} % of a core used`);
  rig.runner.stop(rig.lastId, false);
  t.is(await rig.story(rig.run('hostile', 'next')), 'done next');
  await rig.runner.close();
});

test('an exec app stands still with all that it started', async t => {
  const rig = new RunnerRig({
    actions: new Map([['spin', ['/bin/sh', '-c', 'sleep 601 & while :; do :; done']]]),
  }).add(manifestOf('spin', {runtime: 'exec', action: 'spin'}));
  rig.run('spin', '', {timeLimitMs: 600_000});
  const mine = () => processTree(process.pid).filter(pid => commandOf(pid).includes('sleep 601'));
  t.true(await until(() => mine().length >= 2));
  rig.runner.pace([0], 100);
  t.true(await until(() => mine().every(pid => stateOf(pid) === 'T')));
  rig.runner.pace([], 100);
  t.true(await until(() => mine().every(pid => stateOf(pid) !== 'T')));
  await rig.runner.close();
});

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

test('what a killed node left standing still is ended at the next start, and nothing else', async t => {
  const top = mkdtempSync(join(tmpdir(), 'volley-left-'));
  t.teardown(() => rmSync(top, {recursive: true, force: true}));
  const dir = join(top, 'slots/slot-0');
  mkdirSync(dir, {recursive: true});
  const start = (cwd: string, env: Record<string, string>) =>
    spawn('/bin/sleep', ['600'], {cwd, env, stdio: 'ignore'});
  const left = start(dir, {});
  const others = [start(dir, {}), start(dir, {HOME: '/root'}), start(top, {})];
  const pids = [left, ...others].map(child => child.pid ?? 0);
  t.teardown(() => {
    for (const child of others) child.kill('SIGKILL');
  });
  t.true(await until(() => pids.every(pid => commandOf(pid).includes('sleep'))));
  const [, running, somebody, elsewhere] = pids as [number, number, number, number];
  const stopped = [pids[0] ?? 0, somebody, elsewhere].flatMap(standStill);
  t.true(await until(() => stopped.every(pid => stateOf(pid) === 'T')));
  t.is(endLeftovers(join(top, 'slots')), 1);
  t.true(await until(() => !isAlive(pids[0] ?? 0)));
  t.true([running, somebody, elsewhere].every(isAlive));
  goOn(stopped);
});
