// What a command is, and what the user gave it. main.ts turns these descriptions into cac commands;
// a file of a command holds nothing heavy at its top, so that `--help` and `volley node` stay small:
// what the command needs is imported when it runs.

import {VolleyError} from '../base/errors.ts';
import {DAY_MS, HOUR_MS, MIB, MINUTE_MS, SECOND_MS} from '../base/units.ts';

export type OptionSpec = {
  /** `--name <value>`, or `--name` alone for a yes or no. */
  readonly flag: string;
  readonly text: string;
  readonly repeatable?: boolean;
  /** For our own processes: works, but is not in the help. */
  readonly hidden?: boolean;
};

export type CommandSpec = {
  /** One or two words. */
  readonly name: string;
  /** `<app> [...paths]` */
  readonly args?: string;
  readonly summary: string;
  readonly options: readonly OptionSpec[];
  /** Whole command lines, with a comment where it helps. */
  readonly examples: readonly string[];
  /** What it writes is for nobody else on this machine: it runs with umask 077. */
  readonly writesSecrets?: boolean;
  /** Answers the exit code; nothing = 0. Throws VolleyError for what the user can mend. */
  readonly run: (given: Given) => Promise<number | undefined>;
};

/** The name alone: `--group-port <port>` is `group-port`. */
export const nameOf = (option: OptionSpec): string =>
  option.flag.replace(/^--/, '').replace(/ .*/, '');

export const takesValue = (option: OptionSpec): boolean => option.flag.includes('<');

export const usage = (reason: string): VolleyError => new VolleyError('VOLLEY_USAGE', {reason});

/** `300ms`, `2s`, `1m`, `24h`, `1d`; undefined = it is no time. */
export function millisecondsOf(text: string): number | undefined {
  const [, count, unit] = /^\+?(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const scale = {ms: 1, s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS}[unit ?? ''];
  return scale === undefined ? undefined : Number(count) * scale;
}

/** Arguments and options, by the name without dashes. Values are the texts that were typed. */
export class Given {
  readonly args: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(args: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.args = args;
    this.#values = values;
  }

  /** The same, and what was not given as it is in `defaults`. */
  over(defaults: ReadonlyMap<string, readonly string[]>): Given {
    return new Given(this.args, new Map([...defaults, ...this.#values]));
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  /** A whole number; `_` and `,` may group its digits. */
  whole(name: string, min: number, max: number): number | undefined {
    const value = this.number(name, min, max);
    if (value !== undefined && !Number.isInteger(value))
      throw usage(`--${name} must be a whole number, not ${this.text(name)}`);
    return value;
  }

  number(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = numberOf(text);
    if (value === undefined || value < min || value > max)
      throw usage(`--${name} must be a number from ${min} to ${max}, not "${text}"`);
    return value;
  }

  /** 0 … 1, of `1%` or `0.01`. */
  share(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const isPercent = text.endsWith('%');
    const value = numberOf(isPercent ? text.slice(0, -1).trimEnd() : text);
    const share = value === undefined ? Number.NaN : value / (isPercent ? 100 : 1);
    if (!(share >= 0 && share <= 1))
      throw usage(`--${name} must be a share such as 1% or 0.01, not "${text}"`);
    return share;
  }

  /** Bytes of a number of MiB. */
  mebibytes(name: string): number | undefined {
    const mebibytes = this.number(name, 0, 1_048_576);
    return mebibytes === undefined ? undefined : mebibytes * MIB;
  }

  port(name: string): number | undefined {
    return this.whole(name, 1, 65_535);
  }

  /** Milliseconds of `300ms`, `2s`, `1m`, `24h` or `7d`; a leading + is allowed. */
  durationMs(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const ms = millisecondsOf(text);
    if (ms === undefined)
      throw usage(`--${name} must be a time such as 300ms, 2s, 1m or 24h, not "${text}"`);
    return ms;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = allowed.find(each => each === text);
    if (found === undefined)
      throw usage(`--${name} must be ${allowed.join(' or ')}, not "${text}"`);
    return found;
  }

  /** The id of a batch or capture that is the first argument. */
  id(what: string): number {
    const text = this.args[0] ?? '';
    const id = Number(text);
    if (!/^\d{1,10}$/.test(text) || id < 1 || id > 0xffff_ffff)
      throw usage(`"${text}" is not the number of a ${what}`);
    return id;
  }
}

/** A decimal number with optional `_` or `,` between digits; undefined when it is none. */
export function numberOf(text: string): number | undefined {
  const plain = text.replace(/(?<=\d)[_,](?=\d)/g, '');
  return /^-?\d+(\.\d+)?(e-?\d{1,3})?$/.test(plain) ? Number(plain) : undefined;
}

/** Without the fields that are undefined: optional fields of ours are absent or have a value. */
export function defined<T extends object>(fields: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as {[K in keyof T]?: Exclude<T[K], undefined>};
}
