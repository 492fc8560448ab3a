// How fast one core of this machine is, roughly: rounds of whole numbers and of floating point in a millisecond,
// measured for 60 ms at the first start and kept. People compare boards by it; how much work a node asks
// for follows from run times that are measured, not from this.

import {cpus} from 'node:os';
import {join} from 'node:path';
import {fromUtf8, toUtf8} from '../base/bytes.ts';
import {DAY_MS} from '../base/units.ts';
import {readOwned, SECRET_FILE_MODE, writeDurably} from './key-files.ts';

const PART_MS = 30;
/** Short enough that one of many is not disturbed by other programs. */
const SLICE_ROUNDS = 20_000;
const KEPT_MS = 30 * DAY_MS;
const SPEED_MAX = 2 ** 32 - 1;

/** What a benchmark is good for: another engine or processor is another machine. */
export const machineName = (): string =>
  `${process.arch} ${cpus()[0]?.model.trim() ?? ''} ${process.version}`;

/** xorshift and multiply: what hashes, sieves and dice do. */
function wholeRounds(rounds: number): number {
  let x = 0x9e3779b9;
  for (let i = 0; i < rounds; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    x = Math.imul(x, 0x85ebca6b) + i;
  }
  return x;
}

/** Multiply, add, divide: what pictures and physics do. */
function floatRounds(rounds: number): number {
  let x = 0.5;
  let y = 0;
  for (let i = 0; i < rounds; i++) {
    x = 3.9 * x * (1 - x);
    y += x / (1.5 + x);
  }
  return x + y;
}

let sink = 0;

/** Rounds in a millisecond: of the fastest slice, since other programs only ever make one slower. */
function fastest(run: (rounds: number) => number, clock: () => number): number {
  let best = 0;
  const until = clock() + PART_MS;
  while (clock() < until) {
    const at = clock();
    sink += run(SLICE_ROUNDS);
    best = Math.max(best, SLICE_ROUNDS / Math.max(clock() - at, 0.001));
  }
  return best;
}

/** @param clock monotonic, ms */
export function measureSpeed(clock: () => number): number {
  const both = Math.sqrt(fastest(wholeRounds, clock) * fastest(floatRounds, clock));
  return Number.isNaN(sink) ? 0 : Math.min(SPEED_MAX, Math.round(both));
}

type Kept = {readonly machine: string; readonly speed: number; readonly at: number};

/** As kept in the folder, or measured now. @param wall ms; @param measure takes 60 ms */
export function speedOf(dir: string, wall: number, measure: () => number): number {
  const path = join(dir, 'benchmark.json');
  const machine = machineName();
  const kept = keptIn(path);
  const ageMs = wall - (kept?.at ?? 0);
  if (kept?.machine === machine && ageMs >= 0 && ageMs < KEPT_MS) return kept.speed;
  const speed = measure();
  const fresh: Kept = {machine, speed, at: wall};
  writeDurably(path, toUtf8(`${JSON.stringify(fresh)}\n`), SECRET_FILE_MODE);
  return speed;
}

function keptIn(path: string): Kept | undefined {
  try {
    const value = JSON.parse(fromUtf8(readOwned(path) ?? new Uint8Array()) ?? '') as Kept;
    const isWhole = Number.isInteger(value.speed) && value.speed >= 0 && value.speed <= SPEED_MAX;
    return isWhole && Number.isFinite(value.at) ? value : undefined;
  } catch {
    return undefined; // damaged: measured anew
  }
}
