// Which thermometers of a machine may be believed, and what they say together. A sensor may break, be a
// constant in the firmware, or have a driver that reads nonsense: one that lies is named and left out.
//
//   out of range    NaN, -273 °C, 4000 °C, exactly 0: no board that runs this program is so cold or hot
//   stuck           the very same reading while work began or ended, or through hours of work
//
// A reading that moves again is believed again. While none is believed, nobody knows how hot it is.

import type {MonoMs} from '../base/types.ts';
import {HOUR_MS, MINUTE_MS} from '../base/units.ts';
import type {Note} from '../core/core.ts';
import type {Reading} from '../core/guest.ts';

const CELSIUS_MIN = -30;
const CELSIUS_MAX = 125;
/** Nearer to zero than this is what a sensor without power says. */
const ZERO_CELSIUS = 0.2;
/** The same to the last digit for so long at work and for so long at rest: a chip's own heat would show. */
const STUCK_EACH_MS = 5 * MINUTE_MS;
/** The same for so long at work alone. */
const STUCK_WORKING_MS = 2 * HOUR_MS;
/** Longer gaps between two looks (the machine slept) count as this. */
const GAP_MS_MAX = MINUTE_MS;
const SENSORS_MAX = 64;

type Known = {celsius: number; workingMs: number; restingMs: number; doubt: string | undefined};

export class Thermometers {
  readonly #known = new Map<string, Known>();
  #lookedAt: MonoMs | undefined;
  #celsius: number | undefined;
  #notes: Note[] = [];

  /** Highest reading that is believed; undefined = none is. */
  get celsius(): number | undefined {
    return this.#celsius;
  }

  /** Sensors that are not believed, and why. */
  get doubted(): readonly string[] {
    return [...this.#known]
      .filter(([, {doubt}]) => doubt !== undefined)
      .map(([name, {doubt}]) => `${name}: ${doubt}`);
  }

  /** @param working whether our own work ran since the last look */
  look(readings: readonly Reading[], working: boolean, now: MonoMs): void {
    const passedMs = Math.min(GAP_MS_MAX, now - (this.#lookedAt ?? now));
    this.#lookedAt = now;
    let highest: number | undefined;
    for (const reading of readings.slice(0, SENSORS_MAX)) {
      const known = this.#follow(reading, working, passedMs);
      this.#judge(reading.name, known);
      if (known.doubt === undefined) highest = Math.max(highest ?? known.celsius, known.celsius);
    }
    this.#celsius = highest;
    const names = new Set(readings.map(({name}) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }

  #follow({name, celsius}: Reading, working: boolean, passedMs: number): Known {
    let known = this.#known.get(name);
    if (!known) {
      known = {celsius, workingMs: 0, restingMs: 0, doubt: undefined};
      this.#known.set(name, known);
    } else if (!Object.is(known.celsius, celsius))
      Object.assign(known, {celsius, workingMs: 0, restingMs: 0});
    else if (working) known.workingMs += passedMs;
    else known.restingMs += passedMs;
    return known;
  }

  #judge(name: string, known: Known): void {
    const before = known.doubt;
    known.doubt = doubtOf(known);
    if (before === known.doubt) return;
    const fields = {sensor: name, celsius: String(known.celsius)};
    if (known.doubt === undefined)
      this.#notes.push({level: 'info', what: 'a thermometer is believed again', fields});
    else if (before === undefined)
      this.#notes.push({
        level: 'warn',
        what: 'a thermometer is not believed',
        fields: {...fields, why: known.doubt},
      });
  }

  takeNotes(): Note[] {
    return this.#notes.splice(0);
  }
}

function doubtOf({celsius, workingMs, restingMs}: Known): string | undefined {
  if (Number.isNaN(celsius)) return 'it cannot be read';
  if (!(celsius >= CELSIUS_MIN && celsius <= CELSIUS_MAX)) return 'no machine has this temperature';
  if (Math.abs(celsius) < ZERO_CELSIUS) return 'it reads zero';
  const isStuck = workingMs >= STUCK_EACH_MS && restingMs >= STUCK_EACH_MS;
  return isStuck || workingMs >= STUCK_WORKING_MS ? 'it is stuck' : undefined;
}
