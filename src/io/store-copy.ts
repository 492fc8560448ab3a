// Looking at a store without touching it: who has it open, and a copy to look at. LevelDB changes a folder
// whenever it opens it, and a store that is damaged must stay as it is until somebody has decided.

import {constants, readdirSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import {copyFile, mkdir, mkdtemp, readdir, realpath, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {VolleyError} from '../base/errors.ts';

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

/** Rejects with VOLLEY_STORE_LOCKED when a process runs on it, VOLLEY_NOT_INITIALIZED when there is none. */
export async function checkIdle(store: string): Promise<void> {
  const names = await readdir(store).catch(() => undefined);
  if (!names?.some(name => name === 'CURRENT' || /\.(log|ldb|sst)$|^MANIFEST-/.test(name)))
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path: store, reason: 'there is no store'});
  if (holderOf(await realpath(store)) !== undefined)
    throw new VolleyError('VOLLEY_STORE_LOCKED', {path: store});
}

export const bytesOf = (store: string): number =>
  readdirSync(store).reduce((sum, name) => sum + statSync(join(store, name)).size, 0);

/**
 * A copy that may be opened and spoilt. Nothing is shared by links: LevelDB with a damaged MANIFEST gives
 * numbers out again and writes over tables that it holds for nobody's. The caller removes it.
 */
export async function copyStore(store: string, to: string): Promise<void> {
  await mkdir(to, {mode: 0o700});
  for (const name of await readdir(store))
    if (!LEFT_OUT.has(name))
      await copyFile(join(store, name), join(to, name), constants.COPYFILE_FICLONE);
}

/** Runs `act` on a throw-away copy beside the store, or in the temporary folder where that is not possible. */
export async function withCopy<T>(store: string, act: (copy: string) => Promise<T>): Promise<T> {
  const beside = join(dirname(store), `${basename(store)}.look-`);
  const folder = await mkdtemp(beside).catch(() => mkdtemp(join(tmpdir(), 'volley-store-')));
  try {
    const copy = join(folder, 'store');
    await copyStore(store, copy);
    return await act(copy);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}
