// `preferences.json` in a node's folder: what its owner wants it to be careful with. Wrong at the start is an
// error; wrong later on changes nothing, is noted, and stands in the node's status until it is mended.

import {statSync} from 'node:fs';
import {join} from 'node:path';
import {fromUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {checkPreferences, isFault, type Preferences} from '../core/preferences.ts';
import {readOwned} from './key-files.ts';

export const preferencesPath = (dir: string): string => join(dir, 'preferences.json');

/** All defaults when there is no file. Throws VOLLEY_BAD_CONFIG. */
export function readPreferences(dir: string): Preferences {
  const path = preferencesPath(dir);
  const refuse = (reason: string, cause?: unknown): never => {
    throw new VolleyError('VOLLEY_BAD_CONFIG', {path, reason}, cause);
  };
  let value: unknown;
  try {
    const bytes = readOwned(path);
    if (bytes === undefined) return {};
    value = JSON.parse(fromUtf8(bytes) ?? refuse('it is not UTF-8'));
  } catch (error) {
    if (error instanceof VolleyError && error.code === 'VOLLEY_BAD_CONFIG') throw error;
    const exposed = error instanceof VolleyError && error.code === 'VOLLEY_KEY_EXPOSED';
    const mode = `others can write it; run \`chmod 600 ${path}\``;
    return refuse(exposed ? mode : messageOf(error), error);
  }
  const checked = checkPreferences(value);
  return isFault(checked) ? refuse(checked.fault) : checked;
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** The file, looked at again and again: a look is one stat while nothing changes. */
export class PreferencesFile {
  readonly #dir: string;
  #seen: string;
  #now: Preferences;
  #fault: string | undefined;

  /** Throws VOLLEY_BAD_CONFIG. */
  constructor(dir: string) {
    this.#dir = dir;
    this.#seen = this.#signature();
    this.#now = readPreferences(dir);
  }

  get preferences(): Preferences {
    return this.#now;
  }

  /** Why what is there now is not taken; undefined = it is. */
  get fault(): string | undefined {
    return this.#fault;
  }

  #signature(): string {
    const found = statSync(preferencesPath(this.#dir), {throwIfNoEntry: false});
    return found ? `${found.ino} ${found.size} ${found.mtimeMs} ${found.mode}` : '';
  }

  /** The new preferences if they have changed; the fault if what is there now makes no sense. */
  look(): Preferences | VolleyError | undefined {
    const signature = this.#signature();
    if (signature === this.#seen) return undefined;
    this.#seen = signature;
    this.#fault = undefined;
    try {
      this.#now = readPreferences(this.#dir);
      return this.#now;
    } catch (error) {
      if (!(error instanceof VolleyError)) throw error;
      this.#fault = String(error.fields['reason'] ?? error.message);
      return error;
    }
  }
}
