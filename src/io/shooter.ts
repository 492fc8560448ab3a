// What an action is to its lane: something that can be armed, fired and set. A program that is kept
// running (action-process.ts) or one that is started for each shot (action-command.ts).

import type {MonoMs, WallMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Applied} from '../core/action-events.ts';
import type {ActionSettings} from '../core/action-settings.ts';
import type {Clock} from '../runtime/ports.ts';
import type {ActionPhase} from '../wire/message.ts';
import {type ActionInfo, NO_INFO} from './action-words.ts';

export type ShotJob = {
  /** `capture-shot`, e.g. `42-1`; begins the name of every file of the shot. */
  readonly shot: string;
  /** Bare name of the file to write, in the program's working folder. */
  readonly file: string;
  readonly askedWall: WallMs;
  /** The instant: it is now or was, unless the shooter takes shots ahead. */
  readonly fireAt: MonoMs;
  readonly args: readonly string[];
  /** A small picture instead. */
  readonly isPreview?: boolean;
};

export type ShotEnd = {
  /** undefined = it never fired. */
  readonly firedAt: MonoMs | undefined;
  readonly doneAt: MonoMs;
  /** What the program says it wrote; undefined = whatever begins with the shot's name. */
  readonly files: readonly string[] | undefined;
  readonly failure: string | undefined;
};

export type ActionState = {
  readonly phase: ActionPhase;
  /** Why it is not ready, or why it did not take the settings that were kept; '' = nothing is wrong. */
  readonly error: string;
  readonly info: ActionInfo;
  /** What holds, as the program says. */
  readonly settings: ActionSettings;
};

export const OFF: ActionState = {phase: 'off', error: '', info: NO_INFO, settings: {}};

/** One shot at a time: `shoot` is not called again before its promise is fulfilled. */
export interface Shooter {
  /** So long before its instant a shot may be given, and is met from then on without us; 0 = only at the instant. */
  readonly aheadMs: number;
  /** A shot that is given now triggers now: nothing has to be armed. */
  readonly isReady: boolean;
  /** Starts what can be started before the instant; asks what runs already to be ready. */
  arm(): void;
  /** Triggers now, in this turn when it is armed. Always fulfilled, at the latest at the time limit. */
  shoot(job: ShotJob): Promise<ShotEnd>;
  /**
   * All the settings that shall hold from now on, also in later lives of the program. Always fulfilled.
   *
   * @param isKept nothing is started for them; undefined = they wait for the next start
   */
  set(settings: ActionSettings, isKept?: boolean): Promise<Applied | undefined>;
  /** Ends a shot under way with this reason, and the program with it. */
  abort(reason: string): void;
  /** Kills what runs; a shot under way ends as failed. */
  close(): Promise<void>;
}

export type ProgramSpec = {
  readonly argv: readonly string[];
  /** Working folder. */
  readonly dir: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** A persistent one was started. */
  readonly onStart?: (pid: number) => unknown;
  /** Of a persistent one: after each change. */
  readonly onState?: (state: ActionState) => void;
  /** Of a persistent one: it is not ended for want of shots. */
  readonly staysArmed?: boolean;
  /** What was set in an earlier life of the node. */
  readonly settings?: ActionSettings;
};

export const STOPPING = 'the node is stopping';
export const seconds = (ms: number): string => `${ms / SECOND_MS} s`;
