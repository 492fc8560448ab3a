// The runner as it is shipped: compiled, with the permission flags that source mode cannot have.

import {execFile} from 'node:child_process';
import {readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import test from 'ava';
import type {ProcessRunner, RunnerOptions} from '../../src/io/runner.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {compile, HOSTILE, manifestOf, ROOT, RunnerRig} from './runner-rig.ts';

const run = promisify(execFile);
const FLAGS = '--noCheck --noEmitOnError false --incremental false --tsBuildInfoFile null';

/** Compiles our sources into a folder of their own; returns the runner's class from there. */
async function compiledRunner(): Promise<new (options: RunnerOptions) => ProcessRunner> {
  const folder = temporaryFolder('compiled');
  const outDir = join(folder, 'dist');
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [compiler, '-p', ROOT, '--outDir', outDir, ...FLAGS.split(' ')]);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const module = await import(pathToFileURL(join(outDir, 'io/runner.js')).href);
  return module.ProcessRunner;
}

test('compiled, it runs with an empty environment and may read only its own code', async t => {
  t.timeout(170_000);
  const hostile = await compile(HOSTILE);
  const rig = new RunnerRig({}, await compiledRunner()).add(manifestOf('hostile'), hostile);
  t.teardown(() => rig.runner.close());
  t.is(await rig.story(rig.run('hostile', 'Hello')), 'done Hello');
  t.is(await rig.story(rig.run('hostile', 'trap')), 'trapped: unreachable');
  t.is(await rig.story(rig.run('hostile', 'recursion')), 'outOfMemory: stack overflow');
  t.is(
    await rig.story(rig.run('hostile', 'loop', {timeLimitMs: 200})),
    'timedOut: not done within 200 ms',
  );
  t.is(await rig.story(rig.run('hostile', 'Again')), 'done Again');
  if (process.platform === 'linux') {
    const [pid = 0] = rig.runner.pids;
    t.is(readFileSync(`/proc/${pid}/environ`, 'utf8'), '');
    const flags = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    t.true(flags.some(flag => /^--(experimental-)?permission$/.test(flag)));
    t.true(flags.includes('--disallow-code-generation-from-strings'));
    t.false(flags.some(flag => /allow-(child-process|fs-write|addons)/.test(flag)));
  }
});
