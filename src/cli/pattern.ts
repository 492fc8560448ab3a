// File patterns for quoted arguments, where the shell did not expand them: `*` and `?` in a segment, `**`
// for any folders. (node:fs has glob only from Node 22 on.)

import type {Dirent} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';

/** Files in the order of their names; a path without `*` or `?` is itself. */
export async function expandPattern(pattern: string): Promise<readonly string[]> {
  if (!/[*?]/.test(pattern)) return [pattern];
  const segments = pattern.split('/').filter(segment => segment !== '');
  const found = await walk(pattern.startsWith('/') ? '/' : '', segments);
  if (found.length > 0) return found;
  const reason = 'no file matches the pattern';
  throw new VolleyError('VOLLEY_INPUT_MISSING', {path: pattern, reason});
}

async function walk(base: string, segments: readonly string[]): Promise<string[]> {
  const [segment = '', ...rest] = segments;
  if (segment === '**') return walkDeep(base, rest);
  if (!/[*?]/.test(segment) && rest.length > 0) return walk(join(base, segment), rest);
  const matcher = matcherOf(segment);
  const found: string[] = [];
  for (const entry of await entriesOf(base)) {
    if (!matcher.test(entry.name)) continue;
    const path = join(base, entry.name);
    if (rest.length > 0) found.push(...(await walk(path, rest)));
    else if (entry.isFile()) found.push(path);
  }
  return found;
}

/** `rest` in this folder and in all below; alone, `**` means all files. */
async function walkDeep(base: string, rest: readonly string[]): Promise<string[]> {
  const found = await walk(base, rest.length > 0 ? rest : ['*']);
  for (const entry of await entriesOf(base))
    if (entry.isDirectory() && !entry.name.startsWith('.'))
      found.push(...(await walkDeep(join(base, entry.name), rest)));
  return found;
}

async function entriesOf(base: string): Promise<Dirent[]> {
  // What cannot be looked into holds no match.
  const entries = await readdir(base === '' ? '.' : base, {withFileTypes: true}).catch(() => []);
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As a shell does, `*` does not match names that begin with a dot. */
function matcherOf(segment: string): RegExp {
  const source = segment
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${segment.startsWith('.') ? '' : '(?!\\.)'}${source}$`, 's');
}
