// The actions of this node beside their shots: what the operator set, kept over starts, and what the master is
// told of each, until it has heard it.

import {keepNewest} from '../base/newest.ts';
import {addMono, type MonoMs, NEVER} from '../base/types.ts';
import type {ActionEvent, ActionReport, SetActionEffect} from '../core/action-events.ts';
import {
  type ActionSettings,
  changedSettings,
  faultOfSettings,
  parseSettings,
} from '../core/action-settings.ts';
import {encodeJson, type Op, put} from '../core/tables.ts';
import {ACTIONS_MAX, RETRY_MS_MAX, RETRY_MS_MIN} from '../wire/limits.ts';
import type {ActionState, CommandWhat} from '../wire/message.ts';

/** Row of `meta` for each action that was set. */
export const ACTION_KEY = 'action/';

export type KeptSettings = {readonly id: number; readonly settings: ActionSettings};

type Told = {
  report: ActionReport;
  settingsId: number;
  refusal: string;
  serial: number;
  /** NEVER = the master has heard it. */
  nextAt: MonoMs;
  retryMs: number;
};

type SetAction = Extract<CommandWhat, {kind: 'setAction'}>;

const NOTHING: ActionReport = {
  phase: 'off',
  error: '',
  model: '',
  warmUpMs: 0,
  sensorPeriodMs: 0,
  settings: {},
};

export class ActionNews {
  readonly #actions: readonly string[];
  readonly #kept = new Map<string, KeptSettings>();
  /** Given to the action, and not answered yet. */
  readonly #wanted = new Map<string, ActionSettings>();
  readonly #told = new Map<string, Told>();

  /** @param actions that the owner allows */
  constructor(actions: readonly string[]) {
    this.#actions = actions;
  }

  restore(key: string, kept: KeptSettings): void {
    this.#kept.set(key.slice(ACTION_KEY.length), kept);
  }

  /** What an earlier life had set, of actions that are still allowed. */
  begin(): SetActionEffect[] {
    return [...this.#kept]
      .filter(([action]) => this.#actions.includes(action))
      .map(([action, {id, settings}]) => ({type: 'setAction', action, id, settings, isKept: true}));
  }

  /** Takes changes; undefined = they are refused, and the master is told why. */
  set(what: SetAction, now: MonoMs): SetActionEffect | undefined {
    const {action, id} = what;
    if (!this.#actions.includes(action))
      return this.refuse(what, `the owner of this node does not allow "${action}"`, now);
    const changes = parseSettings(what.settings);
    if (!changes) return this.refuse(what, 'these are no settings', now);
    const before = this.#wanted.get(action) ?? this.#kept.get(action)?.settings ?? {};
    const settings = changedSettings(before, changes);
    const fault = faultOfSettings(settings);
    if (fault !== undefined) return this.refuse(what, fault, now);
    this.#wanted.set(action, settings);
    return {type: 'setAction', action, id, settings, isKept: false};
  }

  /** What an action said. @returns what is to be saved */
  heard(event: ActionEvent, now: MonoMs): Op[] {
    const {action} = event;
    const told = this.#toldOf(action);
    if (event.type === 'actionSaid') {
      told.report = event.report;
      this.#news(told, now);
      return [];
    }
    const {id, settings, applied} = event;
    told.settingsId = id;
    told.refusal = applied.ok ? '' : applied.reason;
    if (applied.ok) told.report = {...told.report, settings: applied.settings};
    this.#news(told, now);
    if (this.#wanted.get(action) === settings) this.#wanted.delete(action);
    if (!applied.ok) return [];
    this.#kept.set(action, {id, settings});
    return [put('meta', ACTION_KEY + action, encodeJson({id, settings}))];
  }

  /** Nothing of it is done, and the master is told why. */
  refuse({action, id}: SetAction, reason: string, now: MonoMs): undefined {
    const told = this.#toldOf(action);
    told.settingsId = id;
    told.refusal = reason;
    this.#news(told, now);
  }

  /** Names come from our own actions, and from commands: bounded. */
  #toldOf(action: string): Told {
    const known = this.#told.get(action);
    if (known) return known;
    const settingsId = this.#kept.get(action)?.id ?? 0;
    const told: Told = {
      ...{report: NOTHING, settingsId, refusal: '', serial: 0},
      ...{nextAt: NEVER, retryMs: RETRY_MS_MIN},
    };
    this.#told.set(action, told);
    keepNewest(this.#told, ACTIONS_MAX);
    return told;
  }

  #news(told: Told, now: MonoMs): void {
    told.serial += 1;
    told.nextAt = now;
    told.retryMs = RETRY_MS_MIN;
  }

  /** A master that may know nothing is told everything. */
  welcomed(now: MonoMs): void {
    for (const told of this.#told.values()) {
      told.nextAt = now;
      told.retryMs = RETRY_MS_MIN;
    }
  }

  onHeard(action: string, serial: number): void {
    const told = this.#told.get(action);
    if (told?.serial === serial) told.nextAt = NEVER;
  }

  /** Why it could not fire, as far as the action has said; '' = nothing is wrong. */
  unableBy(action: string): string {
    const report = this.#told.get(action)?.report;
    return report?.phase === 'unable' ? report.error || `"${action}" is not ready` : '';
  }

  /** 0 = it has no sensor that runs by itself, or does not tell. */
  sensorPeriodMs(action: string): number {
    return this.#told.get(action)?.report.sensorPeriodMs ?? 0;
  }

  /** What is due to be said. */
  due(now: MonoMs): ActionState[] {
    const states: ActionState[] = [];
    for (const [action, told] of this.#told) {
      if (told.nextAt > now) continue;
      told.nextAt = addMono(now, told.retryMs);
      told.retryMs = Math.min(2 * told.retryMs, RETRY_MS_MAX);
      const {report, serial, settingsId, refusal} = told;
      const {phase, error, model, warmUpMs, sensorPeriodMs} = report;
      const what = {phase, error, model, warmUpMs, sensorPeriodMs, settingsId, refusal};
      const settings = JSON.stringify(report.settings);
      states.push({type: 'actionState', action, serial, ...what, settings});
    }
    return states;
  }

  wakeAt(): MonoMs {
    let least: number = NEVER;
    for (const {nextAt} of this.#told.values()) least = Math.min(least, nextAt);
    return least as MonoMs;
  }
}
