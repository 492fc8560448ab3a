// What the sandbox of js apps costs: loops in a runner process as it is shipped, against the same loops in plain Node,
// in turns, best of five; and how many workunits that do nothing a runner gets through.

import {execFile} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import type {ProcessRunner} from '../../src/io/runner.ts';
import {manifestOf, ROOT, RunnerRig} from '../io/runner-rig.ts';
import {number, table} from './report.ts';

const FILE = join(ROOT, 'test/bench/js-loops.mjs');
const ROUNDS = 5;
const NULLS = 5_000;
const LIMITS = {timeSeconds: 60, memoryMib: 64, outputBytes: 4_096};

export type JsFigures = {
  readonly loops: readonly {readonly name: string; readonly plainMs: number; readonly ms: number}[];
  readonly nullsPerSecond: number;
};

const PLAIN = `
const app = require('node:vm').runInThisContext(require('node:fs').readFileSync(process.argv[1], 'utf8'));
const startedAt = performance.now();
app.run({text: () => process.argv[2]});
console.log(performance.now() - startedAt);`;

async function plainMs(name: string): Promise<number> {
  const {stdout} = await promisify(execFile)(process.execPath, ['-e', PLAIN, FILE, name]);
  return Number(stdout);
}

export async function js(): Promise<JsFigures> {
  const compiled = pathToFileURL(join(ROOT, 'dist/io/runner.js')).href;
  const {ProcessRunner: Runner} = (await import(compiled)) as {ProcessRunner: typeof ProcessRunner};
  const rig = new RunnerRig({niceness: 0}, Runner);
  rig.add(manifestOf('loops', {runtime: 'js', limits: LIMITS}), new Uint8Array(readFileSync(FILE)));
  try {
    const names = JSON.parse(String(await rig.bytes(rig.run('loops', 'names')))) as string[];
    const loops = [];
    for (const name of names.filter(one => one !== 'null')) {
      const figure = {name, plainMs: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY};
      for (let round = 0; round < ROUNDS; round++) {
        figure.plainMs = Math.min(figure.plainMs, await plainMs(name));
        const ended = await rig.end(rig.run('loops', name));
        if (ended.type === 'failed') throw new Error(`${name}: ${ended.detail}`);
        figure.ms = Math.min(figure.ms, ended.cpuMs);
      }
      loops.push(figure);
    }
    const startedAt = performance.now();
    const ids = Array.from({length: NULLS}, () => rig.run('loops', 'null'));
    for (const id of ids) await rig.end(id);
    return {loops, nullsPerSecond: (NULLS * 1_000) / (performance.now() - startedAt)};
  } finally {
    await rig.runner.close();
  }
}

export const showJs = ({loops, nullsPerSecond}: JsFigures): string =>
  table('js apps: time in the runner, in plain Node, and how many times as long', [
    ...loops.map(({name, plainMs, ms}) => [
      name,
      `${number(ms)} ms, ${number(plainMs)} ms, ${number(ms / plainMs, 2)}`,
    ]),
    ['workunits that do nothing, one runner', `${number(nullsPerSecond)} /s`],
  ] as [string, string][]);
