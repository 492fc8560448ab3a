// Built-in apps, built when they are not and run by a real runner.

import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import type {RunOrder} from '../../src/core/core.ts';
import {readAppFolder} from '../../src/io/app-folder.ts';
import {ROOT, RunnerRig} from '../io/runner-rig.ts';

export type AppRig = {
  /** Output for this input; rejects with `reason: detail`. */
  readonly run: (input: string, args?: readonly string[]) => Promise<Buffer>;
  readonly close: () => Promise<void>;
};

export async function openApp(name: string): Promise<AppRig> {
  await promisify(execFile)(process.execPath, [join(ROOT, 'src/apps/build.mjs')]);
  const {manifest, module} = await readAppFolder(join(ROOT, 'dist/apps', name));
  const rig = new RunnerRig().add(manifest, module);
  const limits: Partial<RunOrder> = {
    timeLimitMs: 100_000,
    outputLimitBytes: manifest.limits.outputBytes,
  };
  return {
    run: (input, args = []) => rig.bytes(rig.run(name, input, {...limits, args})),
    close: () => rig.runner.close(),
  };
}
