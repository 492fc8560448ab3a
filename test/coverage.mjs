// Branch coverage of the floors that decide: base, wire, core, master, node. Runs their unit tests and the first
// seeds of the simulator, prints each floor and file, and fails when a floor is under the bar or when a branch that
// no test takes has no reason in test/coverage.json.
//
//   node test/coverage.mjs                 all five floors
//   node test/coverage.mjs wire core       these floors only
//   node test/coverage.mjs --counted DIR   the tests have run already: VOLLEY_COVERAGE=DIR npm test
//
// test/coverage.json: {file: {line of code, trimmed: why no test can take that branch}}. A line, not its
// number, so that it stays right when the file moves on; `/…/` is a pattern for many lines. A reason that is
// needed no longer fails too.

import {spawnSync} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, relative, resolve} from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FLOORS = ['base', 'wire', 'core', 'master', 'node'];
/** Percent of the branches of a floor that are taken or have a reason. */
const BAR = 98;
/** The compiler proves that nothing gets here; they are there for the day it is wrong. */
const TRAPS = /\bassertNever\(|\bassert\(/;
/** `list[i] ?? 0`: the compiler asks for it, wherever `i` comes from. */
const INDEXED = /\] \?\? /;

const {values, positionals} = parseArgs({
  options: {counted: {type: 'string'}},
  allowPositionals: true,
});
const floors = positionals.length === 0 ? FLOORS : positionals;
const strange = floors.find(floor => !FLOORS.includes(floor));
if (strange !== undefined) {
  console.error(`usage: node test/coverage.mjs [--counted DIR] [${FLOORS.join('|')}] ...`);
  process.exit(2);
}

const work = mkdtempSync(join(tmpdir(), 'volley-coverage-'));
process.on('exit', () => rmSync(work, {recursive: true, force: true}));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const counted = values.counted === undefined ? join(work, 'raw') : resolve(values.counted);
if (values.counted === undefined) {
  const tests = [...FLOORS, 'runtime'].flatMap(floor =>
    readdirSync(join(ROOT, 'test', floor))
      .filter(name => name.endsWith('.test.ts'))
      .map(name => `test/${floor}/${name}`),
  );
  const {status} = spawnSync(
    process.execPath,
    ['test/bundled.mjs', ...tests, 'test/sim/swarm-first.test.ts'],
    {cwd: ROOT, env: {...process.env, VOLLEY_COVERAGE: counted}, stdio: 'inherit'},
  );
  if (status !== 0) process.exit(status ?? 1);
}

const report = spawnSync(
  process.execPath,
  [
    ...[
      'node_modules/c8/bin/c8.js',
      'report',
      '--exclude-after-remap',
      '--all',
      '--src',
      'src',
      '--reporter',
      'json',
    ],
    ...['--temp-directory', counted, '--reports-dir', work],
    ...floors.flatMap(floor => ['--include', `src/${floor}/**/*.ts`]),
    ...['--exclude', 'src/wire/generated/**', '--exclude', 'test/**'],
  ],
  {cwd: ROOT, stdio: 'inherit'},
);
if (report.status !== 0) process.exit(report.status ?? 1);

const reasons = JSON.parse(readFileSync(join(ROOT, 'test/coverage.json'), 'utf8'));
const found = JSON.parse(readFileSync(join(work, 'coverage-final.json'), 'utf8'));
const files = Object.values(found)
  .filter(({path}) => hasCode(path))
  .map(look)
  .sort((a, b) => (a.path < b.path ? -1 : 1));
const isGood = [printFiles(), printFloors(), printStale()].every(Boolean);
process.exitCode = isGood ? 0 : 1;

/** A file of types is gone when the program runs. */
function hasCode(path) {
  const {outputText} = ts.transpileModule(readFileSync(path, 'utf8'), {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      removeComments: true,
      verbatimModuleSyntax: true,
    },
  });
  return outputText.trim() !== 'export {};';
}

/** The branches of one file: how many, how many taken, and those that are not. */
function look({path: absolute, branchMap, b: counts}) {
  const path = relative(ROOT, absolute);
  const lines = readFileSync(absolute, 'utf8').split('\n');
  const branches = Object.entries(branchMap).map(([id, {line, loc}]) => {
    const at = line ?? loc.start.line;
    const code = (lines[at - 1] ?? '').trim();
    const isTaken = (counts[id]?.[0] ?? 0) > 0;
    return {at, code, isTaken, why: isTaken ? undefined : reasonFor(path, code, lines[at] ?? '')};
  });
  return {path, floor: path.split('/')[1], branches, open: branches.filter(each => !each.isTaken)};
}

function reasonFor(path, code, below) {
  if (TRAPS.test(code) || (code === 'default:' && TRAPS.test(below)))
    return 'a trap for bugs of ours';
  if (INDEXED.test(code)) return 'an index that is inside';
  return Object.entries(reasons[path] ?? {}).find(([key]) => fits(key, code))?.[1];
}

function fits(key, code) {
  return /^\/.+\/$/.test(key) ? new RegExp(key.slice(1, -1)).test(code) : key === code;
}

function printFiles() {
  for (const {path, branches, open} of files) {
    if (open.length === 0) continue;
    console.log(`${percent(branches.length - open.length, branches.length)}  ${path}`);
    for (const {at, code, why} of open)
      console.log(`         ${String(at).padStart(4)}  ${code}${why ? `   <- ${why}` : ''}`);
  }
  return true;
}

function printFloors() {
  console.log();
  const all = floors.map(floor => {
    const branches = files.filter(file => file.floor === floor).flatMap(file => file.branches);
    const taken = branches.filter(({isTaken}) => isTaken).length;
    const argued = branches.filter(({isTaken, why}) => !isTaken && why !== undefined).length;
    const text = percent(taken, branches.length);
    console.log(
      `${text}  ${floor}: ${taken} of ${branches.length} branches, ${argued} with a reason`,
    );
    return (100 * (taken + argued)) / branches.length;
  });
  const low = floors.filter((_, i) => all[i] < BAR);
  if (low.length > 0) console.log(`under ${BAR} %, reasons counted: ${low.join(', ')}`);
  return low.length === 0;
}

/** Reasons for branches that are taken now, or are gone. */
function printStale() {
  const stale = Object.entries(reasons).flatMap(([path, own]) => {
    if (!floors.includes(path.split('/')[1])) return [];
    const open = files.find(file => file.path === path)?.open ?? [];
    return Object.keys(own)
      .filter(key => !open.some(({code}) => fits(key, code)))
      .map(key => `${path}: ${key}`);
  });
  for (const each of stale) console.log(`test/coverage.json: no longer needed: ${each}`);
  return stale.length === 0;
}

function percent(part, whole) {
  return `${(whole === 0 ? 100 : (100 * part) / whole).toFixed(1).padStart(5)} %`;
}
