// `volley sim plan`: what a batch would take on a cluster that need not be there, by the master's own code.

import {EXIT} from '../base/errors.ts';
import {REDUNDANCIES} from '../core/policy.ts';
import type {Generation, PlanOptions} from '../sim/plan-options.ts';
import {NODES_MAX} from '../wire/limits.ts';
import {type CommandSpec, defined, type Given, numberOf, usage} from './command.ts';
import {duration, grouped, print, printJson, tell} from './output.ts';
import type {PlanRun} from './plan-run.ts';
import {ProgressLine} from './progress.ts';
import {tableLines} from './table.ts';

const SLOTS_MAX = 64;
const WORKUNITS_MAX = 100_000_000;
const SECONDS_MAX = 7 * 86_400;
/** Without a range: so much less and more. */
const SPREAD = 0.2;
/** A run that is likely to take longer says so before it begins. */
const LONG_MS = 10_000;
/** What one master is given, of messages of nodes (master/waker.ts). */
const HEARD_PER_SECOND_MAX = 10_000;

export const simPlanCommand: CommandSpec = {
  name: 'sim plan',
  summary: 'Plan a batch: simulate it with your numbers on the code of the master',
  options: [
    {flag: '--nodes <count>', text: 'boards (default 100)'},
    {flag: '--slots <count>', text: 'slots of each (default 4)'},
    {flag: '--workunits <count>', text: 'of the batch; 1e6 is a million (default 100,000)'},
    {
      flag: '--seconds <s>',
      text: 'run time of one on a usual board, 20 % less to 20 % more; or a range, 10..60 (default 30)',
    },
    {flag: '--speeds <list>', text: 'generations of boards: 1x60%,0.5x40% (default 1x100%)'},
    {flag: '--wrong <share>', text: 'of the boards return wrong bytes always: 1% (default 0)'},
    {flag: '--lying <rate>', text: 'of the results of good boards are wrong: 0.01% (default 0)'},
    {flag: '--errors <rate>', text: 'of the runs end in an error (default 0)'},
    {flag: '--dying <rate>', text: 'of the boards die: 1%/h or 5%/d (default 0)'},
    {flag: '--down <time>', text: 'a dead one is back or replaced after about this (default 10m)'},
    {flag: '--quorum <count>', text: 'equal results that count (default 2; 1 with none)'},
    {flag: '--redundancy <how>', text: 'always (default), adaptive, none'},
    {flag: '--compare', text: 'run always, adaptive and none, and show them side by side'},
    {flag: '--seed <number>', text: 'the same seed gives the same figures (default 1)'},
    {flag: '--json', text: 'print JSON'},
  ],
  examples: [
    'volley sim plan --nodes 750 --slots 4 --workunits 1e6 --seconds 30',
    'volley sim plan --nodes 750 --workunits 1e6 --wrong 1% --dying 1%/h --redundancy adaptive',
    'volley sim plan --nodes 40 --speeds 1x60%,0.5x40% --seconds 10..60 --lying 0.1% --compare',
    'volley sim plan --workunits 50_000 --errors 2% --seed 7 --json',
  ],
  run: plan,
};

async function plan(given: Given): Promise<number> {
  const options = await optionsIn(given);
  const policies = policiesIn(given, options);
  const {expectedMs, progressOfPlan, runPlan} = await import('./plan-run.ts');
  const longMs = policies.reduce((sum, each) => sum + expectedMs(each), 0);
  if (longMs > LONG_MS)
    tell(`volley: this takes about ${duration(longMs)} on one core of a usual machine`);
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      isStopped = true;
    });
  const line = new ProgressLine();
  const runs: PlanRun[] = [];
  for (const policy of policies) {
    const begunAt = performance.now();
    const run = await runPlan(policy, {
      isStopped: () => isStopped,
      onSlice: world => {
        const tookMs = performance.now() - begunAt;
        if (tookMs > 1_000) line.show(progressOfPlan(world, tookMs));
      },
    });
    line.end();
    if (!run) {
      tell('volley: interrupted, there are no figures');
      return EXIT.interrupted;
    }
    runs.push(run);
  }
  show(given, runs);
  return runs.every(({figures}) => figures.state === 'done') ? EXIT.ok : EXIT.failed;
}

// ---- what was given -----------------------------------------------------------------------------

