// `volley app test`: one input, run here twice as a node would, before it is published or when it fails.

import {existsSync} from 'node:fs';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {EXIT, VolleyError} from '../base/errors.ts';
import type {AppManifest} from '../core/app.ts';
import type {TrialRun} from '../io/app-trial.ts';
import {type CommandSpec, type Given, usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {duration, grouped, printJson, safe, tell} from './output.ts';

export const appTestCommand: CommandSpec = {
  name: 'app test',
  args: '<app>',
  summary: 'Run one input of an app here, as a node would: same limits, same sandbox',
  options: [
    {flag: '--input <file>', text: 'stdin of the workunit; - is our own stdin (default: empty)'},
    {flag: '--range <start..end>', text: 'stdin is "start end", as of a batch with --range'},
    {flag: '--arg <text>', text: 'argument for the app', repeatable: true},
    {
      flag: '--shared <file>',
      text: 'what its batch shares, on file descriptor 4 (default: nothing)',
    },
    {
      flag: '--times <count>',
      text: "runs, whose outputs must be equal (default 2); of a js app the second is without V8's optimizer",
    },
    {flag: '--sandbox <how>', text: 'auto, off or require, as in node.json (default auto)'},
    {
      flag: '--node-data <dir>',
      text: 'node.json of this folder allows actions and images (exec, container)',
    },
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley app test ./my-app --input input.txt     # a folder, before it is published',
    'volley app test primes --range 0..1_000_000    # a published one, from the master',
    'volley app test kmeans --input points.csv --arg 3 --shared centroids.csv',
    'echo \'"hello"\' | volley app test ./upper --input - --json',
  ],
  run: test,
};

type Found = {readonly manifest: AppManifest; readonly module: Uint8Array};

async function test(given: Given): Promise<number> {
  const times = given.whole('times', 1, 100) ?? 2;
  const input = await inputIn(given);
  const sharedPath = given.text('shared');
  const shared = sharedPath === undefined ? new Uint8Array(0) : await readInputFile(sharedPath);
  const {manifest, module} = await findApp(given);
  const {readNodeConfig, defaultDataDirectory} = await import('../io/config.ts');
  const {allowedActions} = await import('../io/allowed-actions.ts');
  const {findContainers} = await import('../io/containers.ts');
  const {findJail} = await import('../io/sandbox-probe.ts');
  const {tryApp} = await import('../io/app-trial.ts');
  const dir = await mkdtemp(join(tmpdir(), 'volley-test-'));
  try {
    const config = readNodeConfig(given.text('node-data') ?? defaultDataDirectory('node'));
    const allowed = allowedActions(config.actions, {name: 'test', id: '0'.repeat(32)});
    const actions = new Map([...allowed].map(([action, {argv}]) => [action, argv]));
    const wish = given.oneOf('sandbox', ['auto', 'off', 'require']) ?? 'auto';
    const {jail} = await findJail(wish, join(dir, 'probe'));
    const needsEngine = manifest.runtime === 'container';
    const found = needsEngine ? await findContainers(config.containers, dir) : undefined;
    if (found && !found.containers) tell(`volley: containers: ${safe(found.about, 512)}`);
    const {containers} = found ?? {};
    const args = given.texts('arg');
    const trial = {manifest, module, args, input, shared, actions, containers, dir, jail};
    const runs = await tryApp(trial, times);
    return show(given, manifest, jail.level, runs);
  } finally {
    await rm(dir, {recursive: true, force: true, maxRetries: 5});
  }
}

async function inputIn(given: Given): Promise<Uint8Array> {
  const [file, range] = [given.text('input'), given.text('range')];
  if (file !== undefined && range !== undefined)
    throw usage('give only one of --input and --range');
  if (range !== undefined) {
    const {planInput} = await import('./batch-inputs.ts');
    await planInput(given); // is it a range?
    const [, from, to] = /^(.+?)\.\.(.+)$/.exec(range.replace(/[_,]/g, '')) ?? [];
    return new TextEncoder().encode(`${from} ${to}\n`);
  }
  if (file === undefined) return new Uint8Array(0);
  if (file !== '-') return readInputFile(file);
  const {concat} = await import('../base/bytes.ts');
  const parts: Uint8Array[] = [];
  for await (const part of process.stdin) parts.push(new Uint8Array(part as Buffer));
  return concat(...parts);
}

async function readInputFile(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason}, error);
  }
}

