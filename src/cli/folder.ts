// Folders that the user names for what we bring.

import {mkdir, stat} from 'node:fs/promises';
import {dirname, resolve} from 'node:path';

/**
 * Makes the folder and what is missing above it. Step by step: mkdir's own `recursive` never returns for
 * a folder below /proc (Node 20). Rejects with the error of the step that failed; ENOTDIR for a file.
 */
export async function makeFolder(path: string): Promise<void> {
  const place = resolve(path);
  const there = await stat(place).catch(() => undefined);
  if (there?.isDirectory()) return;
  if (there) throw Object.assign(new Error('it is a file'), {code: 'ENOTDIR', syscall: 'mkdir'});
  if (dirname(place) !== place) await makeFolder(dirname(place));
  await mkdir(place).catch(async (error: unknown) => {
    const made = await stat(place).catch(() => undefined); // by somebody else, meanwhile
    if (!made?.isDirectory()) throw error;
  });
}
