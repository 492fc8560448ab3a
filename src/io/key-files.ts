// Files that hold secrets. Folders are 0700, secret files 0600 whatever the umask says; a file is
// written beside its place, synced and moved there, so that a power cut leaves the old file or the
// new one. A secret that others can read, or that another user put there, is refused: a key that
// leaked is no key.

import {createHash, randomBytes} from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {fromUtf8, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {KIB} from '../base/units.ts';

export const SECRET_FILE_MODE = 0o600;
export const PUBLIC_FILE_MODE = 0o644;
const SECRET_DIRECTORY_MODE = 0o700;
const FILE_BYTES_MAX = 64 * KIB;
const KEY_FILE_FORMAT = 1;

/** Key file fields, by name. */
export type KeyFields = Readonly<Record<string, Uint8Array>>;

/** The errno of a failed system call, '' for any other error. */
export const errnoOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

/** Is there a process of this id, ours or another's? */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

const isPosix = process.getuid !== undefined;
const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, '0');

/**
 * Makes the folder with mode 0700 (and those above it, as the umask wants them), or checks one that is
 * there: it must be ours, and nobody else may put files into it.
 */
export function makeSecretDirectory(path: string): void {
  try {
    mkdirSync(dirname(path), {recursive: true});
    mkdirSync(path, {mode: SECRET_DIRECTORY_MODE});
    // mkdir's mode is cut by the umask; chmod's is not
    chmodSync(path, SECRET_DIRECTORY_MODE);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw noPermission(`the folder ${path}`, error);
  }
  const found = statOf(path);
  if (!found.isDirectory()) {
    throw new VolleyError('VOLLEY_NO_PERMISSION', {what: path, reason: 'it is not a folder'});
  }
  checkOwner(path, found.uid);
  if (isPosix && (found.mode & 0o022) !== 0) {
    throw new VolleyError('VOLLEY_KEY_EXPOSED', {path, mode: octal(found.mode), wanted: '700'});
  }
}

/**
 * Before anything of a role is opened: its folder is 0700 and ours, its secret files are 0600 and ours. What
 * is below the folder is behind it, whatever modes it has.
 *
 * @param secrets names of files in the folder; those that are not there are no fault
 */
export function checkSecretFolder(path: string, secrets: readonly string[]): void {
  if (!isPosix) return;
  const checked = [
    {path, allowed: SECRET_DIRECTORY_MODE},
    ...secrets.map(name => ({path: join(path, name), allowed: SECRET_FILE_MODE})),
  ];
  for (const {path: each, allowed} of checked) {
    const found = statSync(each, {throwIfNoEntry: false});
    if (found === undefined) continue;
    checkOwner(each, found.uid);
    if ((found.mode & 0o777 & ~allowed & 0o077) !== 0)
      throw new VolleyError('VOLLEY_KEY_EXPOSED', {
        path: each,
        mode: octal(found.mode),
        wanted: octal(allowed),
      });
  }
}

/** What is in the way of a folder may be a file of its path. */
function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw noPermission(`the folder ${path}`, error);
  }
}

/** Makes the names in a folder durable: a rename is on disk only when its folder is. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes the whole file durably, or leaves what was there.
 * @param ifAbsent true: a file that is there stays as it is, and the answer is false
 */
export function writeDurably(
  path: string,
  bytes: Uint8Array,
  mode: number,
  ifAbsent = false,
): boolean {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    writeSynced(draft, bytes, mode);
    // link refuses a name that is taken, rename replaces it: each in one step
    if (ifAbsent) linkSync(draft, path);
    else renameSync(draft, path);
    syncDirectory(dirname(path));
    return true;
  } catch (error) {
    if (ifAbsent && errnoOf(error) === 'EEXIST') return false;
    throw noPermission(`writing ${path}`, error);
  } finally {
    rmSync(draft, {force: true});
  }
}

