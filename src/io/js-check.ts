// Loads the script of a js app once as nodes do, in a runner process, so that what they would refuse is refused before
// it is signed. Nothing of its run() is called.

import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {SECOND_MS} from '../base/units.ts';
import {encodeApp, FRAME_REASON_BYTES_MAX} from './runner-frames.ts';
import {lastWords, RunnerProcess} from './runner-process.ts';
import {NO_JAIL} from './sandbox.ts';
import {every} from './system-clock.ts';

const ANSWER_MS_MAX = 30 * SECOND_MS;

/** '' or why a node would refuse the script. */
export async function refusalOf(script: Uint8Array, memoryMib: number): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'volley-load-'));
  const lengthMax = (): number => 1 + FRAME_REASON_BYTES_MAX;
  const options = {kind: 'js', dir, jail: NO_JAIL, niceness: 0, memoryMib, lengthMax} as const;
  let stop = (): void => {};
  let runner: RunnerProcess | undefined;
  try {
    return await new Promise<string>(resolve => {
      const broken = (why: string): void => resolve(`it cannot be loaded: ${why}`);
      runner = new RunnerProcess(options, {
        onReady: resolve,
        onEnded: () => broken('it answers what nobody asked'),
        onState: () => broken('it saves what nobody asked for'),
        onChunk: isWhole => isWhole || broken('it writes what is no answer'),
        onEnd: ({stderr}) => broken(lastWords(stderr)),
      });
      stop = every(ANSWER_MS_MAX, () => broken(`not done within ${ANSWER_MS_MAX / SECOND_MS} s`));
      runner.write(encodeApp(script));
    });
  } finally {
    stop();
    runner?.kill();
    await runner?.ended;
    await rm(dir, {recursive: true, force: true, maxRetries: 5});
  }
}
