// `npm run sim`: runs seeds and says for each what happened; a failure is one line and the command that
// replays it. The only file of the simulator that knows of the process it runs in.

import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import process from 'node:process';
import {cac} from 'cac';
import {NodeCrypto} from '../io/crypto.ts';
import type {Overrides} from './draw.ts';
import {planOf} from './draw.ts';
import {completePlan, type Plan, type StoredPlan} from './plan.ts';
import {failureLines, planLine} from './report.ts';
import {shrink} from './shrink.ts';
import {type Outcome, runPlan} from './swarm.ts';

const SEEDS = 20;
const SHRINK_SECONDS = 60;

type Flags = {
  readonly seed: number | undefined;
  readonly seeds: number;
  readonly overrides: Overrides;
  readonly realCrypto: boolean;
  readonly trace: boolean;
  readonly until: number | undefined;
  /** A stored plan in place of seeds. */
  readonly plan: Plan | undefined;
  readonly file: string;
  /** Seconds to look for a smaller plan of the first failure; 0 = not at all. */
  readonly shrinkSeconds: number;
};

/** What the user asked for is not possible: the hint, and exit 2. */
class UsageError extends Error {}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const cli = cac('sim');
cli
  .command('', 'Run simulated clusters, one for each seed, and check every promise')
  .option('--seed <n>', 'The first seed; alone: only this one')
  .option('--seeds <n>', `How many seeds (default ${SEEDS})`)
  .option('--nodes <n>', 'Nodes of the cluster, 1 to 10000; above 64 without crashes')
  .option('--workunits <n>', 'Workunits, in one batch')
  .option('--quorum <n>', 'Equal results that make a canonical one, 1 to 16')
  .option('--loss <fraction>', 'Datagrams lost, 0 to 0.9')
  .option(
    '--real-crypto',
    'node:crypto in place of the ideal one; digests then differ from run to run',
  )
  .option('--plan <file>', 'A stored plan in place of a seed')
  .option(
    '--shrink <seconds>',
    `How long to look for a smaller plan of the first failure (default ${SHRINK_SECONDS}; 0 = not)`,
  )
  .option('--trace', 'Print every event')
  .option('--until <event>', 'Stop at this event and say what is not over')
  .example('npm run sim -- --seeds 200')
  .example('npm run sim -- --seed 4711 --trace --until 1200')
  .example('npm run sim -- --plan test/sim/regressions/seed-6.json --trace')
  .example('npm run sim -- --seed 1 --nodes 1000 --workunits 5000 --loss 0.05')
  .action(() => undefined);
cli.help();

function numberOf(
  options: Readonly<Record<string, unknown>>,
  name: string,
  least: number,
  most: number,
  isWhole = true,
): number | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  const number = Number(value);
  const fits = Number.isFinite(number) && number >= least && number <= most;
  if (!fits || Array.isArray(value) || (isWhole && !Number.isInteger(number)))
    throw new UsageError(
      `--${name} must be ${isWhole ? 'a whole number' : 'a number'} from ${least} to ${most}, not ${value}`,
    );
  return number;
}

function flagsOf(options: Readonly<Record<string, unknown>>): Flags {
  const seed = numberOf(options, 'seed', 0, Number.MAX_SAFE_INTEGER);
  const overrides = {
    nodes: numberOf(options, 'nodes', 1, 10_000),
    workunits: numberOf(options, 'workunits', 1, 10_000_000),
    quorum: numberOf(options, 'quorum', 1, 16),
    loss: numberOf(options, 'loss', 0, 0.9, false),
  };
  const {nodes, quorum} = overrides;
  if (quorum !== undefined && nodes !== undefined && quorum > nodes)
    throw new UsageError(`--quorum ${quorum} needs as many nodes; --nodes is ${nodes}`);
  if (quorum !== undefined && nodes === undefined)
    throw new UsageError('--quorum needs --nodes, at least as many');
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  const stored = storedPlan(options);
  const isOne = seed !== undefined || stored.plan !== undefined;
  return {
    seed,
    seeds: numberOf(options, 'seeds', 1, 10_000_000) ?? (isOne ? 1 : SEEDS),
    overrides: Object.fromEntries(given),
    realCrypto: options['realCrypto'] === true,
    trace: options['trace'] === true,
    until: numberOf(options, 'until', 1, Number.MAX_SAFE_INTEGER),
    ...stored,
    shrinkSeconds: numberOf(options, 'shrink', 0, 86_400) ?? SHRINK_SECONDS,
  };
}