async function optionsIn(given: Given): Promise<PlanOptions> {
  const {USUAL_PLAN} = await import('../sim/plan-options.ts');
  return {
    ...USUAL_PLAN,
    nodes: given.whole('nodes', 1, NODES_MAX) ?? 100,
    workunits: given.whole('workunits', 1, WORKUNITS_MAX) ?? 100_000,
    ...secondsIn(given),
    ...defined({
      seed: given.whole('seed', 0, Number.MAX_SAFE_INTEGER),
      slots: given.whole('slots', 1, SLOTS_MAX),
      speeds: speedsIn(given),
      wrong: given.share('wrong'),
      lying: given.share('lying'),
      errors: given.share('errors'),
      dyingPerHour: dyingIn(given),
      downMs: given.durationMs('down'),
      quorum: given.whole('quorum', 1, 16),
      redundancy: given.oneOf('redundancy', REDUNDANCIES),
    }),
  };
}

/** One plan for each policy. Refuses what no batch could have. */
function policiesIn(given: Given, options: PlanOptions): PlanOptions[] {
  const {quorum} = options;
  if (!given.flag('compare')) return [checked(options)];
  if (given.text('redundancy') !== undefined)
    throw usage('--compare shows every --redundancy: give only one of the two');
  if (quorum === 1) throw usage(`--compare needs a --quorum of 2 or more, not ${quorum}`);
  const withoutQuorum = ({quorum: _, ...rest}: PlanOptions): PlanOptions => rest;
  return REDUNDANCIES.map(each =>
    checked({
      ...(each === 'none' ? withoutQuorum(options) : options),
      redundancy: each,
    }),
  );
}

function checked(options: PlanOptions): PlanOptions {
  const {nodes, quorum, redundancy} = options;
  const needed = quorum ?? (redundancy === 'none' ? 1 : 2);
  if (redundancy === 'none' && needed > 1)
    throw usage(`--redundancy none is a --quorum of 1, not of ${needed}`);
  if (redundancy === 'adaptive' && needed < 2)
    throw usage('--redundancy adaptive needs a --quorum of 2 or more, by which it checks');
  if (nodes < needed) throw usage(`a quorum of ${needed} needs as many nodes; there are ${nodes}`);
  return options;
}

function secondsIn(given: Given): {runMsMin?: number; runMsMax?: number} {
  const text = given.text('seconds');
  if (text === undefined) return {};
  const [first = '', last, ...more] = text.split('..');
  const [least, most] = [numberOf(first), last === undefined ? undefined : numberOf(last)];
  const isGood = (value: number | undefined): value is number =>
    value !== undefined && value >= 0.001 && value <= SECONDS_MAX;
  const isRange = last !== undefined;
  if (!isGood(least) || more.length > 0 || (isRange && !(isGood(most) && most >= least)))
    throw usage(
      `--seconds is a time or a range of times, from 0.001 to ${SECONDS_MAX}, such as 30 or 10..60, not "${text}"`,
    );
  if (isRange) return {runMsMin: 1_000 * least, runMsMax: 1_000 * (most ?? least)};
  return {runMsMin: 1_000 * least * (1 - SPREAD), runMsMax: 1_000 * least * (1 + SPREAD)};
}

function speedsIn(given: Given): Generation[] | undefined {
  const text = given.text('speeds');
  if (text === undefined) return undefined;
  const speeds = text.split(',').map(part => {
    const [, speed, percent] = /^\s*(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)%\s*$/.exec(part) ?? [];
    const generation = {speed: Number(speed), share: Number(percent) / 100};
    if (!(generation.speed >= 0.01 && generation.speed <= 100 && generation.share > 0))
      throw usage(
        `--speeds is a list of SPEEDxSHARE%, such as 1x60%,0.5x40%, speeds from 0.01 to 100; "${part}" is none`,
      );
    return generation;
  });
  const whole = speeds.reduce((sum, {share}) => sum + share, 0);
  if (Math.abs(whole - 1) > 1e-6)
    throw usage(`the shares of --speeds make ${(100 * whole).toFixed(1)} %, not 100 %`);
  return speeds;
}

