// One set of preferences held against what the sensors say: how much may run, and why no more. Limits have
// two edges, so that a machine at the edge does not start and stop all the time. Pure.

import {addMono, type MonoMs} from '../base/types.ts';
import {MINUTE_MS} from '../base/units.ts';
import type {Sample} from '../core/guest.ts';
import {DEFAULT_GAP, isInHours, type Preferences} from '../core/preferences.ts';

export const REASON_WORDS = [
  'owner',
  'operator',
  'drain',
  'hours',
  'load',
  'memory',
  'temperature',
  'battery',
  'thermometer',
] as const;
export type ReasonWord = (typeof REASON_WORDS)[number];
export type Reason = {readonly by: ReasonWord; readonly text: string};

/** How much may run. `slots` 0 = none: the reasons say why. */
export type Allowed = {
  readonly slots: number;
  readonly cpuPercent: number;
  readonly reasons: readonly Reason[];
};

/** Nobody knows how hot it is, and somebody cares: half of the time is rest. */
const BLIND_CPU_PERCENT = 50;
/** A node that was too hot when its last thermometer failed cools down for so long. */
const COOLING_MS = 5 * MINUTE_MS;

/** Suspends at one edge, goes on at the other. */
class Limit {
  #isHeld = false;

  /** @param over how far the value is past the suspending edge; @param back past the resuming one */
  see(isPast: boolean, isBack: boolean): boolean {
    if (isPast) this.#isHeld = true;
    else if (isBack) this.#isHeld = false;
    return this.#isHeld;
  }

  forget(): void {
    this.#isHeld = false;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }
}

export class Rules {
  readonly preferences: Preferences;
  readonly #load = new Limit();
  readonly #memory = new Limit();
  readonly #heat = new Limit();
  readonly #charge = new Limit();
  #heatKnownAt: MonoMs | undefined;

  constructor(preferences: Preferences) {
    this.preferences = preferences;
  }

  /** @param celsius what the thermometers that are believed say; undefined = none is */
  judge(
    sample: Sample | undefined,
    celsius: number | undefined,
    slots: number,
    now: MonoMs,
  ): Allowed {
    const {cores = slots, cpuPercent = 100} = this.preferences;
    const reasons: Reason[] = [];
    if (sample === undefined) return {slots: Math.min(cores, slots), cpuPercent, reasons};
    this.#hours(sample, reasons);
    this.#others(sample, reasons);
    this.#power(sample, reasons);
    const blind = this.#temperature(celsius, reasons, now);
    const mayRun = reasons.length === 0 ? Math.min(cores, slots) : 0;
    if (blind) reasons.push({by: 'thermometer', text: 'no thermometer can be believed'});
    const percent = blind ? Math.min(cpuPercent, BLIND_CPU_PERCENT) : cpuPercent;
    return {slots: mayRun, cpuPercent: percent, reasons};
  }

  #hours({minuteOfWeek}: Sample, reasons: Reason[]): void {
    const {hours, days} = this.preferences;
    if (isInHours(this.preferences, minuteOfWeek)) return;
    const when = [days?.join(','), hours?.join(',')].filter(part => part !== undefined);
    reasons.push({by: 'hours', text: `only ${when.join(' ')}`});
  }

  #others({othersLoad, freeMib}: Sample, reasons: Reason[]): void {
    const {suspendAboveLoad: most, suspendBelowFreeMib: least} = this.preferences;
    if (most === undefined || othersLoad === undefined) this.#load.forget();
    else {
      const back = this.preferences.resumeBelowLoad ?? most * (1 - DEFAULT_GAP.load);
      if (this.#load.see(othersLoad > most, othersLoad <= back))
        reasons.push({by: 'load', text: `${round(othersLoad)} cores busy, above ${most}`});
    }
    if (least === undefined || freeMib === undefined) this.#memory.forget();
    else {
      const back = this.preferences.resumeAboveFreeMib ?? least * (1 + DEFAULT_GAP.freeMemory);
      if (this.#memory.see(freeMib < least, freeMib >= back))
        reasons.push({by: 'memory', text: `${Math.round(freeMib)} MiB free, below ${least}`});
    }
  }

  #power({battery}: Sample, reasons: Reason[]): void {
    const {suspendOnBattery, suspendBelowCharge: least} = this.preferences;
    if (battery?.discharging && suspendOnBattery)
      reasons.push({by: 'battery', text: 'runs on battery'});
    const percent = battery?.percent;
    if (least === undefined || percent === undefined) return this.#charge.forget();
    const back = this.preferences.resumeAboveCharge ?? Math.min(100, least + DEFAULT_GAP.charge);
    if (this.#charge.see(percent < least, percent >= back))
      reasons.push({by: 'battery', text: `${Math.round(percent)} % charge, below ${least}`});
  }

  /** true = nobody knows the temperature, and this set of preferences cares about it. */
  #temperature(celsius: number | undefined, reasons: Reason[], now: MonoMs): boolean {
    const most = this.preferences.suspendAboveCelsius;
    if (most === undefined) {
      this.#heat.forget();
      return false;
    }
    if (celsius === undefined) return this.#cool(reasons, now);
    this.#heatKnownAt = now;
    const back = this.preferences.resumeBelowCelsius ?? most - DEFAULT_GAP.celsius;
    if (this.#heat.see(celsius > most, celsius <= back))
      reasons.push({by: 'temperature', text: `${round(celsius)} °C, above ${most}`});
    return false;
  }

  /** It was hot when it was last known: rest for a while, but not for ever. */
  #cool(reasons: Reason[], now: MonoMs): true {
    const until = addMono(this.#heatKnownAt ?? now, COOLING_MS);
    if (this.#heat.isHeld && now < until)
      reasons.push({by: 'temperature', text: 'it was too hot, and cools down'});
    else this.#heat.forget();
    return true;
  }
}

const round = (value: number): string => String(Math.round(value * 10) / 10);

/** What two sets both allow. */
export const stricter = (a: Allowed, b: Allowed): Allowed => ({
  slots: Math.min(a.slots, b.slots),
  cpuPercent: Math.min(a.cpuPercent, b.cpuPercent),
  reasons: [...a.reasons, ...b.reasons.filter(({by}) => !a.reasons.some(one => one.by === by))],
});
