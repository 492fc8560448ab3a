// Rounds write more than the disk of the master holds: what no round needs any more goes in time.

import {execFileSync} from 'node:child_process';
import {cpSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {
  masterFlags,
  newCluster,
  nodeFlags,
  shownJoin,
  start,
  type Teardown,
  volley,
} from '../cli/rig.ts';

/** A disk of so many MiB in `folder`; false where we may not mount one. */
function mounted(t: Teardown, folder: string, mib: number): boolean {
  mkdirSync(folder, {recursive: true, mode: 0o700});
  const options = ['-t', 'tmpfs', '-o', `size=${mib}m,mode=700`, 'tmpfs', folder];
  try {
    execFileSync('mount', options, {stdio: 'ignore'});
  } catch {
    return false;
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]));
  return true;
}

test('32 rounds of 1 MiB each are computed on a disk of 24 MiB', async t => {
  t.timeout(170_000);
  const cluster = await newCluster(t);
  const copy = join(cluster.dir, 'copy');
  cpSync(cluster.data, copy, {recursive: true});
  const isMounted = mounted(t, cluster.data, 24);
  cpSync(copy, cluster.data, {recursive: true});
  if (!isMounted) {
    t.log('skipped: mounting a small tmpfs needs root');
    return t.pass();
  }
  const master = start(t, ['master', ...masterFlags(cluster), '--min-free', 2]);
  await master.says('volley node --join');
  const node = ['node', ...nodeFlags(cluster, 'a'), '--join', shownJoin(master), '--slots', 1];
  await start(t, node).says('joined');
  const {code, stdout} = await volley([
    ...['batch', 'submit', 'heat', '--range', '0..8', '--chunk', 1, '--rounds', 32, '--halo', 1],
    ...['--arg', 256, '--arg', 256, '--arg', 8, '--arg', 1, '--quorum', 1, '--wait', '--json'],
    ...['--data', cluster.data, '--url', `http://127.0.0.1:${cluster.ports.httpPort}`],
  ]);
  t.is(code, 0);
  t.regex(stdout, /"done": ?8\b/);
  t.regex(master.stderr, /blobs that nothing names are deleted/);
});
