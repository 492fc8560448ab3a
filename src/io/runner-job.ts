// What a slot is given to run, and what comes of it.

import type {ReplicaId} from '../base/types.ts';
import type {FailReason} from '../wire/message.ts';
import type {OpenMeans} from './program-means.ts';
import type {Status} from './runner-frames.ts';
import type {Jail} from './sandbox.ts';

export type Outcome =
  | {readonly kind: 'done'; readonly output: Uint8Array; readonly cpuMs: number}
  | {
      readonly kind: 'failed';
      readonly reason: FailReason;
      readonly detail: string;
      readonly cpuMs: number;
    };

/** What an order says of its program. */
export type ProgramOrder = {
  readonly replicaId: ReplicaId;
  readonly args: readonly string[];
  readonly memoryMib: number;
  readonly shared?: unknown;
};

export type ExecProgram = {
  readonly kind: 'exec';
  readonly argv: readonly string[];
  /** Where the app's files are, if it has any. */
  readonly folder?: string | undefined;
  /** All of its environment; default: PATH alone. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: those of a group of processes. */
  readonly openMeans?: OpenMeans;
};

/** An order with all that it needs. */
export type Job = {
  readonly replicaId: ReplicaId;
  readonly program:
    | {
        readonly kind: 'wasm' | 'js';
        /** Jobs with the same key share a process: app and memory limit. */
        readonly key: string;
        /** A module, or a script as UTF-8. */
        readonly module: Uint8Array;
        readonly memoryMib: number;
      }
    | ExecProgram;
  readonly args: readonly string[];
  readonly input: Uint8Array;
  /** What all workunits of the batch may read; the same array for the same blob. */
  readonly shared: Uint8Array;
  readonly seed: number;
  readonly timeMs: number;
  readonly memoryMib: number;
  readonly outputBytesMax: number;
  /** What an earlier run of it saved; empty = it begins at the beginning. */
  state: Uint8Array;
  /** Time that earlier runs spent on it: counts against its limit. */
  spentMs: number;
  /** Set when the replica is no longer wanted: no outcome follows. */
  isStopped: boolean;
};

/** What a runner process runs. */
export type InnerProgram = Extract<Job['program'], {readonly key: string}>;

export type SlotOptions = {
  readonly dir: string;
  readonly niceness: number;
  readonly jail: Jail;
  readonly isOptimized?: boolean | undefined;
  readonly finish: (job: Job, outcome: Outcome) => void;
  /** The job that runs saved this; `spentMs` of its time were spent by then. */
  readonly onState: (job: Job, bytes: Uint8Array, spentMs: number) => void;
  /** What an earlier run saved was of no use: the job begins anew. */
  readonly onBadState: (job: Job) => void;
  /** There is room for another job. */
  readonly onRoom: () => void;
};

const REASONS: Readonly<Record<Exclude<Status, 'done'>, FailReason>> = {
  exited: 'trapped',
  trapped: 'trapped',
  outputTooLarge: 'outputTooLarge',
  outOfMemory: 'outOfMemory',
  refused: 'refused',
};

export function failureOf(status: Exclude<Status, 'done'>, body: Uint8Array) {
  const detail = new TextDecoder().decode(body);
  return {kind: 'failed', reason: REASONS[status], detail} as const;
}

/** Of its time limit; what was begun elsewhere in time goes on for a moment at least. */
export const leftMsOf = ({timeMs, spentMs}: Job): number => Math.max(1, timeMs - spentMs);

export const isOfKey = ({program}: Job, key: string): boolean =>
  'key' in program && program.key === key;
