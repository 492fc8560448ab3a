// `npm run sim:canaries`: plants each bug in turn and lets the simulator look for it. A simulator that does not
// find these proves nothing. Prints a table: bug, seeds that were needed, invariant that caught it.

import {execFile} from 'node:child_process';
import {availableParallelism} from 'node:os';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {cac} from 'cac';
import {BUGS, type Bug} from './bugs.ts';
import type {Found} from './hunt.ts';

const SEEDS_MAX = 300;
const HUNT = fileURLToPath(new URL('hunt.ts', import.meta.url));
const STORY_LETTERS = 60;
const run = promisify(execFile);

const cli = cac('sim:canaries');
cli
  .command('[...names]', 'Plant bugs, one at a time, and count the seeds that find each')
  .option('--seeds <n>', `Seeds for each bug (default ${SEEDS_MAX})`)
  .option('--first <seed>', 'The first seed (default 1)')
  .option('--json', 'One line of JSON for each bug')
  .example('npm run sim:canaries')
  .example('npm run sim:canaries -- no-majority ttl-ignored')
  .action(() => undefined);
cli.help();

async function hunt(bug: Bug, first: number, most: number): Promise<Found> {
  const script = ['--import=tsx', HUNT, bug.name, String(first), String(most)];
  const {stdout} = await run(process.execPath, script);
  return JSON.parse(stdout) as Found;
}

const lineOf = (bug: Bug, {seeds, invariant, story}: Found): string =>
  [
    bug.name.padEnd(28),
    (seeds === 0 ? 'NOT FOUND' : String(seeds)).padStart(9),
    `  ${invariant.padEnd(10)}`,
    story.slice(0, STORY_LETTERS),
  ].join(' ');

async function main(): Promise<number> {
  const {options, args} = cli.parse(process.argv, {run: false});
  if (options['help'] === true) return 0;
  const unknown = args.filter(name => !BUGS.some(bug => bug.name === name));
  const most = Number(options['seeds'] ?? SEEDS_MAX);
  const first = Number(options['first'] ?? 1);
  if (unknown.length > 0 || !(most >= 1) || !(first >= 0)) {
    const what = unknown.length > 0 ? `no planted bug ${unknown.join(', ')}` : 'not a number';
    process.stderr.write(`${what}\nTry: npm run sim:canaries -- --help\n`);
    return 2;
  }
  const wanted = args.length > 0 ? BUGS.filter(({name}) => args.includes(name)) : [...BUGS];
  const found: Found[] = [];
  const waiting = [...wanted];
  const work = async (): Promise<void> => {
    for (let bug = waiting.shift(); bug; bug = waiting.shift()) {
      const result = await hunt(bug, first, most);
      found.push(result);
      process.stdout.write(`${options['json'] ? JSON.stringify(result) : lineOf(bug, result)}\n`);
    }
  };
  await Promise.all(Array.from({length: availableParallelism()}, work));
  const caught = found.filter(({seeds}) => seeds > 0).length;
  if (!options['json'])
    process.stdout.write(`${caught} of ${wanted.length} found within ${most} seeds each\n`);
  return caught === wanted.length ? 0 : 1;
}

process.exitCode = await main();
