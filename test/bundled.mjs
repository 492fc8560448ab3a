// Runs the tests as `ava` does, from bundles: each test file with all that it imports in a few files of JavaScript,
// made in a second. Loading some hundred modules through a loader took about as long as testing them: for the 49 files
// of test/master 59 s, so 41 s. The built program that tests start is bundled too (VOLLEY_PROGRAM); as it is delivered
// test/pack.test.ts and the packed demo run it. What the modules think of their own place (`import.meta.url`) stays, so whatever
// they start or read is what is in the repository.
//
//   node test/bundled.mjs                         all of them
//   node test/bundled.mjs test/wire/codec.test.ts one; `npx ava` does the same without a bundle

import {spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {basename, dirname, join, relative, resolve} from 'node:path';
import process from 'node:process';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {build} from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = join(ROOT, '.tests');
const {ava} = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const isTest = name => name.endsWith('.test.ts');
const all = readdirSync(join(ROOT, 'test'), {recursive: true})
  .filter(isTest)
  .map(name => `test/${name}`);
const wanted = process.argv.slice(2).map(name => relative(ROOT, join(process.cwd(), name)));
const strange = wanted.find(name => !all.includes(name));
if (strange !== undefined) {
  console.error(`there is no test file ${strange}`);
  process.exit(2);
}

/** A source map whose sources have absolute paths: by those coverage.mjs knows them. */
function absolute(path, text) {
  const map = JSON.parse(text);
  const sources = map.sources.map(source => resolve(dirname(path), source));
  return JSON.stringify({...map, sources});
}

/** A module of a bundle is where its source is. */
const places = {
  name: 'places',
  setup(bundle) {
    bundle.onLoad({filter: /\.(ts|mjs|js)$/}, ({path}) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        JSON.stringify(pathToFileURL(path).href),
      ),
      loader: path.endsWith('.ts') ? 'ts' : 'js',
    }));
  },
};

/** What all bundles have in common. */
const COMMON = {
  absWorkingDir: ROOT,
  outExtension: {'.js': '.mjs'},
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: 'linked',
  logLevel: 'warning',
  plugins: [places],
};

rmSync(FOLDER, {recursive: true, force: true});
const {outputFiles} = await build({
  ...COMMON,
  entryPoints: wanted.length > 0 ? wanted : all,
  outdir: FOLDER,
  outbase: '.',
  write: false,
});
/** Seconds that a file may need on a slow machine, beyond those that any has: emulators, processes, whole clusters. */
function needOf(path) {
  if (path.includes('cross-arch')) return 420;
  return /test\/(system|cli|sim)\//.test(path) ? 100 : 0;
}

/**
 * Where somebody says when all must be over (seconds since 1970), a file that begins later is skipped, and says so. That
 * takes a process of its own, too: with many files behind it it must begin earlier.
 */
const SKIP_SECONDS = 0.6;
const inTime = (name, needed, behind) => `import test from 'ava';
if (Date.now() / 1_000 > Number(process.env['VOLLEY_UNTIL']) - ${needed + Math.ceil(behind * SKIP_SECONDS)})
  test.skip('no time is left for these tests on so slow a machine', () => {});
else await import('./${name}');
`;

// Each commit has an order of its own: files that compute are among files that wait, and where time is short it is not
// always the same files that are left out.
const {stdout: commit} = spawnSync('git', ['rev-parse', 'HEAD'], {cwd: ROOT, encoding: 'utf8'});
const lotOf = name => createHash('sha256').update(`${commit} ${name}`).digest('hex');
const lots = Object.fromEntries(all.map(name => [name.replace(/\.ts$/, '.mjs'), lotOf(name)]));
const order = Object.keys(lots).sort((a, b) => (lots[a] < lots[b] ? -1 : 1));
/** Files that come after this one. */
const behindOf = path => order.length - order.indexOf(relative(FOLDER, path));

for (const {path, text} of outputFiles) {
  mkdirSync(dirname(path), {recursive: true});
  if (path.endsWith('.test.mjs')) {
    const real = path.replace(/\.mjs$/, '.real.mjs');
    writeFileSync(real, text);
    writeFileSync(path, inTime(basename(real), needOf(path), behindOf(path)));
  } else writeFileSync(path, path.endsWith('.map') ? absolute(path, text) : text);
}
// The program that tests start some thousand times: a node is there in half the time.
await build({...COMMON, entryPoints: ['dist/cli/main.js'], outdir: join(FOLDER, 'program')});
const {extensions: _, nodeArguments: __, ...config} = ava;
const own = {
  ...config,
  files: ['test/**/*.test.mjs'],
  require: ['../test/home.mjs'],
  // Half of the files wait for processes that they start: with one more at a time all cores are busy.
  concurrency: availableParallelism() + 1,
};
writeFileSync(join(FOLDER, 'package.json'), JSON.stringify({type: 'module'}));

writeFileSync(
  join(FOLDER, 'ava.config.mjs'),
  `const lots = ${JSON.stringify(lots)};
const lotOf = path => lots[path.slice(path.indexOf('/.tests/') + 8)] ?? '';
export default {...${JSON.stringify(own)}, sortTestFiles: (a, b) => (lotOf(a) < lotOf(b) ? -1 : 1)};
`,
);

const AVA = join(ROOT, 'node_modules/ava/entrypoints/cli.mjs');
const {status} = spawnSync(process.execPath, [AVA], {
  cwd: FOLDER,
  env: {...process.env, VOLLEY_PROGRAM: join(FOLDER, 'program/main.mjs')},
  stdio: 'inherit',
});
process.exit(status ?? 1);