/** A folder with app.json, or the name of a published app. */
async function findApp(given: Given): Promise<Found> {
  const place = given.args[0] ?? '';
  if (existsSync(join(place, 'app.json'))) {
    const {readAppFolder} = await import('../io/app-folder.ts');
    const {manifest, module = new Uint8Array(0)} = await readAppFolder(place);
    return {manifest, module};
  }
  const {concat} = await import('../base/bytes.ts');
  const {decodeManifest, splitSignedApp} = await import('../core/app.ts');
  const {bodyOf} = await import('../core/app-bodies.ts');
  return withClient(given, async client => {
    const app = (await client.apps()).find(({name}) => name === place);
    if (!app) throw new VolleyError('VOLLEY_UNKNOWN_APP', {app: place});
    const bytesOf = async (blobId: typeof app.appId): Promise<Uint8Array> => {
      const parts: Uint8Array[] = [];
      for await (const part of client.readBlob(blobId)) parts.push(part);
      return concat(...parts);
    };
    const split = splitSignedApp(await bytesOf(app.appId));
    const manifest = decodeManifest(split?.manifest ?? new Uint8Array(0));
    if ('reason' in manifest) throw new VolleyError('VOLLEY_BAD_APP', {reason: manifest.reason});
    const body = bodyOf(manifest);
    const module = body ? await bytesOf(body.blobId) : new Uint8Array(0);
    return {manifest, module};
  });
}

/** A program of the owner's or a container is outside of our sandbox, and its memory is not ours to look at. */
const isInner = ({runtime}: AppManifest): boolean => runtime === 'wasm' || runtime === 'js';

function show(
  given: Given,
  manifest: AppManifest,
  level: number,
  runs: readonly TrialRun[],
): number {
  const {name, version, limits, runtime} = manifest;
  // Without the optimizer it may take ten times as long: no fault of the app.
  const counted = runs.filter(({isOptimized, status}) => isOptimized || status !== 'timedOut');
  const isSame = new Set(counted.map(storyOf)).size === 1;
  const good = counted.every(({status}) => status === 'done') && isSame;
  if (given.flag('json')) {
    const told = runs.map(({output, memoryBytes, ...run}) => ({
      ...run,
      memoryBytes: isInner(manifest) ? memoryBytes : null,
      outputBytes: output.length,
    }));
    const output = Buffer.from(runs[0]?.output ?? []).toString('base64');
    const sandboxLevel = isInner(manifest) ? level : null;
    const ofApp = {app: name, version, runtime, limits, sandboxLevel};
    printJson({...ofApp, deterministic: isSame, output, runs: told});
    return good ? EXIT.ok : EXIT.failed;
  }
  if (runs[0]) process.stdout.write(runs[0].output);
  tell(`volley: ${safe(name)} ${safe(version)}, ${heldBy(manifest, level)}`);
  for (const [no, run] of runs.entries()) tell(`  run ${no + 1}: ${lineOf(run, manifest)}`);
  if (!isSame) tell(`volley: ${differenceOf(manifest)}`);
  return good ? EXIT.ok : EXIT.failed;
}

function heldBy({runtime}: AppManifest, level: number): string {
  if (runtime === 'exec') return "with all rights of this account: its action is the owner's own";
  return runtime === 'container' ? 'in a container' : `sandbox level ${level}`;
}

/** A script has no clock and no dice: what is left to differ is what V8 makes of it. */
const differenceOf = ({runtime}: AppManifest): string =>
  runtime === 'js'
    ? 'the runs differ when V8 optimizes otherwise, which it does by chance: does the app read the bits of a NaN, or catch the end of the stack or of memory? no quorum will agree'
    : 'the runs differ: the app is not deterministic, no quorum will agree';

const storyOf = ({status, sha256}: TrialRun): string => `${status} ${sha256}`;

function lineOf(run: TrialRun, manifest: AppManifest): string {
  const {status, reason, output, sha256, cpuMs, memoryBytes, isOptimized} = run;
  const memory = `, ${grouped(Math.ceil(memoryBytes / 2 ** 20))} MiB in the process`;
  const how = isOptimized ? '' : ", without V8's optimizer";
  const needs = `${duration(cpuMs)}${isInner(manifest) ? memory : ''}${how}`;
  if (!isOptimized && status === 'timedOut')
    return `${status}: ${safe(reason, 256)}; ${needs}, where it may take ten times as long: this is no failure`;
  if (status !== 'done') return `${status}: ${safe(reason, 256)}; ${needs}`;
  return `done: ${grouped(output.length)} bytes, ${sha256.slice(0, 16)}; ${needs}`;
}
