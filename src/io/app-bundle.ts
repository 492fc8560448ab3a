// The files of an exec app on disk: read from the folder of their author to be packed, and unpacked at a node for
// the program that its owner allowed. An unpacked folder is for reading only and is held against the blob before
// each run, since a program of the owner's account could have changed it all the same. All of them are gone
// with the process, so nothing of an earlier life is believed.

import {randomBytes} from 'node:crypto';
import {chmodSync, constants, lstatSync, readdirSync, rmSync} from 'node:fs';
import {chmod, lstat, mkdir, open, readdir, readFile, realpath, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {equalBytes} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import {type BundleFile, decodeBundle, encodeBundle, faultOfPaths} from '../core/app-bundle.ts';
import {BUNDLE_BYTES_MAX} from '../wire/limits.ts';
import {diskFailure} from './blob-store.ts';

/** Folders kept beside those in which something runs. */
const FOLDERS_MAX = 16;
/** Programs among the files may be run; nothing may be changed. */
const READ_ONLY = 0o555;

/** The files that app.json names, packed. Throws VOLLEY_BAD_APP, VOLLEY_TOO_LARGE or VOLLEY_INPUT_MISSING. */
export async function packFiles(folder: string, names: readonly string[]): Promise<Uint8Array> {
  const paths = [...names].sort();
  const fault = faultOfPaths(paths);
  if (fault !== undefined) throw new VolleyError('VOLLEY_BAD_APP', {reason: `"files": ${fault}`});
  const files: BundleFile[] = [];
  let size = 0;
  for (const path of paths) {
    const bytes = await readPlain(folder, path, BUNDLE_BYTES_MAX - size);
    size += bytes.length;
    files.push({path, bytes});
  }
  const blob = encodeBundle(files);
  if (blob.length > BUNDLE_BYTES_MAX) throw tooLarge(folder, blob.length);
  return blob;
}

/** Neither the file nor a folder on the way to it may be a link: what is signed lies in the folder. */
async function readPlain(folder: string, path: string, sizeMax: number): Promise<Uint8Array> {
  const whole = join(folder, path);
  try {
    if ((await realpath(whole)) !== join(await realpath(folder), path))
      throw new VolleyError('VOLLEY_BAD_APP', {reason: `${whole} is a link, or lies behind one`});
    // A pipe that is opened for reading waits for its writer.
    const file = await open(
      whole,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    try {
      const stat = await file.stat();
      if (!stat.isFile())
        throw new VolleyError('VOLLEY_BAD_APP', {reason: `${whole} is not a file`});
      if (stat.size > sizeMax) throw tooLarge(folder, BUNDLE_BYTES_MAX - sizeMax + stat.size);
      return new Uint8Array(await file.readFile());
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof VolleyError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path: whole, reason}, error);
  }
}

const tooLarge = (folder: string, size: number): VolleyError =>
  new VolleyError('VOLLEY_TOO_LARGE', {
    what: `what "files" of ${folder} names`,
    size,
    limit: BUNDLE_BYTES_MAX,
  });

export class BundleFolders {
  readonly #dir: string;
  readonly #isUsed: (folder: string) => boolean;
  /** The one used longest ago first. */
  readonly #folders = new Map<BlobId, Promise<string>>();
  /** Not to be used again, and perhaps in use. */
  readonly #old = new Set<string>();

  /** @param dir its content goes; @param isUsed does something run in this folder? */
  constructor(dir: string, isUsed: (folder: string) => boolean) {
    this.#dir = dir;
    this.#isUsed = isUsed;
    removeTree(dir);
  }

  /** Where these files are, as they are in the blob. The caller has checked its hash. */
  async folderOf(blobId: BlobId, blob: Uint8Array): Promise<string> {
    const opened = decodeBundle(blob);
    if (opened.kind === 'refused') throw new Error(opened.reason);
    const {files} = opened;
    const known = this.#folders.get(blobId);
    const folder = known === undefined ? this.#unpack(blobId, files) : this.#look(known, files);
    this.#folders.delete(blobId);
    this.#folders.set(blobId, folder);
    try {
      return await folder;
    } catch (error) {
      if (this.#folders.get(blobId) === folder) this.#folders.delete(blobId);
      throw error;
    } finally {
      await this.#tidy();
    }
  }

  /** No program runs any more. */
  close(): void {
    removeTree(this.#dir);
  }

  /** The folder, or a new one where it is no longer what it was. */
  async #look(known: Promise<string>, files: readonly BundleFile[]): Promise<string> {
    const folder = await known;
    if (await isWhole(folder, files)) return folder;
    this.#old.add(folder);
    return this.#unpack(folder.slice(this.#dir.length + 1), files);
  }

  async #unpack(name: string, files: readonly BundleFile[]): Promise<string> {
    const folder = join(this.#dir, `${name.slice(0, 16)}-${randomBytes(4).toString('hex')}`);
    try {
      await write(folder, files);
      return folder;
    } catch (error) {
      this.#old.add(folder);
      throw diskFailure(this.#dir, error);
    }
  }

  async #tidy(): Promise<void> {
    for (const [blobId, folder] of this.#folders) {
      if (this.#folders.size <= FOLDERS_MAX) break;
      this.#folders.delete(blobId);
      await folder.then(
        one => this.#old.add(one),
        () => {}, // whoever waits for it is told
      );
    }
    for (const folder of this.#old) {
      if (this.#isUsed(folder)) continue;
      this.#old.delete(folder);
      removeTree(folder);
    }
  }
}

/** Of paths that were checked, into a folder that is new: there is no link to follow. */
async function write(folder: string, files: readonly BundleFile[]): Promise<void> {
  const folders = [folder, ...files.map(({path}) => join(folder, dirname(path)))];
  for (const one of folders) await mkdir(one, {recursive: true, mode: 0o700});
  for (const {path, bytes} of files) {
    const file = join(folder, path);
    await writeFile(file, bytes, {flag: 'wx', mode: 0o700});
    await chmod(file, READ_ONLY);
  }
  for (const one of await foldersIn(folder)) await chmod(one, READ_ONLY);
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, {withFileTypes: true, recursive: true});
  const inner = entries.filter(entry => entry.isDirectory());
  return [folder, ...inner.map(entry => join(entry.parentPath, entry.name))];
}

/** Are these files there, with these bytes, and nothing else? */
async function isWhole(folder: string, files: readonly BundleFile[]): Promise<boolean> {
  try {
    const entries = await readdir(folder, {withFileTypes: true, recursive: true});
    const others = entries.filter(entry => !entry.isDirectory());
    if (others.length !== files.length) return false;
    for (const {path, bytes} of files) {
      const file = join(folder, path);
      const stat = await lstat(file);
      if (!stat.isFile() || stat.size !== bytes.length) return false;
      if (!equalBytes(new Uint8Array(await readFile(file)), bytes)) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** With folders that nobody may write to. Nothing of it is followed out of the folder. */
function removeTree(folder: string): void {
  const open = (dir: string): void => {
    if (!lstatSync(dir, {throwIfNoEntry: false})?.isDirectory()) return;
    chmodSync(dir, 0o700);
    for (const entry of readdirSync(dir, {withFileTypes: true}))
      if (entry.isDirectory()) open(join(dir, entry.name));
  };
  open(folder);
  rmSync(folder, {recursive: true, force: true});
}
