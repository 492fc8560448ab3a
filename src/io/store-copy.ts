// Looking at a store without touching it: who has it open, and a copy to look at. LevelDB changes a folder
// whenever it opens it, and a store that is damaged must stay as it is until somebody has decided.

import {constants, existsSync, readdirSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import {copyFile, mkdir, mkdtemp, readdir, realpath, rm, statfs} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {errnoOf} from './key-files.ts';

/** LevelDB makes these anew; a lock must not be shared and a log of another life only confuses. */
const LEFT_OUT = new Set(['LOCK', 'LOG', 'LOG.old']);

/**
 * Process that has the store open, 0 when it cannot be told which, undefined = nobody. LevelDB locks LOCK
 * with fcntl; asking the kernel's list leaves no trace, where opening the store would.
 */
export function holderOf(store: string): number | undefined {
  let inode: number;
  let locks: string;
  try {
    inode = statSync(join(store, 'LOCK')).ino;
    locks = readFileSync('/proc/locks', 'utf8');
  } catch {
    return undefined;
  }
  for (const line of locks.split('\n')) {
    // 1: POSIX  ADVISORY  WRITE 1234 fd:00:131 0 EOF
    const fields = line.trim().split(/\s+/);
    if (fields[1] !== 'POSIX' || fields[5]?.split(':')[2] !== String(inode)) continue;
    const pid = Number(fields[4]);
    if (isOpenIn(pid, join(store, 'LOCK'))) return pid > 0 ? pid : 0;
  }
  return undefined;
}

/** Another disk may have the same inode: the process must have this very file open. */
function isOpenIn(pid: number, path: string): boolean {
  try {
    const {dev, ino} = statSync(path);
    return readdirSync(`/proc/${pid}/fd`).some(fd => {
      try {
        readlinkSync(`/proc/${pid}/fd/${fd}`);
        const open = statSync(`/proc/${pid}/fd/${fd}`);
        return open.ino === ino && open.dev === dev;
      } catch {
        return false;
      }
    });
  } catch {
    return true; // another user's process, or one outside of this container
  }
}

/** Rejects with VOLLEY_STORE_LOCKED when a process runs on it, VOLLEY_INPUT_MISSING when there is none. */
export async function checkIdle(store: string): Promise<void> {
  const names = await readdir(store).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw denied(store, error);
  });
  if (!names.some(name => name === 'CURRENT' || /\.(log|ldb|sst)$|^MANIFEST-/.test(name)))
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path: store, reason: 'there is no store'});
  if (holderOf(await realpath(store)) !== undefined) throw inUse(store);
}

const inUse = (path: string): VolleyError => new VolleyError('VOLLEY_STORE_LOCKED', {path});

function denied(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno !== 'EACCES' && errno !== 'EPERM' && errno !== 'EROFS') return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new VolleyError('VOLLEY_NO_PERMISSION', {what: path, reason}, error);
}

export const bytesOf = (store: string): number =>
  readdirSync(store).reduce((sum, name) => sum + statSync(join(store, name)).size, 0);

/** Changes when any process writes to the store, or only opens it. */
function lookOf(store: string): string {
  return readdirSync(store)
    .filter(name => !LEFT_OUT.has(name))
    .sort()
    .map(name => {
      const {size, mtimeMs, ino} = statSync(join(store, name));
      return `${name} ${size} ${mtimeMs} ${ino}`;
    })
    .join('\n');
}

/**
 * A copy that may be opened and spoilt. Nothing is shared by links: LevelDB with a damaged MANIFEST gives
 * numbers out again and writes over tables that it holds for nobody's.
 */
async function copyStore(store: string, to: string): Promise<void> {
  await mkdir(to, {mode: 0o700});
  for (const name of await readdir(store))
    if (!LEFT_OUT.has(name))
      await copyFile(join(store, name), join(to, name), constants.COPYFILE_FICLONE);
}

/** A folder that is there for one look at a store. */
export type Look = {
  /** Where more may be written; beside the store unless that was not possible. */
  readonly folder: string;
  readonly copy: string;
  /** Rejects with VOLLEY_STORE_LOCKED when somebody has used the store since it was copied. */
  readonly checkStill: () => Promise<void>;
};

export type LookOptions = {
  /** Room that is needed, as a multiple of the store's size; 1 = the copy alone. */
  readonly room: number;
  /** The folder must be beside the store: what is made in it shall take its place. */
  readonly isBeside: boolean;
  /** For the message when there is too little room. */
  readonly what: string;
};

/** Runs `act` on a throw-away copy beside the store, or in the temporary folder where that is not possible. */
export async function withCopy<T>(
  store: string,
  options: LookOptions,
  act: (look: Look) => Promise<T>,
): Promise<T> {
  await checkIdle(store);
  const folder = await folderFor(store, options);
  try {
    const copy = join(folder, 'store');
    const before = lookOf(store);
    await copyStore(store, copy).catch((error: unknown) => {
      throw denied(store, error);
    });
    const checkStill = async (): Promise<void> => {
      await checkIdle(store);
      if (lookOf(store) !== before) throw inUse(store);
    };
    await checkStill();
    return await act({folder, copy, checkStill});
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

async function folderFor(store: string, {room, isBeside, what}: LookOptions): Promise<string> {
  const floor = Math.ceil(room * bytesOf(store));
  const beside = dirname(store);
  const places = isBeside ? [beside] : [beside, tmpdir()];
  let failure: unknown;
  for (const place of places) {
    const {bavail, bsize} = await statfs(place);
    const free = bavail * bsize;
    if (free < floor)
      failure ??= new VolleyError('VOLLEY_NO_SPACE', {path: place, free, floor, what});
    else
      try {
        const name = place === beside ? `${basename(store)}.look-` : 'volley-store-';
        return await mkdtemp(join(place, name));
      } catch (error) {
        failure ??= denied(place, error);
      }
  }
  throw failure;
}

const KEPT = '.damaged-';

/** Where a damaged store is kept beside the one that was made of it. @param stamp when */
export const keptPath = (store: string, stamp: string): string =>
  freeName(`${store}${KEPT}${stamp}`);

/** Names of damaged stores that are kept beside this one. */
export const keptStores = (store: string): string[] =>
  readdirSync(dirname(store)).filter(name => name.startsWith(`${basename(store)}${KEPT}`));

/** `path`, or `path-2`, `path-3` … when that is taken. */
export function freeName(path: string): string {
  for (let no = 1; ; no++) {
    const name = no === 1 ? path : `${path}-${no}`;
    if (!existsSync(name)) return name;
  }
}
