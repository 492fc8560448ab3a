// Reads the folder of an app as its author wrote it, app.json and the module or files beside it, and makes the
// manifest that `volley app publish` signs. Everything a node would refuse later is refused here, by name.

import {createHash} from 'node:crypto';
import {access, readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {asBlobId} from '../base/types.ts';
import {type AppManifest, decodeManifest, encodeManifest} from '../core/app.ts';
import {type BodyBlob, orderedBody} from '../core/app-bodies.ts';
import {decodeJson} from '../core/tables.ts';
import {inspectWasm, PAGES_PER_MIB} from '../core/wasm.ts';
import {APP_MANIFEST_BYTES_MAX, WASM_BYTES_MAX} from '../wire/limits.ts';
import {packFiles} from './app-bundle.ts';
import {bundleApp} from './js-bundle.ts';
import {refusalOf} from './js-check.ts';

const FIELDS = [
  'name',
  'version',
  'description',
  'runtime',
  'module',
  'action',
  'files',
  'image',
  'command',
  'limits',
  'sandboxLevel',
  'reduces',
];
/** A file of the folder itself. */
const MODULE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.wasm$/;
const SCRIPT_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.(ts|mts|js|mjs)$/;

type Fields = Readonly<Record<string, unknown>>;

export type AppFolder = {
  readonly manifest: AppManifest;
  /** wasm: as the author built it; js: one script of all its modules; exec: its packed files. undefined = none. */
  readonly module: Uint8Array | undefined;
};

/** Throws VOLLEY_INPUT_MISSING for a file that cannot be read, VOLLEY_BAD_APP for what it says. */
export async function readAppFolder(folder: string): Promise<AppFolder> {
  const path = join(folder, 'app.json');
  const fields = decodeJson(await readWhole(path, APP_MANIFEST_BYTES_MAX));
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw bad(`${path} is not a JSON object`);
  const stray = Object.keys(fields).find(name => !FIELDS.includes(name));
  if (stray !== undefined)
    throw bad(`${path} has the unknown field "${stray}"; known are ${FIELDS.join(', ')}`);
  const {module: moduleName, files, ...rest} = fields as Fields;
  if (files !== undefined && rest['runtime'] !== 'exec')
    throw bad(`${path}: "files" goes with the runtime "exec"`);
  if (rest['runtime'] === 'js') return readScript(folder, path, moduleName, rest);
  if (rest['runtime'] !== 'wasm') {
    if (moduleName !== undefined)
      throw bad(`${path}: "module" goes with the runtimes "wasm" and "js"`);
    return files === undefined
      ? {manifest: checked(path, rest), module: undefined}
      : withFiles(folder, path, rest, files);
  }
  if (typeof moduleName !== 'string' || !MODULE_NAME.test(moduleName))
    throw bad(`${path}: "module" must name a .wasm file of the folder`);
  const modulePath = join(folder, moduleName);
  const module = await readWhole(modulePath, WASM_BYTES_MAX);
  const manifest = checked(path, {...rest, wasm: blobOf(module)});
  const seen = inspectWasm(module, manifest.limits.memoryMib * PAGES_PER_MIB);
  if (seen.kind === 'refused') throw bad(`${modulePath}: ${seen.reason}`);
  return {manifest, module};
}

async function readScript(
  folder: string,
  path: string,
  moduleName: unknown,
  rest: Fields,
): Promise<AppFolder> {
  if (typeof moduleName !== 'string' || !SCRIPT_NAME.test(moduleName))
    throw bad(`${path}: "module" must name a .ts, .mts, .js or .mjs file of the folder`);
  const modulePath = join(folder, moduleName);
  await reading(modulePath, () => access(modulePath));
  const module = await bundleApp(folder, moduleName);
  const manifest = checked(path, {...rest, js: blobOf(module)});
  const reason = await refusalOf(module, manifest.limits.memoryMib);
  if (reason !== '') throw bad(`${modulePath}: ${reason}`);
  return {manifest, module};
}

const blobOf = (bytes: Uint8Array): BodyBlob => ({
  blobId: asBlobId(createHash('sha256').update(bytes).digest('hex')),
  size: bytes.length,
});

async function withFiles(folder: string, path: string, rest: Fields, files: unknown) {
  if (!Array.isArray(files) || files.some(name => typeof name !== 'string'))
    throw bad(`${path}: "files" must be a list of files of the folder`);
  // What is wrong with the rest is said before anything is read.
  checked(path, rest);
  const module = await packFiles(folder, files as string[]);
  return {manifest: checked(path, {...rest, bundle: blobOf(module)}), module};
}

/** In one order of fields, so that the same app always has the same bytes. */
function checked(path: string, fields: Fields): AppManifest {
  const {name, version, description = '', runtime, ...rest} = fields;
  const draft = {format: 1, name, version, description, runtime, ...rest};
  const manifest = decodeManifest(encodeManifest(draft as AppManifest));
  if ('reason' in manifest) throw bad(`${path}: ${manifest.reason}`);
  const {limits} = manifest;
  const {timeSeconds, memoryMib, outputBytes} = limits;
  return {
    format: 1,
    name: manifest.name,
    version: manifest.version,
    description: manifest.description,
    runtime: manifest.runtime,
    ...orderedBody(manifest),
    ...(manifest.reduces ? {reduces: manifest.reduces} : {}),
    limits: {timeSeconds, memoryMib, outputBytes},
  };
}

async function readWhole(path: string, sizeMax: number): Promise<Uint8Array> {
  // Looked at first: a device or a huge file is not read into memory.
  const size = await reading(path, async () => (await stat(path)).size);
  if (size > sizeMax) throw new VolleyError('VOLLEY_TOO_LARGE', {what: path, size, limit: sizeMax});
  return reading(path, async () => new Uint8Array(await readFile(path)));
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason}, error);
  }
}

const bad = (reason: string): VolleyError => new VolleyError('VOLLEY_BAD_APP', {reason});