function dyingIn(given: Given): number | undefined {
  const text = given.text('dying');
  if (text === undefined) return undefined;
  const [, percent, unit] = /^(\d+(?:\.\d+)?)%\/(h|d)$/.exec(text) ?? [];
  const perHour = Number(percent) / 100 / (unit === 'd' ? 24 : 1);
  if (!(perHour >= 0 && perHour <= 10))
    throw usage(`--dying is a share of the boards in a time, such as 1%/h or 5%/d, not "${text}"`);
  return perHour;
}

// ---- what is said -------------------------------------------------------------------------------

function show(given: Given, runs: readonly PlanRun[]): void {
  const [first] = runs;
  if (!first) return;
  if (given.flag('json')) {
    printJson(given.flag('compare') ? runs : first);
    return;
  }
  for (const line of clusterLines(first.figures.options)) print(line);
  print();
  const rows = linesOf(first).map(([label], i) => [
    label,
    ...runs.map(run => linesOf(run)[i]?.[1] ?? ''),
  ]);
  const titles = runs.map(({figures}) => ({
    title: figures.options.redundancy,
    right: runs.length > 1,
  }));
  for (const line of tableLines([{title: 'redundancy'}, ...titles], rows)) print(line);
  if (runs.some(({figures}) => figures.wrongPerMillionMax !== undefined)) {
    print();
    print('Where no wrong result was seen, the risk is below 3 of as many as were seen, at 95 %.');
  }
  if (runs.some(({figures}) => figures.heardPerSecond > HEARD_PER_SECOND_MAX))
    print(
      `One master is given ${grouped(HEARD_PER_SECOND_MAX)} messages a second: make workunits longer.`,
    );
}

function clusterLines(options: PlanOptions): string[] {
  const {nodes, slots, workunits, runMsMin, runMsMax, speeds, seed} = options;
  const share = (part: number): string => `${Number((100 * part).toFixed(4))} %`;
  const boards = speeds.map(({speed, share: part}) => `${speed}x ${share(part)}`).join(', ');
  const faults = [
    options.wrong > 0 ? `${share(options.wrong)} of the boards always wrong` : '',
    options.lying > 0 ? `${share(options.lying)} of the other results wrong` : '',
    options.errors > 0 ? `${share(options.errors)} of the runs end in an error` : '',
    options.dyingPerHour > 0 ? `${share(options.dyingPerHour)} of the boards die in an hour` : '',
  ].filter(text => text !== '');
  return [
    `${grouped(nodes)} boards with ${slots} slots (speeds ${boards})`,
    `${grouped(workunits)} workunits of ${duration(runMsMin)} to ${duration(runMsMax)} at speed 1`,
    faults.length === 0 ? 'no faults' : faults.join('; '),
    `seed ${seed}`,
  ];
}

function linesOf({figures, tookMs, heapMibPeak, residentMib}: PlanRun): [string, string][] {
  const {wrongPerMillion, wrongPerMillionMax} = figures;
  const percents = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const risk =
    wrongPerMillionMax === undefined
      ? rounded(wrongPerMillion)
      : `< ${rounded(wrongPerMillionMax)}`;
  const perSecond = (count: number): string => `${grouped(Math.round(count))}/s`;
  return [
    ['state', figures.state],
    ['makespan', duration(figures.makespanMs)],
    ['slots busy', percents(figures.utilisation)],
    ['replicas', grouped(figures.replicas)],
    ['redundancy overhead', percents(figures.overhead)],
    ['on one node alone', grouped(figures.singles)],
    ['failed workunits', grouped(figures.failed)],
    ['errors', grouped(figures.errors)],
    ['results not agreed', grouped(figures.disagreements)],
    ['wrong canonical results', grouped(figures.wrong)],
    ['wrong of a million', risk],
    ['boards that died', grouped(figures.deaths)],
    ['quarantines', grouped(figures.quarantines)],
    ['messages to the master', perSecond(figures.heardPerSecond)],
    ['messages of the master', perSecond(figures.saidPerSecond)],
    ['open workunits at most', grouped(figures.openMax)],
    ['heap at most', `${grouped(Math.round(heapMibPeak))} MiB`],
    ['resident at most', `${grouped(Math.round(residentMib))} MiB`],
    ['simulated in', duration(tookMs)],
  ];
}

/** Three digits, or all of a larger number. */
const rounded = (value: number): string =>
  value >= 100 ? grouped(Math.round(value)) : String(Number(value.toPrecision(3)));
