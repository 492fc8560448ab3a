// What the node's core and its actions say to each other beside shots: settings, and how an action is.

import type {ActionPhase} from '../wire/message.ts';
import type {ActionSettings} from './action-settings.ts';

/** How an action is; see ActionState in volley.proto. */
export type ActionReport = {
  readonly phase: ActionPhase;
  readonly error: string;
  readonly model: string;
  readonly warmUpMs: number;
  readonly sensorPeriodMs: number;
  /** What holds, as the action says. */
  readonly settings: ActionSettings;
};

/** What became of settings. */
export type Applied =
  | {readonly ok: true; readonly settings: ActionSettings}
  | {readonly ok: false; readonly reason: string};

export type ActionEvent =
  | {readonly type: 'actionSaid'; readonly action: string; readonly report: ActionReport}
  /** Answers `setAction`; `settings` as they were given there. */
  | {
      readonly type: 'actionSet';
      readonly action: string;
      readonly id: number;
      readonly settings: ActionSettings;
      readonly applied: Applied;
    };

/** All settings that shall hold. `isKept`: of an earlier life; nothing is started for them. */
export type SetActionEffect = {
  readonly type: 'setAction';
  readonly action: string;
  readonly id: number;
  readonly settings: ActionSettings;
  readonly isKept: boolean;
};

/** Reasons that node and shell give in the same words. */
export const CANCELLED = 'cancelled by the operator';
export const notAllowed = (action: string): string =>
  `the owner of this node does not allow "${action}"`;
