import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {builtInAppsDirectory} from './built-in-apps.ts';

/** Throws before anything is made when the built-in apps have not been compiled yet. */
export function checkBuiltInApps(): void {
  const path = builtInAppsDirectory();
  const isApp = (name: string): boolean => existsSync(join(path, name, 'app.json'));
  if (existsSync(path) && readdirSync(path).some(isApp)) return;
  const reason = 'the built-in apps are not there; run `npm run build` first';
  throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason});
}
