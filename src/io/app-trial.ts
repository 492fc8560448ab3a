// One input of an app, run here as a node would run it: a process of its own for each run, the same limits, the
// same sandbox. What it needed is measured; run twice, the outputs tell whether the app is deterministic on
// this machine (on another processor it may still differ: volley batch with nodes of both). When V8 makes the code of
// a js app fast depends on the moment, so the second run does without: an app whose output tells the one from the
// other is found out here, not by a quorum that does not agree.

import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {asBatchId, asBlobId, type BlobId, replicaId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {AppManifest} from '../core/app.ts';
import type {NodeEvent, RunOrder} from '../core/core.ts';
import type {FailReason} from '../wire/message.ts';
import {admitApp} from './app-source.ts';
import {residentBytes} from './process-memory.ts';
import {ProcessRunner} from './runner.ts';
import type {Containers} from './runner-container.ts';
import type {Jail} from './sandbox.ts';
import {every} from './system-clock.ts';

export type Trial = {
  readonly manifest: AppManifest;
  /** Of a wasm app, or the packed files of an exec app; else empty. */
  readonly module: Uint8Array;
  readonly args: readonly string[];
  readonly input: Uint8Array;
  /** What its batch shares; empty = nothing. */
  readonly shared: Uint8Array;
  readonly actions: ReadonlyMap<string, readonly string[]>;
  readonly containers?: Containers | undefined;
  /** Folder for the runs; the caller removes it. */
  readonly dir: string;
  readonly jail: Jail;
};

export type TrialRun = {
  readonly status: 'done' | FailReason;
  /** '' when it is done. */
  readonly reason: string;
  readonly output: Uint8Array;
  /** Of the output, hex. */
  readonly sha256: string;
  /** As a node would report it. */
  readonly cpuMs: number;
  /** Most that the process with all it started held, of looks 5 ms apart. 0 = it was over before the first. */
  readonly memoryBytes: number;
  /** false: a script that V8 was not to make fast. Then a time limit that it ran into says nothing. */
  readonly isOptimized: boolean;
};

const LOOK_MS = 5;
const APP_ID = asBlobId('00'.repeat(32));
/** Of the workunit that a trial stands for: what an app sees as random is the same each time. */
const SEED = 1;

/** One run after the other, each in a fresh process. */
export async function tryApp(trial: Trial, times: number): Promise<TrialRun[]> {
  const runs: TrialRun[] = [];
  for (let no = 0; no < times; no++) runs.push(await once(trial, no));
  return runs;
}

/** The first is as on a node, for what it needs is measured. */
const PLAIN_RUN = 1;

async function once(trial: Trial, no: number): Promise<TrialRun> {
  const isOptimized = trial.manifest.runtime !== 'js' || no !== PLAIN_RUN;
  const {manifest, module, actions, containers, jail} = trial;
  const app = admitApp(manifest, module);
  const blobs = new Map<BlobId, Uint8Array>();
  let told: (end: NodeEvent) => void = () => {};
  const ended = new Promise<NodeEvent>(resolve => {
    told = resolve;
  });
  const runner = new ProcessRunner({
    slots: 1,
    tell: event => {
      if (event.type !== 'progress') told(event);
    },
    fetchApp: async () => app,
    readInput: async () => trial.shared,
    putBlob: async bytes => {
      const id = asBlobId(createHash('sha256').update(bytes).digest('hex'));
      blobs.set(id, bytes);
      return id;
    },
    actions,
    ...(containers === undefined ? {} : {containers}),
    dir: join(trial.dir, `run-${no}`),
    jail,
    isOptimized,
    niceness: 0,
  });
  let memoryBytes = 0;
  const stop = every(LOOK_MS, () => {
    for (const pid of runner.pids) memoryBytes = Math.max(memoryBytes, residentBytes(pid));
  });
  try {
    runner.run(orderOf(trial));
    return {...runOf(await ended, blobs), memoryBytes, isOptimized};
  } finally {
    stop();
    await runner.close();
  }
}

const orderOf = ({manifest, args, input, shared}: Trial): RunOrder => ({
  replicaId: replicaId(asBatchId(1), 0, 0),
  slot: 0,
  appId: APP_ID,
  args,
  input: {kind: 'inline', bytes: input},
  timeLimitMs: manifest.limits.timeSeconds * SECOND_MS,
  memoryLimitMib: manifest.limits.memoryMib,
  outputLimitBytes: manifest.limits.outputBytes,
  ...(shared.length > 0 ? {shared: {blobId: APP_ID, size: shared.length}} : {}),
  seed: SEED,
});

function runOf(
  event: NodeEvent,
  blobs: ReadonlyMap<BlobId, Uint8Array>,
): Omit<TrialRun, 'memoryBytes' | 'isOptimized'> {
  const nothing = new Uint8Array(0);
  if (event.type === 'failed') {
    const {reason: status, detail: reason, cpuMs} = event;
    return {status, reason, output: nothing, sha256: hashOf(nothing), cpuMs};
  }
  if (event.type !== 'computed') {
    const reason = 'the disk has no room for it';
    return {status: 'inputMissing', reason, output: nothing, sha256: hashOf(nothing), cpuMs: 0};
  }
  const {output, cpuMs} = event;
  const bytes = output.kind === 'inline' ? output.bytes : (blobs.get(output.blobId) ?? nothing);
  return {status: 'done', reason: '', output: bytes, sha256: hashOf(bytes), cpuMs};
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
