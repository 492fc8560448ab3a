// The package as a stranger gets it: packed, installed into an empty folder without running a single
// install script, and asked for its version and help. `.ci/run` runs the whole demo from it.

import {type ExecFileException, execFile} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {filesUnder, readText} from './house/source.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MIB = 1_048_576;
/** Nearly all of it is code that the protocol's compiler wrote. */
const PACKED_BYTES_MAX = MIB;
const UNPACKED_BYTES_MAX = 4 * MIB;
const {version, dependencies} = JSON.parse(readText('package.json')) as {
  version: string;
  dependencies: Record<string, string>;
};

type Packed = {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly {readonly path: string}[];
};
type Ran = {readonly code: number; readonly stdout: string; readonly stderr: string};

const folder = mkdtempSync(join(tmpdir(), 'volley-pack-'));
const installed = join(folder, 'empty');
test.after.always(() => rmSync(folder, {recursive: true, force: true}));

/** npm sets variables for its scripts that would change what an npm inside of them does. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|INIT_CWD$)/i.test(name)),
);

const run = (cwd: string, command: string, ...args: string[]): Promise<Ran> =>
  new Promise(resolve => {
    const options = {cwd, env, maxBuffer: 16 * MIB};
    execFile(command, args, options, (error: ExecFileException | null, stdout, stderr) =>
      resolve({code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr}),
    );
  });

async function runWell(t: ExecutionContext, ...line: [string, string, ...string[]]) {
  const ran = await run(...line);
  t.is(ran.code, 0, `${line.slice(1).join(' ')}\n${ran.stdout}\n${ran.stderr}`);
  return ran;
}

/** dist/ is what `npm run build` made: building here would pull it away from under other tests. */
async function pack(t: ExecutionContext): Promise<Packed> {
  const isBuilt = existsSync(join(ROOT, 'dist/cli/main.js'));
  t.true(isBuilt, 'dist/ is not built: run `npm run build` first');
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const {stdout} = await runWell(t, ROOT, 'npm', ...args);
  return (JSON.parse(stdout) as Packed[])[0] as Packed;
}

let packing: Promise<Packed> | undefined;
const packed = (t: ExecutionContext): Promise<Packed> => {
  packing ??= pack(t);
  return packing;
};

const REGISTRY_AWAY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ENOTCACHED/;

async function install(t: ExecutionContext): Promise<boolean> {
  const {filename} = await packed(t);
  mkdirSync(installed);
  writeFileSync(join(installed, 'package.json'), '{"private": true}\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  const ran = await run(installed, 'npm', ...args, join(folder, filename));
  if (ran.code !== 0 && REGISTRY_AWAY.test(ran.stderr)) {
    t.log('skipped: no npm registry can be reached and the cache does not hold all packages');
    return false;
  }
  t.is(ran.code, 0, ran.stderr);
  return true;
}

let installing: Promise<boolean> | undefined;
/** false: there is no registry, so there is nothing to try. */
const isInstalled = (t: ExecutionContext): Promise<boolean> => {
  installing ??= install(t);
  return installing;
};

const isWanted = (path: string): boolean =>
  /^(package\.json|README\.md|LICENSE|proto\/[^/]+\.proto|deploy\/(examples\/)?[^/]+)$/.test(
    path,
  ) ||
  /^dist\/.+(\.js|\/app\.json|\/app\.wasm)$/.test(path) ||
  /^dist\/(base|core|http|library|wire)\/.+\.d\.ts$/.test(path) ||
  filesUnder('src/templates').includes(path.replace(/^dist/, 'src'));

/** What the types of the library lead to. */
function typesOfLibrary(): string[] {
  const found = new Set(['dist/library/volley.d.ts']);
  for (const path of found)
    for (const [, from = ''] of readFileSync(path, 'utf8').matchAll(
      /(?:from|import\() ?'(\.[^']+)'/g,
    ))
      found.add(join(dirname(path), from).replace(/\.[jt]s$/, '.d.ts'));
  return [...found];
}

test('the package holds the program and its papers, and nothing else', async t => {
  for (const path of ['src/base/heap.ts', 'dist/.tsbuildinfo', 'dist/a.js.map', 'test/a.js'])
    t.false(isWanted(path), path);
  const {files} = await packed(t);
  const paths = files.map(({path}) => path);
  t.deepEqual(
    paths.filter(path => !isWanted(path)),
    [],
  );
  for (const path of ['README.md', 'LICENSE', 'proto/volley.proto', 'deploy/README.md'])
    t.true(paths.includes(path), path);
  const compiled = filesUnder('src')
    .filter(path => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .filter(path => !/^src\/(apps|templates)\//.test(path))
    .map(path => path.replace(/^src/, 'dist').replace(/\.ts$/, '.js'));
  t.deepEqual(
    compiled.filter(path => !paths.includes(path)),
    [],
    'every source is there, compiled',
  );
  t.deepEqual(
    typesOfLibrary().filter(path => !paths.includes(path)),
    [],
    'every type that a program may name',
  );
  t.true(paths.includes('dist/wire/generated/volley.js'));
  t.true(paths.includes('dist/apps/primes/app.wasm'));
  const templates = filesUnder('src/templates').map(path => path.replace(/^src/, 'dist'));
  t.deepEqual(
    templates.filter(path => !paths.includes(path)),
    [],
    'every file of a template is there: npm leaves some names out',
  );
});

test('the package is small', async t => {
  const {size, unpackedSize} = await packed(t);
  t.log(`${Math.round(size / 1024)} KiB packed, ${Math.round(unpackedSize / 1024)} KiB unpacked`);
  t.true(size < PACKED_BYTES_MAX, `${size} bytes packed`);
  t.true(unpackedSize < UNPACKED_BYTES_MAX, `${unpackedSize} bytes unpacked`);
});

test('dependencies are pinned to one version', t => {
  for (const [name, range] of Object.entries(dependencies)) t.regex(range, /^\d+\.\d+\.\d+$/, name);
});

test('the installed package tells its version and its help', async t => {
  t.timeout(170_000);
  if (!(await isInstalled(t))) return t.pass();
  const npx = (...args: string[]) => runWell(t, installed, 'npx', '--no', '--', 'volley', ...args);
  t.true((await npx('--version')).stdout.includes(version));
  const help = (await npx('--help')).stdout;
  for (const word of ['demo', 'master', 'node', 'batch submit', 'capture', 'Exit codes'])
    t.true(help.includes(word), `--help names ${word}`);
  t.regex((await npx('demo', '--help')).stdout, /volley demo/);
});

test('the installed package makes a cluster with its built-in apps', async t => {
  t.timeout(170_000);
  if (!(await isInstalled(t))) return t.pass();
  const data = join(folder, 'cluster');
  const args = ['--no', '--', 'volley', 'init', '--json', '--data', data];
  await runWell(t, installed, 'npx', ...args);
  for (const file of ['cluster.json', 'offline.vault', 'apps/primes.app', 'apps/primes.wasm'])
    t.true(existsSync(join(data, file)), file);
});

test('LevelDB works without its install script', async t => {
  t.timeout(170_000);
  if (!(await isInstalled(t))) return t.pass();
  const program = `import {Level} from 'level';
    const db = new Level('./db');
    await db.put('a', 'b', {sync: true});
    console.log(await db.get('a'));
    await db.close();`;
  const ran = await runWell(t, installed, process.execPath, '--input-type=module', '-e', program);
  t.is(ran.stdout.trim(), 'b');
});
