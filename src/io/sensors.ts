// What the machine says of itself, by /proc and /sys: how busy other programs keep it, free memory, heat, battery.
// Only what somebody asks for is read. Nothing here judges: a file that is missing, or holds nonsense, becomes a
// value that is missing, or NaN for a thermometer; node/thermometers.ts says which of them lie.

import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Reading, Sample} from '../core/guest.ts';
import type {Preferences} from '../core/preferences.ts';
import {processTree} from './process-memory.ts';

/** Ticks of /proc in a second: the same on every Linux, whatever the kernel counts by. */
const TICKS_PER_SECOND = 100;
/** Thermometers of what computes. Where none is named so, all of them count. */
const OF_PROCESSOR = /cpu|soc|core|pkg|package|tctl|big|little|cluster|processor/i;

export type Wants = {
  readonly load: boolean;
  readonly memory: boolean;
  readonly heat: boolean;
  readonly battery: boolean;
};

/** What these preferences have to know. */
export const wantsOf = (all: readonly Preferences[]): Wants => ({
  load: all.some(one => one.suspendAboveLoad !== undefined),
  memory: all.some(one => one.suspendBelowFreeMib !== undefined),
  heat: all.some(one => one.suspendAboveCelsius !== undefined),
  battery: all.some(one => one.suspendOnBattery || one.suspendBelowCharge !== undefined),
});

export class Sensors {
  readonly #proc: string;
  readonly #sys: string;
  #busy: {readonly others: number; readonly at: number} | undefined;

  /** @param root holds `proc` and `sys`; tests give another */
  constructor(root = '/') {
    this.#proc = join(root, 'proc');
    this.#sys = join(root, 'sys');
  }

  /** @param date local time counts; @param mono ms */
  sample(wants: Wants, date: Date, mono: number): Sample {
    const othersLoad = wants.load ? this.#othersLoad(mono) : undefined;
    const freeMib = wants.memory ? this.#freeMib() : undefined;
    const battery = wants.battery ? this.#battery() : undefined;
    return {
      minuteOfWeek: ((date.getDay() + 6) % 7) * 1_440 + date.getHours() * 60 + date.getMinutes(),
      ...(othersLoad === undefined ? {} : {othersLoad}),
      ...(freeMib === undefined ? {} : {freeMib}),
      ...(wants.heat ? {thermometers: this.#thermometers()} : {}),
      ...(battery === undefined ? {} : {battery}),
    };
  }

  /** Cores that were busy since the last look, less our own processes; undefined at the first look. */
  #othersLoad(mono: number): number | undefined {
    const all = busyTicks(text(join(this.#proc, 'stat')));
    if (all === undefined) return undefined;
    const own = processTree(process.pid).reduce((sum, pid) => sum + this.#ticksOf(pid), 0);
    const before = this.#busy;
    this.#busy = {others: all - own, at: mono};
    if (before === undefined || mono <= before.at) return undefined;
    const ticks = this.#busy.others - before.others;
    return Math.max(0, (ticks / TICKS_PER_SECOND) * (1_000 / (mono - before.at)));
  }

  /** Of a process and of its children that have ended. */
  #ticksOf(pid: number): number {
    const stat = text(join(this.#proc, String(pid), 'stat'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + (Number(field) || 0), 0);
  }

  #freeMib(): number | undefined {
    const found = /^MemAvailable:\s+(\d+) kB/m.exec(text(join(this.#proc, 'meminfo')));
    return found ? Number(found[1]) / 1_024 : undefined;
  }

  #thermometers(): Reading[] {
    const dir = join(this.#sys, 'class/thermal');
    const zones = list(dir).filter(name => name.startsWith('thermal_zone'));
    const readings = zones.map(zone => {
      const type = text(join(dir, zone, 'type')).trim();
      const milli = text(join(dir, zone, 'temp')).trim();
      const celsius = milli === '' ? Number.NaN : Number(milli) / 1_000;
      return {name: `${type || 'unnamed'}/${zone.replace('thermal_', '')}`, celsius};
    });
    const ofProcessor = readings.filter(({name}) => OF_PROCESSOR.test(name));
    return ofProcessor.length > 0 ? ofProcessor : readings;
  }

  /** Of the machine, not of a mouse; undefined = there is none. */
  #battery(): Sample['battery'] | undefined {
    const dir = join(this.#sys, 'class/power_supply');
    const read = (name: string, what: string): string => text(join(dir, name, what)).trim();
    const batteries = list(dir).filter(
      name => read(name, 'type') === 'Battery' && read(name, 'scope') !== 'Device',
    );
    if (batteries.length === 0) return undefined;
    const discharging = batteries.some(name => read(name, 'status') === 'Discharging');
    const charges = batteries.map(name => Number(read(name, 'capacity') || Number.NaN));
    const believed = charges.filter(charge => charge >= 0 && charge <= 100);
    return believed.length === 0 ? {discharging} : {discharging, percent: Math.min(...believed)};
  }
}

/** user, nice, system, irq, softirq of all processors; undefined = the file is not what it should be. */
function busyTicks(stat: string): number | undefined {
  const fields = /^cpu\s+(.*)$/m.exec(stat)?.[1]?.split(/\s+/).map(Number);
  if (!fields || fields.length < 7) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  const busy = user + nice + system + irq + softirq;
  return Number.isFinite(busy) ? busy : undefined;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // a sensor that does not answer
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}
