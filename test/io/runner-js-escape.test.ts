// A js app that wants out (js-attacks.mjs), or comes to no good end (js-ends.mjs), in a real runner process as it is
// shipped: compiled, with the permission flags. Nothing it does reaches the host, or the next workunit.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {runInThisContext} from 'node:vm';
import test, {type ExecutionContext} from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {tellingCatches} from '../../src/io/js-catches.ts';
import type {ProcessRunner} from '../../src/io/runner.ts';
import {manifestOf, ROOT, RunnerRig} from './runner-rig.ts';

const LIMITS = {timeSeconds: 20, memoryMib: 8, outputBytes: 2 ** 20};
const CLEAN = 'done [true,true,true,true,"1,2,3","ok"]\n';

/** @param made of the text of the file: the script */
async function rigOf(
  t: ExecutionContext,
  file: string,
  made = (text: string): string => text,
): Promise<RunnerRig> {
  const compiled = pathToFileURL(join(ROOT, 'dist/io/runner.js')).href;
  const {ProcessRunner: Runner} = (await import(compiled)) as {ProcessRunner: typeof ProcessRunner};
  const script = toUtf8(made(readFileSync(join(ROOT, 'test/io', file), 'utf8')));
  const rig = new RunnerRig({}, Runner);
  t.teardown(() => rig.runner.close());
  return rig.add(manifestOf('app', {runtime: 'js', limits: LIMITS}), script);
}

const namesIn = async (rig: RunnerRig): Promise<string[]> =>
  JSON.parse(String(await rig.bytes(rig.run('app', 'names'))));

test('where nothing holds them the same attempts reach the host', t => {
  const script = readFileSync(join(ROOT, 'test/io/js-attacks.mjs'), 'utf8');
  const app = runInThisContext(script) as {run(input: object, context: object): unknown};
  const names = ['constructor.constructor', 'names that are not there', 'the time', 'new Function'];
  for (const name of names) t.is(app.run({text: () => name}, {}), 'REACHED', name);
});

test('nothing that a js app tries reaches the host or the next workunit', async t => {
  t.timeout(170_000);
  const rig = await rigOf(t, 'js-attacks.mjs');
  const attempts = await namesIn(rig);
  t.true(attempts.length >= 59, `${attempts.length} attempts`);
  t.is(await rig.story(rig.run('app', 'probe')), CLEAN);
  const [pid] = rig.runner.pids;
  for (const name of attempts) {
    const [attempt, probe] = [rig.run('app', name), rig.run('app', 'probe')];
    t.regex(await rig.story(attempt), /^done held /, name);
    t.is(await rig.story(probe), CLEAN, `after ${name}`);
  }
  t.deepEqual(rig.runner.pids, [pid], 'it is one process all the time');
  const diceOf = (seed: number) => rig.story(rig.run('app', 'dice', {seed}));
  const [first, same, other] = await Promise.all([diceOf(7), diceOf(7), diceOf(8)]);
  t.regex(first, /^done \[0\.\d+,0\.\d+,0,0\.8414709848078965\]\n$/);
  t.is(first, same, 'dice are those of the workunit');
  t.not(first, other);
  if (process.platform === 'linux') checkProcess(t, pid ?? 0);
});

/** It has the permission flags, reads what it must, and its environment is empty. */
function checkProcess(t: ExecutionContext, pid: number): void {
  const flags = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  t.true(flags.some(flag => /^--(experimental-)?permission$/.test(flag)));
  t.false(flags.some(flag => /allow-(child-process|fs-write|addons|wasi)/.test(flag)));
  const readable = flags.filter(flag => flag.startsWith('--allow-fs-read='));
  t.deepEqual(
    readable.map(flag => flag.slice(flag.indexOf('=') + 1)),
    ['dist/*', 'package.json', 'node_modules/ses/*'].map(path => join(ROOT, path)),
  );
  t.is(readFileSync(`/proc/${pid}/environ`, 'utf8'), '');
}

const OUTCOMES: readonly (readonly [string, RegExp])[] = [
  ['returns a proxy', /^done \{"a":1\}\n$/],
  ['returns what is asked for its own form', /^done "form"\n$/],
  ['returns what can be waited for', /^done waited$/],
  ['returns what settles many times', /^done first$/],
  ['returns a subclass', /^done mine$/],
  ['returns bytes that lie', /^done hi$/],
  ['floods the console', /^done said$/],
  ['floods its state', /^done saved$/],
  ['returns a promise of another constructor', /^(done p|trapped: )/],
  ['catches its own error', /^done mine$/],
  ['catches the end of the stack', /^trapped: it caught the end of its stack and went on/],
  ['returns behind the end of the stack', /^trapped: it caught the end of its stack/],
  ['takes the end of the stack apart', /^trapped: it caught the end of its stack/],
  ['counts buffers', /^outOfMemory: it caught the end of its memory and went on/],
  ['returns a Map', /^trapped: run\(\) returned a Map, .* a string, a Uint8Array, or what becomes/],
  ['returns a Set', /^trapped: run\(\) returned a Set/],
  ['returns a buffer', /^trapped: run\(\) returned an ArrayBuffer/],
  ['returns nothing', /^trapped: run\(\) returned nothing$/],
  ['returns a proxy that throws', /^trapped: Error: from a trap$/],
  ['throws when asked for its form', /^trapped: Error: no form$/],
  ['throws what it said before', /^trapped: TypeError: mine; it said: last \{"words":1\}$/],
  ['returns a symbol', /^trapped: run\(\) returned a symbol$/],
  ['returns a function', /^trapped: run\(\) returned a function$/],
  ['returns a bigint', /^trapped: TypeError: .*BigInt/],
  ['returns a circle', /^trapped: TypeError: .*circular/],
  [
    'returns what will never be',
    /^trapped: the promise that run\(\) returned can never be settled$/,
  ],
  ['throws what shows itself', /^trapped: an error that cannot be told$/],
  ['rejects what shows itself', /^trapped: a promise was rejected and nobody took it: mine$/],
  ['ends the process', /^trapped: (Type|Reference)Error: /],
  ['floods the output', /^outputTooLarge: /],
  ['floods the output with bytes', /^outputTooLarge: /],
  ['has no end of the stack', /^trapped: RangeError: Maximum call stack/],
  ['makes a string too long', /^trapped: RangeError: Invalid string length$/],
  ['asks for an impossible buffer', /^outOfMemory: RangeError: /],
  ['fills the heap', /^outOfMemory: /],
  ['fills buffers', /^outOfMemory: /],
  ['loops', /^timedOut: /],
  ['loops in microtasks', /^timedOut: /],
  ['loops behind its result', /^timedOut: /],
  ['loops in its form', /^timedOut: /],
  ['goes on behind its form', /^timedOut: /],
];

test('whatever a js app does at its end, it has one end, and the next workunit is well', async t => {
  t.timeout(170_000);
  const rig = await rigOf(t, 'js-ends.mjs', tellingCatches);
  const names = await namesIn(rig);
  t.deepEqual(OUTCOMES.map(([name]) => name).sort(), names.sort(), 'each has its outcome');
  for (const [name, outcome] of OUTCOMES) {
    const timeLimitMs = /^(loops|goes on)/.test(name) ? 150 : 20_000;
    const [bad, next] = [rig.run('app', name, {timeLimitMs}), rig.run('app', 'next')];
    t.regex(await rig.story(bad), outcome, name);
    t.is(await rig.story(next), 'done next', `after ${name}`);
  }
});
