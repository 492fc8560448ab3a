// What people read: numbers, lengths of time, sizes. Texts that a peer chose pass `harmless` first, so
// that a node's name cannot steer the terminal.

import {once} from 'node:events';
import {harmless} from '../base/text.ts';
import {KIB, MIB} from '../base/units.ts';

/** One line on stdout. Our own texts; what peers chose must be harmless already. */
export const print = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

/** As `print`, but waits for a reader that is slower than we are: for lines without end. */
export async function printPaced(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

/** One line on stderr, for what is not the answer itself. */
export const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** 5761455 → 5,761,455 */
export const grouped = (value: number | bigint): string => value.toLocaleString('en-US');

/** 1 place, 2 places */
export const counted = (count: number, one: string): string =>
  `${grouped(count)} ${one}${count === 1 ? '' : 's'}`;

export const percent = (part: number, whole: number): string =>
  `${whole === 0 ? 100 : Math.floor((100 * part) / whole)} %`;

/** 512 → 512 bytes; 5872025 → 5.6 MiB */
export function sizeText(bytes: number): string {
  if (bytes < KIB) return `${bytes} bytes`;
  if (bytes < MIB) return `${(bytes / KIB).toFixed(1)} KiB`;
  const mebibytes = bytes / MIB;
  return mebibytes < KIB ? `${mebibytes.toFixed(1)} MiB` : `${(mebibytes / KIB).toFixed(1)} GiB`;
}

/** 75000 → 1 min 15 s; 1234 → 1.2 s */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? `${hours} h ${minutes % 60} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago an instant of the wall clock was. */
export const ago = (wallMs: number): string =>
  wallMs === 0 ? 'never' : `${duration(Math.max(0, Date.now() - wallMs))} ago`;

export const instant = (wallMs: number): string =>
  new Date(wallMs).toISOString().replace('T', ' ').slice(0, 19);

export const millis = (ms: number): string => ms.toFixed(Math.abs(ms) < 100 ? 2 : 0);

export const shortId = (hex: string): string => hex.slice(0, 8);

/** A text that a peer chose, for one cell or one line. */
export const safe = (text: string, charactersMax = 64): string => {
  const clean = harmless(text);
  return clean.length > charactersMax ? `${clean.slice(0, charactersMax - 1)}…` : clean;
};

/** `harmless`, but with the line ends and tabs that a text of several lines has. */
export const safeText = (text: string): string =>
  text
    .split('\n')
    .map(line => line.split('\t').map(harmless).join('\t'))
    .join('\n');
