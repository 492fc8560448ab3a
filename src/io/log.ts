// The log of a process: one line for each note, and counters for what is too frequent for lines.
//
//   human   2026-11-20T21:12:05.123Z warn  nodeLost node=3f2a… lastHeard="12 s ago"
//   json    {"time":"2026-11-20T21:12:05.123Z","level":"warn","what":"nodeLost","node":"3f2a…"}
//
// Peers may cause notes and choose some of the text in them. So a kind of note gets a few lines in
// a period and then only a number; and characters that steer a terminal or hide text are written as
// \uXXXX.

import {harmless} from '../base/text.ts';
import type {WallMs} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Note} from '../core/core.ts';
import type {Clock, Journal} from '../runtime/ports.ts';
import {isoTime} from './system-clock.ts';

export type LogLevel = Note['level'];
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'alarm'];

export type LogOptions = {
  readonly clock: Pick<Clock, 'now'>;
  readonly format: 'human' | 'json';
  /** Notes below this are left out. Default `info`. */
  readonly level?: LogLevel;
  /** Takes whole lines with their end. Default: stderr. */
  readonly write?: (line: string) => void;
};

/** Lines of one kind in one period: enough to see what happens, too few to fill a disk. */
const LINES_PER_PERIOD = 20;
const PERIOD_MS = 10 * SECOND_MS;
const TEXT_MAX = 512;

type Kind = {level: LogLevel; since: WallMs; lines: number; suppressed: number};

export class Log implements Journal {
  readonly #options: LogOptions;
  readonly #write: (line: string) => void;
  readonly #least: number;
  readonly #counters = new Map<string, number>();
  readonly #kinds = new Map<string, Kind>();

  constructor(options: LogOptions) {
    this.#options = options;
    this.#least = LOG_LEVELS.indexOf(options.level ?? 'info');
    this.#write = options.write ?? (line => process.stderr.write(line));
  }

  note(note: Note): void {
    if (LOG_LEVELS.indexOf(note.level) < this.#least) return;
    const {wall} = this.#options.clock.now();
    const kind = this.#kindOf(note, wall);
    if (kind.lines >= LINES_PER_PERIOD) {
      kind.suppressed++;
      return;
    }
    kind.lines++;
    this.#line(note.level, note.what, note.fields, wall);
  }

  count(name: string, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }

  /** Counters since the start, by name. */
  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counters].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Says what was left out until now; call it at the end of the process. */
  close(): void {
    const {wall} = this.#options.clock.now();
    for (const [what, kind] of this.#kinds) this.#tellSuppressed(what, kind, wall);
    this.#kinds.clear();
  }

  #kindOf({what, level}: Note, wall: WallMs): Kind {
    let kind = this.#kinds.get(what);
    // A clock set back ends the period too.
    if (kind && Math.abs(wall - kind.since) >= PERIOD_MS) {
      this.#tellSuppressed(what, kind, wall);
      kind = undefined;
    }
    if (!kind) {
      kind = {level, since: wall, lines: 0, suppressed: 0};
      this.#kinds.set(what, kind);
    }
    return kind;
  }

  #tellSuppressed(what: string, kind: Kind, wall: WallMs): void {
    if (kind.suppressed > 0) this.#line(kind.level, what, {suppressed: kind.suppressed}, wall);
    kind.suppressed = 0;
  }

  #line(level: LogLevel, what: string, fields: Note['fields'], wall: WallMs): void {
    const time = isoTime(wall);
    const line =
      this.#options.format === 'json'
        ? JSON.stringify({...shortened(fields), time, level, what})
        : `${time} ${level.padEnd(5)} ${what}${humanFields(shortened(fields))}`;
    this.#write(`${harmless(line)}\n`);
  }
}

const shortened = (fields: Note['fields']): Note['fields'] =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value,
    ]),
  );

const humanFields = (fields: Note['fields']): string =>
  Object.entries(fields)
    .map(([name, value]) => ` ${name}=${humanValue(value)}`)
    .join('');

/** Quoted unless it is one plain word, so that a value cannot look like another field. */
const humanValue = (value: string | number | boolean): string =>
  typeof value === 'string' && !/^[\w.:/@%+,-]+$/.test(value)
    ? JSON.stringify(value)
    : String(value);
