// Copies a template of an app into a folder that is new, and leaves nothing behind when that fails.

import {chmod, mkdir, readdir, readFile, rm, rmdir, stat, writeFile} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {VolleyError} from '../base/errors.ts';
import {makeFolder} from './folder.ts';
import {cannotWrite} from './result-bytes.ts';

const TEMPLATES = fileURLToPath(new URL('../templates', import.meta.url));

/** What is filled in: the name of the app. */
const NAME = /\bmy-app\b/g;

/** Others may not write: node.json names programs, and a node refuses it otherwise. */
const FILE_MODE = 0o644;

/** @returns the files that were made, by their paths in the folder */
export async function copyTemplate(
  template: string,
  name: string,
  folder: string,
): Promise<readonly string[]> {
  const source = join(TEMPLATES, template);
  const files = await filesIn(source);
  const parents = await missingAbove(folder);
  try {
    await makeFolder(dirname(folder));
    await mkdir(folder);
  } catch (error) {
    await removeEmpty(parents);
    throw notMade(folder, error);
  }
  try {
    for (const file of files) {
      const text = await readFile(join(source, file), 'utf8');
      await write(join(folder, shownName(file)), text.replace(NAME, name));
    }
  } catch (error) {
    await rm(folder, {recursive: true, force: true});
    await removeEmpty(parents);
    throw cannotWrite(folder, error);
  }
  return files.map(shownName).sort();
}

async function filesIn(source: string): Promise<string[]> {
  const entries = await readdir(source, {recursive: true, withFileTypes: true});
  return entries
    .filter(entry => entry.isFile())
    .map(entry => relative(source, join(entry.parentPath, entry.name)));
}

/** npm leaves files called .gitignore out of a package. */
const shownName = (file: string): string => (file === 'gitignore' ? '.gitignore' : file);

async function write(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeFile(path, text, {flag: 'wx'});
  await chmod(path, FILE_MODE);
}

/** The folders above that are not there yet, the nearest first. */
async function missingAbove(folder: string): Promise<string[]> {
  const missing: string[] = [];
  let above = dirname(folder);
  while ((await stat(above).catch(() => undefined)) === undefined && dirname(above) !== above) {
    missing.push(above);
    above = dirname(above);
  }
  return missing;
}

/** What somebody else put there meanwhile stays. */
async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rmdir(folder).catch(() => {});
}

function notMade(path: string, error: unknown): VolleyError {
  const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
  if (!isThere) return cannotWrite(path, error);
  const reason = 'it is there already; give another name, or another folder with --out';
  return new VolleyError('VOLLEY_CANNOT_WRITE', {path, reason}, error);
}