function storedPlan(options: Readonly<Record<string, unknown>>): Pick<Flags, 'plan' | 'file'> {
  const file = options['plan'];
  if (file === undefined) return {plan: undefined, file: ''};
  if (typeof file !== 'string') throw new UsageError('--plan names one file');
  for (const other of ['seed', 'seeds', 'nodes', 'workunits', 'quorum', 'loss'])
    if (options[other] !== undefined) throw new UsageError(`--plan goes without --${other}`);
  try {
    const {plan} = JSON.parse(readFileSync(file, 'utf8')) as {readonly plan?: StoredPlan};
    if (!plan?.nodes || !plan.batches) throw new TypeError('it holds no plan');
    return {plan: completePlan(plan), file};
  } catch (error) {
    throw new UsageError(`--plan ${file}: ${(error as Error).message}`);
  }
}

function commitName(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'none';
  }
}

function replayCommand(seed: number, {overrides, realCrypto, file}: Flags): string {
  if (file !== '') return `npm run sim -- --plan ${file}`;
  const given = Object.entries(overrides).map(([name, value]) => ` --${name} ${value}`);
  return `npm run sim -- --seed ${seed}${given.join('')}${realCrypto ? ' --real-crypto' : ''}`;
}

function runOne(plan: Plan, flags: Flags): Outcome {
  return runPlan(plan, {
    ...(flags.realCrypto ? {crypto: new NodeCrypto()} : {}),
    ...(flags.trace ? {trace: print} : {}),
    ...(flags.until === undefined ? {} : {untilEvent: flags.until}),
  });
}

/** true = all promises held. */
function report(flags: Flags, outcome: Outcome, ms: number): boolean {
  const {seed, events, virtualMs, digest, failure, world} = outcome;
  const {model, decisions} = world.checkers.masterChecker;
  const rate = Math.round((events / Math.max(ms, 1)) * 1_000);
  if (failure?.invariant === 'stopped') {
    print(`stopped seed=${seed} event#=${events} t=${virtualMs.toFixed(3)}ms ${failure.story}`);
    return true;
  }
  if (failure !== undefined) {
    for (const line of failureLines(outcome, commitName(), replayCommand(seed, flags))) print(line);
    return false;
  }
  print(
    `seed=${seed} nodes=${world.nodes.length} events=${events} events/s=${rate} ` +
      `virtual=${(virtualMs / 1_000).toFixed(1)}s decided=${model.decisions.size} singles=${decisions.singles} ` +
      `master-lives=${world.master.lives} shots=${world.checkers.nodeChecker.firedCount} digest=${digest}`,
  );
  return true;
}

/** Looks for a smaller plan that fails in the same way, and writes it down to be replayed and kept. */
function shrinkAndKeep(plan: Plan, {failure}: Outcome, flags: Flags): void {
  print(`  plan: ${planLine(plan)}`);
  if (!failure || flags.shrinkSeconds === 0) return;
  const endAt = performance.now() + flags.shrinkSeconds * 1_000;
  const quiet = {...flags, trace: false, until: undefined};
  const found = shrink(
    plan,
    failure,
    smaller => runOne(smaller, quiet).failure,
    () => performance.now() < endAt,
  );
  const file = join(tmpdir(), `volley-sim-${plan.seed}.json`);
  writeFileSync(file, `${JSON.stringify({was: found.failure.story, plan: found.plan})}\n`);
  const {events} = runOne(found.plan, quiet);
  print(`  smaller, after ${found.runs} runs: ${planLine(found.plan)}`);
  print(`  ${found.failure.story}`);
  print(`  npm run sim -- --plan ${file} --trace --until ${events}`);
  print('  mended? Say in it what it was, and move it to test/sim/regressions.');
}

function run(flags: Flags): number {
  const first = flags.seed ?? 1;
  const startedAt = performance.now();
  let events = 0;
  let failed = 0;
  for (let seed = first; seed < first + flags.seeds; seed++) {
    const before = performance.now();
    const plan = flags.plan ?? planOf(seed, flags.overrides);
    const outcome = runOne(plan, flags);
    events += outcome.events;
    if (report(flags, outcome, performance.now() - before)) continue;
    failed += 1;
    if (failed === 1) shrinkAndKeep(plan, outcome, flags);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const mib = Math.round(process.memoryUsage().rss / 2 ** 20);
  print(
    `${flags.seeds} seeds, ${failed} failed, ${events} events in ${seconds.toFixed(1)} s ` +
      `(${Math.round(events / seconds)} events/s), ${mib} MiB`,
  );
  return failed === 0 ? 0 : 1;
}

function main(): number {
  try {
    const {options} = cli.parse(process.argv, {run: false});
    if (options['help'] === true) return 0;
    if (cli.args.length > 0) throw new UsageError(`what is "${cli.args.join(' ')}"?`);
    cli.matchedCommand?.checkUnknownOptions();
    cli.matchedCommand?.checkOptionValue();
    return run(flagsOf(options));
  } catch (error) {
    const isUsage = error instanceof UsageError || (error as Error).name === 'CACError';
    if (!isUsage) throw error;
    process.stderr.write(`${(error as Error).message}\nTry: npm run sim -- --help\n`);
    return 2;
  }
}

process.exitCode = main();
