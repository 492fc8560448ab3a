// The disk of a node fills up while it works. With the guard it holds and goes on; without, its store fails: it ends
// with 75, and the same folder is good for the rest of the batch when there is room again.

import {execFileSync} from 'node:child_process';
import {closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {
  nodeFlags,
  runningCluster,
  shownJoin,
  start,
  type Teardown,
  temporaryFolder,
  volley,
} from '../cli/rig.ts';

const MIB = 1_024 * 1_024;

/** A disk of so many MiB in `folder`; false where we may not mount one. */
function mounted(t: Teardown, folder: string, mib: number): boolean {
  mkdirSync(folder, {recursive: true});
  const options = ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder];
  try {
    execFileSync('mount', options, {stdio: 'ignore'});
  } catch {
    return false;
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]));
  return true;
}

const freeBytes = (folder: string): number => {
  const {bavail, bsize} = statfsSync(folder);
  return bavail * bsize;
};

/** Takes all room but so many bytes. */
function fill(folder: string, leave: number): string {
  const path = join(folder, 'ballast');
  const file = openSync(path, 'w');
  const piece = new Uint8Array(4_096);
  while (freeBytes(folder) > leave) writeSync(file, piece);
  closeSync(file);
  return path;
}

for (const guard of [4, 0])
  test(`a node on a disk that fills up, with ${guard} MiB kept free`, async t => {
    t.timeout(170_000);
    const disk = join(await temporaryFolder(t), 'disk');
    if (!mounted(t, disk, 16)) {
      t.log('skipped: mounting a small tmpfs needs root');
      return t.pass();
    }
    const cluster = await runningCluster(t, []);
    const url = `http://127.0.0.1:${cluster.ports.httpPort}`;
    const flags = [
      ...nodeFlags({...cluster, dir: disk}, 'small'),
      ...['--join', shownJoin(cluster.master), '--min-free', guard, '--slots', 2],
    ];
    const node = start(t, ['node', ...flags]);
    await node.says('joined');
    const operate = ['--data', cluster.data, '--url', url];
    const batch = volley([
      ...['batch', 'submit', 'primes', '--range', '0..4_000_000_000', '--chunk', 10_000_000],
      ...['--quorum', 1, '--wait', '--json', ...operate],
    ]);
    const done = async (): Promise<number> => {
      const {stdout} = await volley(['batch', 'show', 1, '--json', ...operate]);
      const counts = stdout.startsWith('{') ? (JSON.parse(stdout) as {done?: number}) : {};
      return counts.done ?? 0;
    };
    while ((await done()) < 5) await sleep(100);
    const ballast = fill(disk, guard > 0 ? MIB : 0);
    if (guard > 0) {
      await until(() => /no work is asked for/.test(node.stderr));
      t.log(node.stderr.trim().split('\n').at(-1));
      t.is(node.process.exitCode, null);
      rmSync(ballast);
    } else {
      const ended = await node.ended;
      t.is(ended.code, 75, ended.stderr);
      t.log(ended.stderr.trim().split('\n').at(-1));
      rmSync(ballast);
      start(t, ['node', ...flags]);
    }
    const {code, stdout} = await batch;
    t.is(code, 0);
    t.regex(stdout, /"done": ?400\b/);
  });

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(50);
}