function writeSynced(path: string, bytes: Uint8Array, mode: number): void {
  const fd = openSync(path, 'wx', mode);
  try {
    fchmodSync(fd, mode);
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Bytes of a file that only we may read, or undefined when there is none. */
export const readSecret = (path: string): Uint8Array | undefined =>
  readChecked(path, 0o077, process.geteuid?.());

/** Bytes of a file that only we or root may write, or undefined when there is none. */
export const readOwned = (path: string): Uint8Array | undefined => readChecked(path, 0o022, 0);

function readChecked(
  path: string,
  forbiddenMode: number,
  otherOwner: number | undefined,
): Uint8Array | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw noPermission(`reading ${path}`, error);
  }
  try {
    // asked of the open file, so that it cannot be exchanged between the look and the read
    const found = fstatSync(fd);
    if (found.uid !== otherOwner) checkOwner(path, found.uid);
    if (isPosix && (found.mode & forbiddenMode) !== 0) {
      throw new VolleyError('VOLLEY_KEY_EXPOSED', {path, mode: octal(found.mode), wanted: '600'});
    }
    if (!found.isFile()) throw damaged(path, 'it is not a file');
    if (found.size > FILE_BYTES_MAX) throw damaged(path, `it is ${found.size} bytes long`);
    return new Uint8Array(readFileSync(fd));
  } finally {
    closeSync(fd);
  }
}

function checkOwner(path: string, uid: number): void {
  if (!isPosix || uid === process.geteuid?.()) return;
  throw new VolleyError('VOLLEY_NO_PERMISSION', {
    what: path,
    reason: `it belongs to user id ${uid}, not to us`,
  });
}

/** Fields as JSON text, with a checksum: a flipped bit in a key must not become another key. */
export function encodeKeyFile(kind: string, fields: KeyFields): Uint8Array {
  const texts = Object.entries(fields).map(([name, bytes]): [string, string] => [
    name,
    Buffer.from(bytes).toString('base64'),
  ]);
  const file = {
    format: KEY_FILE_FORMAT,
    kind,
    ...Object.fromEntries(texts),
    sum: sumOf(kind, texts),
  };
  return toUtf8(`${JSON.stringify(file, undefined, 2)}\n`);
}

export function writeKeyFile(path: string, kind: string, fields: KeyFields): void {
  writeDurably(path, encodeKeyFile(kind, fields), SECRET_FILE_MODE);
}

/**
 * The fields of a key file, or undefined when there is none.
 * @param lengths name and length in bytes of each field; 0 = any length
 */
export function readKeyFile<Name extends string>(
  path: string,
  kind: string,
  lengths: Readonly<Record<Name, number>>,
): Readonly<Record<Name, Uint8Array>> | undefined {
  const bytes = readSecret(path);
  if (bytes === undefined) return undefined;
  const file = parseObject(path, bytes);
  if (file['kind'] !== kind) throw damaged(path, `it is not a "${kind}" file`);
  if (file['format'] !== KEY_FILE_FORMAT) {
    throw damaged(path, `format ${String(file['format'])} is not known to this version`);
  }
  const texts: [string, string][] = [];
  const fields = {} as Record<Name, Uint8Array>;
  for (const name of Object.keys(lengths) as Name[]) {
    const text = file[name];
    if (typeof text !== 'string') throw damaged(path, `it has no "${name}"`);
    texts.push([name, text]);
    fields[name] = new Uint8Array(Buffer.from(text, 'base64'));
  }
  if (file['sum'] !== sumOf(kind, texts)) throw damaged(path, 'its checksum does not fit');
  for (const name of Object.keys(lengths) as Name[]) {
    const wanted = lengths[name];
    if (wanted !== 0 && fields[name].length !== wanted) {
      throw damaged(path, `"${name}" is not ${wanted} bytes long`);
    }
  }
  return fields;
}

/** The JSON object in `bytes`; anything else is VOLLEY_KEY_DAMAGED. */
export function parseObject(path: string, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes) ?? '');
  } catch (error) {
    throw damaged(path, 'it is not JSON', error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged(path, 'it is not a JSON object');
  }
  return value as Record<string, unknown>;
}

export const damaged = (path: string, reason: string, cause?: unknown): VolleyError =>
  new VolleyError('VOLLEY_KEY_DAMAGED', {path, reason}, cause);

/** What a failed system call on a path of ours means to the operator. */
export const noPermission = (what: string, error: unknown): VolleyError =>
  error instanceof VolleyError
    ? error
    : new VolleyError(
        'VOLLEY_NO_PERMISSION',
        {what, reason: error instanceof Error ? error.message : String(error)},
        error,
      );

/** In the order of the names, so that readers need not know the order of writing. */
function sumOf(kind: string, texts: readonly [string, string][]): string {
  const sorted = [...texts].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([kind, sorted]))
    .digest('hex')
    .slice(0, 16);
}
