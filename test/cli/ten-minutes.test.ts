// The page "Your own app in ten minutes" of README.md, typed as it stands into a shell: an empty folder, a home of its
// own, the built program. Two things only are not as the page has them: the token, which a reader copies too, and the
// ports, which a `volley` of our own adds, since tests run side by side.

import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {delimiter, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {freePorts} from '../../src/cli/free-ports.ts';
import {sectionOf} from '../house/papers.ts';
import {HOST, MAIN, needApps, temporaryFolder} from './rig.ts';

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const PAGE = 'Your own app in ten minutes';
/** Only what fails waits so long. */
const WAIT_MS = 100_000;

/** What is typed, and what the page shows of the answer. */
type Step = {readonly typed: string; readonly shown: readonly string[]};

function stepsOf(page: string): readonly Step[] {
  const blocks = [...page.matchAll(/^```\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  return blocks
    .filter(text => text.startsWith('$ '))
    .flatMap(text => text.split(/^\$ /m).slice(1))
    .map(part => {
      const [typed = '', ...shown] = part.trimEnd().split('\n');
      return {typed, shown};
    });
}

/** `…` stands for anything in its line, alone for any lines. Where the page has a space there may be a tab. */
function patternOf(shown: readonly string[]): RegExp {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const lines = shown.map(line =>
    line === '…' ? '(?:.*\\n)*?' : `${escaped(line).replace(/ /g, '\\s').replace(/…/g, '.*')}\\n`,
  );
  return new RegExp(`^${lines.join('')}`, 'm');
}

test('an answer is held against what the page shows', t => {
  const page = 'a\n```\n$ x 1\none … three\n…\nlast\n$ y\n```\n```json\n$ no\n```\n';
  const steps = stepsOf(page);
  t.deepEqual(steps, [
    {typed: 'x 1', shown: ['one … three', '…', 'last']},
    {typed: 'y', shown: []},
  ]);
  const pattern = patternOf(steps[0]?.shown ?? []);
  t.regex('one two three\na\nb\nlast\n', pattern);
  t.regex('one\ttwo three\nlast\n', pattern);
  t.notRegex('one two four\nlast\n', pattern);
  t.notRegex('one two three\na\n', pattern);
});

/** A line typed into a terminal; all that it shows. */
class Typed {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  shown = '';

  constructor(line: string, cwd: string, env: NodeJS.ProcessEnv) {
    const argv = ['-c', `exec 2>&1\n${line}`];
    this.process = spawn('/bin/sh', argv, {cwd, env, stdio: ['ignore', 'pipe', 'inherit']});
    this.process.stdout?.on('data', chunk => {
      this.shown += String(chunk);
    });
    this.ended = once(this.process, 'close').then(([code]) => code as number | null);
  }

  /** Waits for what a program shows that goes on. */
  async shows(pattern: RegExp): Promise<void> {
    const signal = AbortSignal.timeout(WAIT_MS);
    while (!pattern.test(this.shown)) {
      if (this.process.exitCode !== null) throw new Error(`it ended: ${this.shown}`);
      await once(this.process.stdout ?? this.process, 'data', {signal});
    }
  }
}

/** Where the page is read: a folder with nothing in it. */
async function emptyRoom(t: ExecutionContext) {
  await needApps();
  const dir = await temporaryFolder(t);
  const [room, home, bin] = [join(dir, 'room'), join(dir, 'home'), join(dir, 'bin')];
  for (const folder of [room, home, bin]) await mkdir(folder);
  const {port, groupPort, httpPort, blobPort} = await freePorts(HOST);
  const ports = `--group-port ${groupPort} --http-port ${httpPort} --blob-port ${blobPort}`;
  const program = `exec '${process.execPath}' '${MAIN}'`;
  const script = `#!/bin/sh
case "$1" in
  master) shift; ${program} master --port ${port} ${ports} "$@" ;;
  node) shift; ${program} node --group-port ${groupPort} --master-port ${port} "$@" ;;
  *) ${program} "$@" ;;
esac
`;
  await writeFile(join(bin, 'volley'), script, {mode: 0o755});
  const path = [bin, process.env['PATH']].join(delimiter);
  // VOLLEY_HOME: that of whoever runs the tests must not be met.
  const env = {...process.env, HOME: home, VOLLEY_HOME: '', PATH: path, NODE_NO_WARNINGS: '1'};
  return {room, env};
}

test('the page leads from an empty folder to the results of an own app', async t => {
  t.timeout(170_000);
  const page = sectionOf(await readFile(README, 'utf8'), PAGE);
  const steps = stepsOf(page.slice(0, page.indexOf('\n### ')));
  t.true(steps.length >= 10, 'the page was found');
  const {room, env} = await emptyRoom(t);
  const begun = performance.now();
  let token = '';
  for (const {typed, shown} of steps) {
    const line = typed.replace('TOKEN', token);
    const pattern = patternOf(shown);
    const staying = /^volley (master|node) /.test(line);
    const run = new Typed(staying ? `exec ${line}` : line, room, env);
    if (!staying) {
      t.is(await run.ended, 0, `${typed}\n${run.shown}`);
      t.regex(run.shown, pattern, typed);
      continue;
    }
    t.teardown(async () => {
      if (run.process.exitCode === null) run.process.kill();
      await run.ended;
    });
    await run.shows(pattern);
    token ||= /--join (\S+)/.exec(run.shown)?.[1] ?? '';
  }
  t.log(`${steps.length} lines in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  const results = (await readFile(join(room, 'results.ndjson'), 'utf8')).trimEnd().split('\n');
  t.is(results.length, 20);
  const {text} = JSON.parse(results[10] ?? '') as {text: string};
  t.is(text, '{"start":8400511,"steps":685,"highest":159424614880}\n');
});
