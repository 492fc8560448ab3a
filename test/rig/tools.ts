// Programs that some tests need and that a machine may not have: taken from Debian's packages without
// installing anything, and kept outside of the repository. Where that cannot be, a reason says why.

import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';

const CACHE =
  process.env['VOLLEY_TOOLS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'volley-tools');
const FETCH_MS_MAX = 120_000;

export type Tool = {readonly path: string} | {readonly reason: string};

/** Hundreds of megabytes are fetched only where somebody has asked for them. */
const mayFetchMuch =
  process.env['VOLLEY_TOOLS'] !== undefined || process.env['VOLLEY_NIGHTLY'] === '1';
const NOT_ASKED =
  'is not here; VOLLEY_NIGHTLY=1, or VOLLEY_TOOLS=folder to keep such things in, fetches it';

/** The folder of `name`, filled by `fill` the first time; whole or not there. */
function kept(name: string, fill: (folder: string) => void, isLarge = true): Tool {
  const path = join(CACHE, name);
  if (existsSync(path)) return {path};
  if (isLarge && !mayFetchMuch) return {reason: `${name} ${NOT_ASKED}`};
  mkdirSync(CACHE, {recursive: true});
  const part = mkdtempSync(join(CACHE, 'part-'));
  try {
    fill(part);
    renameSync(part, path);
    return {path};
  } catch (error) {
    rmSync(part, {recursive: true, force: true});
    // Another test may have been faster.
    if (existsSync(path)) return {path};
    const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
    return {reason: `${name} is not here and cannot be fetched: ${line}`};
  }
}

const run = (cwd: string, file: string, ...args: string[]): void => {
  execFileSync(file, args, {cwd, stdio: 'pipe', timeout: FETCH_MS_MAX});
};

const unpackDebian =
  (packages: readonly string[]) =>
  (folder: string): void => {
    run(folder, 'apt-get', 'download', ...packages);
    for (const file of readdirSync(folder)) {
      run(folder, 'dpkg-deb', '-x', file, '.');
      rmSync(join(folder, file));
    }
  };

/** Root of what the packages hold. */
export const debianPackages = (name: string, ...packages: string[]): Tool =>
  kept(name, unpackDebian(packages));

/** Folder `package` of an npm package, which is not installed. */
export const npmPackage = (name: string, version: string): Tool =>
  kept(`${name}-${version}`, folder => {
    run(folder, 'npm', 'pack', '--silent', `${name}@${version}`);
    for (const file of readdirSync(folder)) {
      run(folder, 'tar', '-xzf', file);
      rmSync(join(folder, file));
    }
  });

/** Program in PATH or of a small Debian package. */
export function program(name: string, debianName: string): Tool {
  for (const folder of (process.env['PATH'] ?? '').split(':'))
    if (existsSync(join(folder, name))) return {path: join(folder, name)};
  const found = kept(debianName, unpackDebian([debianName]), false);
  return 'path' in found ? {path: join(found.path, 'usr/bin', name)} : found;
}
