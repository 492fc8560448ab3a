// How much room a disk has, looked at every second and when something large was written.

import {statfs} from 'node:fs/promises';
import type {SpaceSeen} from '../core/free-space.ts';
import {every} from './system-clock.ts';

const LOOK_MS = 1_000;
/** Told so often at least: a write may have found no room (a quota, a moment) that no look has seen. */
const LOOKS_UNTOLD_MAX = 10;

/** Bytes that may be written here until fewer than `floorBytes` are free; Infinity where nobody can say. */
export async function roomAt(path: string, floorBytes: number): Promise<number> {
  const seen = await statfs(path).catch(() => undefined);
  return seen ? seen.bavail * seen.bsize - floorBytes : Number.POSITIVE_INFINITY;
}

export class DiskWatch {
  readonly #path: string;
  readonly #floorOf: (totalBytes: number) => number;
  readonly #tell: (seen: SpaceSeen) => void;
  readonly #stop: () => void;
  /** Far from the floor, and said so: nothing to tell. */
  #isPlenty = false;
  #untold = 0;

  /** @param floorOf bytes that must be free, by the size of the disk */
  constructor(
    path: string,
    floorOf: (totalBytes: number) => number,
    tell: (seen: SpaceSeen) => void,
  ) {
    this.#path = path;
    this.#floorOf = floorOf;
    this.#tell = tell;
    this.#stop = every(LOOK_MS, () => void this.look());
  }

  /** Tells what is free now. What cannot be measured is not told: the write itself will say. */
  async look(): Promise<void> {
    const seen = await statfs(this.#path).catch(() => undefined);
    if (!seen) return;
    const floorBytes = this.#floorOf(seen.blocks * seen.bsize);
    const freeBytes = seen.bavail * seen.bsize;
    const wasPlenty = this.#isPlenty;
    this.#isPlenty = freeBytes > 2 * floorBytes;
    this.#untold += 1;
    if (wasPlenty && this.#isPlenty && this.#untold < LOOKS_UNTOLD_MAX) return;
    this.#untold = 0;
    this.#tell({freeBytes, floorBytes});
  }

  close(): void {
    this.#stop();
  }
}
