// Built-in apps, built when they are not: by a real runner, or for rounds of many short runs in the runner's own
// sandbox in this process.

import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import type {RunOrder} from '../../src/core/core.ts';
import {readAppFolder} from '../../src/io/app-folder.ts';
import {Sandbox} from '../../src/io/runner-wasi.ts';
import {ROOT, RunnerRig} from '../io/runner-rig.ts';

export type AppRig = {
  /** Output for this input; rejects with `reason: detail`. */
  readonly run: (input: string | Uint8Array, args?: readonly string[]) => Promise<Buffer>;
  readonly close: () => Promise<void>;
};

async function built(name: string) {
  await promisify(execFile)(process.execPath, [join(ROOT, 'src/apps/build.mjs')]);
  return readAppFolder(join(ROOT, 'dist/apps', name));
}

export async function openApp(name: string): Promise<AppRig> {
  const {manifest, module} = await built(name);
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

/** Output for this input; throws `status: reason`. `shared` is what file descriptor 4 gives. */
export type RunHere = (
  input: string | Uint8Array,
  args?: readonly string[],
  shared?: string | Uint8Array,
) => Buffer;

const bytesOf = (value: string | Uint8Array): Uint8Array =>
  new Uint8Array(Buffer.from(value as string));

export async function openHere(name: string): Promise<RunHere> {
  const {manifest, module} = await built(name);
  const sandbox = new Sandbox();
  sandbox.load(module ?? new Uint8Array());
  const order = {
    no: 0,
    outputBytesMax: manifest.limits.outputBytes,
    seed: 7,
    state: new Uint8Array(),
  };
  return (input, args = [], shared = '') => {
    sandbox.share(bytesOf(shared));
    const ended = sandbox.run({...order, args, input: bytesOf(input)});
    if (ended.status !== 'done') throw new Error(`${ended.status}: ${ended.reason}`);
    return Buffer.from(ended.output);
  };
}
