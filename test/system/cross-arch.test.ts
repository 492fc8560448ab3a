// Promise P9 on other processors: the same input gives the same bytes on x64, arm64 and 32-bit ARM. The
// engines are Node's own for these processors, run by QEMU; they are fetched once and kept outside of
// the repository (test/rig/tools.ts).

import {execFile, spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {readAppFolder} from '../../src/io/app-folder.ts';
import type {ProcessRunner, RunnerOptions} from '../../src/io/runner.ts';
import type {Jail} from '../../src/io/sandbox.ts';
import {randomProgram} from '../core/wasm-random.ts';
import {moduleOfRoute, ROUTES, SIGHTS, WORLD} from '../core/wasm-routes.ts';
import {ROOT, RunnerRig} from '../io/runner-rig.ts';
import {sha256} from '../io/sha256.ts';
import {debianPackages, npmPackage} from '../rig/tools.ts';
import {EDGES} from './cross-edges.ts';

const run = promisify(execFile);
const isNightly = process.env['VOLLEY_NIGHTLY'] === '1';
/** Each takes some 5 ms under emulation. */
const RANDOM_PROGRAMS = isNightly ? 1_500 : 60;
const EVERY = isNightly ? 1 : 6;

type Machine = {readonly name: string; readonly argv: readonly string[]};
const HERE: Machine = {name: process.arch, argv: [process.execPath]};

const OTHERS = [
  {
    name: 'arm64',
    debian: 'arm64',
    qemu: 'qemu-aarch64-static',
    triple: 'aarch64-linux-gnu',
    node: '20.20.2',
  },
  {
    name: 'armv7l',
    debian: 'armhf',
    qemu: 'qemu-arm-static',
    triple: 'arm-linux-gnueabihf',
    node: '20.11.0',
  },
] as const;

function machineOf(other: (typeof OTHERS)[number]): Machine | {readonly reason: string} {
  if (process.platform !== 'linux' || process.arch !== 'x64') return {reason: 'needs Linux on x64'};
  const {name, debian, qemu, triple, node} = other;
  const emulator = debianPackages('qemu-user-static', 'qemu-user-static');
  if ('reason' in emulator) return emulator;
  const libraries = ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'];
  const system = debianPackages(
    `system-${debian}`,
    ...libraries.map(library => `${library}-${debian}-cross`),
  );
  if ('reason' in system) return system;
  const engine = npmPackage(`node-linux-${name}`, node);
  if ('reason' in engine) return engine;
  const program = join(engine.path, 'package/bin/node');
  const root = join(system.path, 'usr', triple);
  return {name, argv: [join(emulator.path, 'usr/bin', qemu), '-L', root, program]};
}

/** The machines that can be had, this one first; logs why another cannot. */
function machines(t: ExecutionContext): readonly Machine[] {
  const found = [HERE];
  for (const other of OTHERS) {
    const machine = machineOf(other);
    if ('reason' in machine) t.log(`skipped: no ${other.name}: ${machine.reason}`);
    else found.push(machine);
  }
  return found;
}

/** What `work` gives on each machine; logs how long it takes. */
async function everywhere<T>(t: ExecutionContext, work: (machine: Machine) => Promise<T>) {
  const [first, ...others] = machines(t);
  const expected = await work(first as Machine);
  for (const machine of others) {
    const startedAt = performance.now();
    t.deepEqual(await work(machine), expected, machine.name);
    t.log(`${machine.name}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  }
  return expected;
}

// ---- the built-in apps, by the runner as it is shipped -------------------------------------------

const TEXT = 'It was the best of times, it was the worst of times. Füße λ. '.repeat(40);
const POINTS = Array.from({length: 60}, (_, i) => `${Math.sin(i)},${Math.cos(7 * i)}\n`).join('');

/** A block for seti: noise of a kind, and a tone that drifts. */
function samples(count: number): Uint8Array {
  const head = Buffer.alloc(24);
  head.write('IQ08');
  head.writeUInt32LE(count, 4);
  head.writeDoubleLE(count, 8);
  const wave = Array.from({length: 2 * count}, (_, i) => {
    const t = Math.floor(i / 2) / count;
    const turn = 2 * Math.PI * (37 * t + 1.5 * t * t) - (i % 2) * (Math.PI / 2);
    return 40 * Math.cos(turn) + 40 * Math.sin(i * i);
  });
  return Buffer.concat([head, new Uint8Array(Int8Array.from(wave).buffer)]);
}

const WORK: readonly [string, string | Uint8Array, readonly string[]][] = [
  ['echo', 'same', []],
  ['primes', '0 100000\n', []],
  ['primes', '4294960000 4294970000\n', []],
  ['wordcount', TEXT, []],
  ['render', '0 4\n', ['48', '36', '16', '2', '7']],
  ['kmeans', POINTS, ['7']],
  ['heat', '1 2\n', ['40', '30', '3', '9', 'sine']],
  ['seti', samples(512), ['4']],
  ['wing', '{"naca": 4415, "alpha": 3.7, "panels": 40, "pressure": 1}', []],
];

/** The newest engine for 32-bit ARM that is packed is 20.11, which cannot start under its own permissions. */
const isPermission = (flag: string): boolean => /^--(experimental-permission|allow-)/.test(flag);

const jailOf = ({argv: machine}: Machine): Jail => ({
  level: 0,
  about: 'an emulator',
  start: ([, ...argv], {dir}) => {
    const [file = '', ...args] = [...machine, ...argv.filter(flag => !isPermission(flag))];
    return spawn(file, args, {cwd: dir, env: {}, stdio: ['pipe', 'pipe', 'pipe', 'pipe']});
  },
});

test.serial('the built-in apps give the same bytes on every processor', async t => {
  t.timeout(600_000);
  const url = new URL('../../dist/io/runner.js', import.meta.url).href;
  const Runner = (await import(url)).ProcessRunner as new (options: RunnerOptions) => ProcessRunner;
  const outputs = await everywhere(t, async machine => {
    const rig = new RunnerRig({jail: jailOf(machine)}, Runner);
    const found: string[] = [];
    for (const [app, input, args] of WORK) {
      const {manifest, module} = await readAppFolder(join(ROOT, 'dist/apps', app));
      rig.add(manifest, module);
      const limits = {timeLimitMs: 120_000, outputLimitBytes: manifest.limits.outputBytes};
      found.push(toHex(sha256(await rig.bytes(rig.run(app, input, {...limits, args})))));
    }
    await rig.runner.close();
    return found;
  });
  t.is(new Set(outputs).size, WORK.length);
});

// ---- modules of every kind ----------------------------------------------------------------------

function bundleOf(modules: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    [WORLD, ...modules].flatMap(bytes => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

const script = new URL('cross-run.mjs', import.meta.url).pathname;
const wasm = new URL('../../dist/core/wasm.js', import.meta.url).pathname;

async function sameEverywhere(t: ExecutionContext, modules: readonly Uint8Array[]): Promise<void> {
  t.timeout(600_000);
  const dir = mkdtempSync(join(tmpdir(), 'volley-cross-'));
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  const bundle = join(dir, 'bundle');
  writeFileSync(bundle, bundleOf(modules));
  const lines = await everywhere(t, async ({argv}) => {
    const [file = '', ...args] = argv;
    const {stdout} = await run(file, [...args, script, wasm, bundle], {maxBuffer: 2 ** 24});
    return stdout.trim().split('\n');
  });
  t.is(lines.length, modules.length);
}

test.serial(
  'NaNs, arithmetic at its edges and random programs are the same everywhere',
  async t => {
    const routes = ROUTES.flatMap(route => SIGHTS.map(sight => moduleOfRoute(route, sight)));
    const nans = routes.filter(module => module !== undefined).filter((_, i) => i % EVERY === 0);
    const random = Array.from(
      {length: RANDOM_PROGRAMS},
      (_, i) => randomProgram(10_000 + i).module,
    );
    // Of one run, for starting an engine takes most of the time.
    await sameEverywhere(t, [...nans, ...EDGES, ...random]);
  },
);
