// What lies in the repository: few names at its top, and text only.

import {execFileSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {ROOT} from './source.ts';

/** What git has, or undefined in a copy without its history. */
export function trackedFiles(): readonly string[] | undefined {
  if (!existsSync(join(ROOT, '.git'))) return undefined;
  const list = execFileSync('git', ['ls-files', '-z'], {cwd: ROOT, encoding: 'utf8'});
  return list.split('\0').filter(path => path !== '' && existsSync(join(ROOT, path)));
}

const TOP_LEVEL = new Set([
  'src',
  'proto',
  'test',
  'deploy',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'README.md',
  'LICENSE',
]);

export const strangersAtTop = (paths: readonly string[]): readonly string[] => [
  ...new Set(
    paths
      .map(path => path.split('/')[0] ?? '')
      .filter(name => !name.startsWith('.') && !TOP_LEVEL.has(name)),
  ),
];

/** Built or drawn: made by the build or by a test, never kept. */
export const isBinary = (path: string, bytes: Uint8Array): boolean =>
  /\.(wasm|png|jpe?g|gif|zip|gz|tgz|ico|pdf)$/i.test(path) || bytes.includes(0);
