// Folders for what tests write. Each is gone when the process of its test file ends, however the tests went;
// only SIGKILL leaves it, so a process that is killed on purpose is given one of these as its TMPDIR.

import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const made: string[] = [];

/** @param name what it is for, one word */
export function temporaryFolder(name: string): string {
  if (made.length === 0) process.once('exit', removeAll);
  const folder = mkdtempSync(join(tmpdir(), `volley-${name}-`));
  made.push(folder);
  return folder;
}

function removeAll(): void {
  for (const folder of made) rmSync(folder, {recursive: true, force: true, maxRetries: 3});
}
