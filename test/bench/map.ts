// `volley map` against GNU parallel: the same lines through the same wasm modules on the same cores, one after the
// other in one run. For parallel a small program of Node runs the module (map-worker.mjs), once for each line or, with
// --pipe, for many; `echo` of the shell is what a line costs it at least. Volley computes each line once (quorum 1).

import {spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {availableParallelism, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {openCluster, PROGRAM} from '../rig/cluster.ts';
import {number, type Row, table} from './report.ts';

const WORKER = fileURLToPath(new URL('map-worker.mjs', import.meta.url));
const moduleOf = (app: string): string =>
  fileURLToPath(new URL(`../../dist/apps/${app}/app.wasm`, import.meta.url));

export type MapRun = {
  readonly what: string;
  readonly lines: number;
  readonly seconds: number;
  readonly linesPerSecond: number;
};

export type MapBench = {
  readonly cores: number;
  /** Why there is nothing to compare with. */
  readonly skipped?: string;
  /** Of one line of real work, on one core. */
  readonly workMs: number;
  readonly tiny: readonly MapRun[];
  readonly work: readonly MapRun[];
};

type Runner = {
  readonly what: string;
  /** The program and its arguments; lines come on stdin. */
  readonly command: readonly string[];
  readonly lines: readonly string[];
};

export async function mapBench(tinyLines: number, workLines: number): Promise<MapBench> {
  const cores = availableParallelism();
  const cluster = await openCluster(cores, 1);
  const folder = mkdtempSync(join(tmpdir(), 'volley-map-'));
  const hasParallel = spawnSync('parallel', ['--version']).status === 0;
  try {
    const master = join(cluster.dir, 'master');
    const tiny = Array.from({length: tinyLines}, (_, i) => `${i}`);
    const work = pieces(workLines);
    for (const [app, lines] of [
      ['echo', tiny],
      ['primes', work],
    ] as const)
      run(folder, {
        what: 'warm',
        command: volley(master, app, '--text'),
        lines: lines.slice(0, 100),
      });
    const some = work.slice(0, 40);
    const alone = run(folder, {what: 'one core', command: node('primes'), lines: some});
    return {
      cores,
      ...(hasParallel ? {} : {skipped: 'GNU parallel is not here (Debian package parallel)'}),
      workMs: 1_000 / alone.linesPerSecond,
      tiny: compared(folder, [
        {what: 'volley map', command: volley(master, 'echo'), lines: tiny},
        {
          what: 'volley map --unordered',
          command: volley(master, 'echo', '--unordered'),
          lines: tiny,
        },
        ...(hasParallel ? tinyByParallel(cores, tiny) : []),
      ]),
      work: compared(folder, [
        {what: 'volley map', command: volley(master, 'primes', '--text'), lines: work},
        ...(hasParallel ? workByParallel(cores, work) : []),
      ]),
    };
  } finally {
    await cluster.close();
    rmSync(folder, {recursive: true, force: true});
  }
}

const volley = (master: string, app: string, ...flags: string[]): string[] => [
  ...[process.execPath, PROGRAM, 'map', app, '--quorum', '1', '--data', master],
  ...flags,
];
const node = (app: string): string[] => [process.execPath, WORKER, moduleOf(app)];
const parallel = (cores: number, ...args: string[]): string[] => [
  ...['parallel', '--will-cite', '-k', `-j${cores}`],
  ...args,
];
const EACH = 'parallel, a process for each line';

/** A process for each of them would take an hour: a hundredth says how many a second. */
function tinyByParallel(cores: number, lines: readonly string[]): Runner[] {
  const few = lines.slice(0, Math.ceil(lines.length / 100));
  const many = parallel(cores, '--pipe', '-N1000', ...node('echo'));
  return [
    {what: EACH, command: parallel(cores, ...node('echo'), '{}'), lines: few},
    {what: 'parallel, `echo` of the shell', command: parallel(cores, 'echo', '{}'), lines: few},
    {what: 'parallel --pipe -N 1000', command: many, lines},
  ];
}

function workByParallel(cores: number, lines: readonly string[]): Runner[] {
  const many = parallel(cores, '--pipe', '-N20', ...node('primes'));
  return [
    {what: EACH, command: parallel(cores, '-q', ...node('primes'), '{}'), lines},
    {what: 'parallel --pipe -N 20', command: many, lines},
  ];
}

/** About 50 ms each on one core. */
const PIECE = 24_000_000;
const pieces = (count: number): string[] =>
  Array.from({length: count}, (_, i) => `${(i + 1_000) * PIECE} ${(i + 1_001) * PIECE}`);

/** All of them must answer alike. */
function compared(folder: string, runners: readonly Runner[]): MapRun[] {
  const outputs = new Map<number, string>();
  return runners.map(runner => {
    const {output, ...ran} = run(folder, runner);
    const sorted = output.split('\n').sort().join('\n');
    const known = outputs.get(runner.lines.length) ?? sorted;
    if (known !== sorted) throw new Error(`${runner.what} answers differently`);
    outputs.set(runner.lines.length, sorted);
    return ran;
  });
}

function run(folder: string, {what, command, lines}: Runner): MapRun & {readonly output: string} {
  const [input, output] = [join(folder, 'in'), join(folder, 'out')];
  writeFileSync(input, `${lines.join('\n')}\n`);
  const line = `${command.map(word => `'${word}'`).join(' ')} < '${input}' > '${output}'`;
  const since = performance.now();
  const {status, stderr} = spawnSync('bash', ['-c', line], {encoding: 'utf8'});
  const seconds = (performance.now() - since) / 1_000;
  if (status !== 0 || !existsSync(output)) throw new Error(`${what}: ${stderr}`);
  const linesPerSecond = lines.length / seconds;
  return {what, lines: lines.length, seconds, linesPerSecond, output: readFileSync(output, 'utf8')};
}

export function showMap({cores, skipped, workMs, tiny, work}: MapBench): string {
  const title = `${cores} cores, quorum 1`;
  const shown = [
    table(`lines of no work (echo), ${title}`, rowsOf(tiny)),
    table(`lines of ${number(workMs)} ms (primes), ${title}`, rowsOf(work)),
  ];
  return [...shown, ...(skipped === undefined ? [] : [`${skipped}\n`])].join('\n');
}

const rowsOf = (runs: readonly MapRun[]): Row[] =>
  runs.map(({what, lines, linesPerSecond, seconds}) => {
    const ratio = (runs[0]?.linesPerSecond ?? 0) / linesPerSecond;
    const counts = `${number(lines)} lines in ${number(seconds, 1)} s`;
    const rate = `${number(linesPerSecond, linesPerSecond < 100 ? 1 : 0)} /s`;
    return [
      what,
      `${rate.padStart(10)}   volley map is ${number(ratio, 2)} times as fast   ${counts}`,
    ];
  });
