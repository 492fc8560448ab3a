// Runs the tests as `ava` does, from bundles: each test file with all that it imports in a few files of JavaScript,
// made in a second. Loading some hundred modules through a loader took about as long as testing them: for the 49 files
// of test/master 59 s, so 41 s. What the modules think of their own place (`import.meta.url`) stays, so whatever
// they start or read is what is in the repository.
//
//   node test/bundled.mjs                         all of them
//   node test/bundled.mjs test/wire/codec.test.ts one; `npx ava` does the same without a bundle

import {spawnSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
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

/** A module of a bundle is where its source is. */
const places = {
  name: 'places',
  setup(bundle) {
    bundle.onLoad({filter: /\.(ts|mjs)$/}, ({path}) => ({
      contents: readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        JSON.stringify(pathToFileURL(path).href),
      ),
      loader: path.endsWith('.ts') ? 'ts' : 'js',
    }));
  },
};

rmSync(FOLDER, {recursive: true, force: true});
mkdirSync(FOLDER);
await build({
  absWorkingDir: ROOT,
  entryPoints: wanted.length > 0 ? wanted : all,
  outdir: FOLDER,
  outbase: '.',
  outExtension: {'.js': '.mjs'},
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'warning',
  plugins: [places],
});
writeFileSync(
  join(FOLDER, 'home.mjs'),
  "process.chdir(new URL('..', import.meta.url).pathname);\n",
);
const {extensions: _, nodeArguments: __, ...config} = ava;
const own = {...config, files: ['test/**/*.test.mjs'], require: ['./home.mjs']};
writeFileSync(join(FOLDER, 'package.json'), JSON.stringify({type: 'module', ava: own}));

const AVA = join(ROOT, 'node_modules/ava/entrypoints/cli.mjs');
const {status} = spawnSync(process.execPath, [AVA], {cwd: FOLDER, stdio: 'inherit'});
process.exit(status ?? 1);
