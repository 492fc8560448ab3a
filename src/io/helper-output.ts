// What a program printed that a built-in action asks something: its help, its lists.

import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {MIB, SECOND_MS} from '../base/units.ts';
import {errnoOf} from './key-files.ts';

const LIMIT_MS = 20 * SECOND_MS;
const run = promisify(execFile);

export type Printed = {readonly text: string; readonly isOk: boolean};

/** Both of its streams, with whatever code it ended; undefined = it is not installed. */
export async function outputOf(
  path: string,
  args: readonly string[],
): Promise<Printed | undefined> {
  try {
    const {stdout, stderr} = await run(path, [...args], {timeout: LIMIT_MS, maxBuffer: MIB});
    return {text: stdout + stderr, isOk: true};
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    const {stdout = '', stderr = ''} = error as {stdout?: string; stderr?: string};
    return {text: stdout + stderr, isOk: false};
  }
}
