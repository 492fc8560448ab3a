// Why LevelDB did not open, in words that say what to do. It has three codes only, so for I/O
// errors we look at the folder ourselves rather than at the text of the message.

import {access, constants, readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';

/** What to do about a damaged store, for whoever reads the last line of a log. */
export const DAMAGE_ADVICE =
  '`volley doctor --store` names all of it, `volley recover` saves what can be saved';

/** @param error what mkdir, LevelDB's open or fsync of the folder threw */
export async function openFailure(path: string, error: unknown): Promise<VolleyError> {
  if (error instanceof VolleyError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  switch ((cause as {code?: unknown}).code) {
    case 'LEVEL_LOCKED':
      return new VolleyError('VOLLEY_STORE_LOCKED', {path}, error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new VolleyError('VOLLEY_NO_PERMISSION', {what: path, reason}, error);
    case 'LEVEL_CORRUPTION':
      return new VolleyError('VOLLEY_STORE_DAMAGED', {reason: damageAdvice(path, reason)}, error);
    case 'LEVEL_IO_ERROR':
      return await ioFailure(path, reason, error);
    default:
      return new VolleyError('VOLLEY_STORE_FAILED', {reason: `${path}: ${reason}`}, error);
  }
}

async function ioFailure(path: string, reason: string, error: unknown): Promise<VolleyError> {
  const denied = await findDenied(path);
  if (denied !== undefined)
    return new VolleyError(
      'VOLLEY_NO_PERMISSION',
      {what: denied, reason: 'it belongs to another user, or cannot be written'},
      error,
    );
  return (await namesLostManifest(path))
    ? new VolleyError('VOLLEY_STORE_DAMAGED', {reason: damageAdvice(path, reason)}, error)
    : new VolleyError(
        'VOLLEY_STORE_FAILED',
        {reason: `${path}: ${reason}; check the disk and its free space`},
        error,
      );
}

/**
 * LevelDB takes a folder without CURRENT for a new one, and removes the tables in it: they would be lost that
 * `volley recover` saves. It writes CURRENT before the first of these files, so a new store is not meant.
 */
export async function checkCurrent(path: string): Promise<void> {
  const names = await readdir(path);
  if (names.includes('CURRENT') || !names.some(isOfData)) return;
  const reason = damageAdvice(path, 'CURRENT is missing, what it belongs to is there');
  throw new VolleyError('VOLLEY_STORE_DAMAGED', {reason});
}

/** A table or a log of LevelDB. */
export const isOfData = (name: string): boolean => /\.(ldb|sst|log)$/.test(name);

/** CURRENT names the file that everything hangs on; LevelDB calls its absence an I/O error. */
async function namesLostManifest(path: string): Promise<boolean> {
  try {
    const manifest = await readFile(join(path, 'CURRENT'), 'utf8');
    const names = await readdir(path);
    return !names.includes(manifest.trim());
  } catch {
    return false;
  }
}

const damageAdvice = (path: string, reason: string): string =>
  `${path}: ${reason}; ${DAMAGE_ADVICE}`;

/** The folder itself or the first file in it that we may not read and write. */
async function findDenied(path: string): Promise<string | undefined> {
  const names = await readdir(path).catch((): string[] => []);
  for (const candidate of [path, ...names.map(name => join(path, name))]) {
    try {
      await access(candidate, constants.R_OK | constants.W_OK);
    } catch (error) {
      if ((error as {code?: unknown}).code !== 'ENOENT') return candidate;
    }
  }
  return undefined;
}
