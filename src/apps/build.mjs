// Builds every app of this folder into dist/apps/<name>/{app.json, app.wasm}: `node src/apps/build.mjs`.
// AssemblyScript is deterministic: the same sources, options and compiler give the same bytes, so an
// app has the same name (its hash) wherever it was built. What is up to date is left alone.

import {createHash} from 'node:crypto';
import {mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');
const PAGES_PER_MIB = 16;

const optionsOf = (name, memoryMib) => [
  `src/apps/${name}/main.ts`,
  '--outFile', 'app.wasm',
  '--optimizeLevel', '3',
  '--noAssert',
  '--runtime', 'stub',
  '--use', 'abort=src/apps/lib/wasi/abort',
  '--maximumMemory', String(memoryMib * PAGES_PER_MIB),
];

const readIfThere = path => {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Never half a file: another build or a test may be reading. */
const replace = (path, bytes) => {
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, bytes);
  renameSync(part, path);
};

const appFolders = () =>
  readdirSync(HERE, {withFileTypes: true})
    .filter(entry => entry.isDirectory() && entry.name !== 'lib')
    .map(entry => entry.name)
    .sort();

/** Hash of all that decides the bytes of an app. */
function stampOf(name, options) {
  const compiler = createRequire(import.meta.url)('assemblyscript/package.json').version;
  const hash = createHash('sha256').update(JSON.stringify([compiler, options]));
  for (const folder of [name, 'lib'])
    for (const file of readdirSync(join(HERE, folder)).sort())
      hash.update(`${folder}/${file}\0`).update(readFileSync(join(HERE, folder, file)));
  return hash.digest('hex');
}

async function compile(options) {
  const {default: asc} = await import('assemblyscript/asc');
  let wasm;
  const {error, stderr} = await asc.main([...options, '--baseDir', ROOT], {
    readFile: (file, base) => readIfThere(resolve(base, file))?.toString('utf8') ?? null,
    writeFile: (_file, bytes) => {
      wasm = bytes;
    },
    listFiles: () => null,
  });
  if (error !== null || wasm === undefined) throw new Error(`${error?.message}\n${stderr}`);
  return wasm;
}

/**
 * @param {string} out folder that gets one folder for each app
 * @returns {Promise<string[]>} names of the apps that were built anew
 */
export async function buildApps(out = join(ROOT, 'dist/apps')) {
  const built = [];
  for (const name of appFolders()) {
    const manifest = readFileSync(join(HERE, name, 'app.json'));
    const options = optionsOf(name, JSON.parse(manifest.toString('utf8')).limits.memoryMib);
    const folder = join(out, name);
    const stamp = stampOf(name, options);
    const upToDate = readIfThere(join(folder, '.stamp'))?.toString('utf8') === stamp;
    if (upToDate && readIfThere(join(folder, 'app.wasm')) !== undefined) continue;
    const wasm = await compile(options);
    mkdirSync(folder, {recursive: true});
    replace(join(folder, 'app.wasm'), wasm);
    replace(join(folder, 'app.json'), manifest);
    replace(join(folder, '.stamp'), stamp);
    built.push(`${name} (${wasm.length} bytes)`);
  }
  return built;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildApps(process.argv[2] === undefined ? undefined : resolve(process.argv[2]));
  console.log(built.length === 0 ? 'apps: up to date' : `apps: ${built.join(', ')}`);
}
