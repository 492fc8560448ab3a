// Is there room on the disk for anything new? Full below a floor, and not full again before an eighth more
// than the floor is free: else every few bytes would turn it about.

import {MIB} from '../base/units.ts';
import type {Note} from './core.ts';

const FLOOR_BYTES = 64 * MIB;
const FLOOR_PART = 0.05;
const HYSTERESIS = 1 / 8;

export type SpaceSeen = {readonly freeBytes: number; readonly floorBytes: number};

/** The floor of a master: 64 MiB, or 5 % of a disk for which that is more. */
export const masterFloor = (totalBytes: number): number =>
  Math.max(FLOOR_BYTES, totalBytes * FLOOR_PART);
/** The floor of a node: it writes little, and its card may be small and well filled. */
export const nodeFloor = (): number => FLOOR_BYTES;

export class FreeSpace {
  #seen: SpaceSeen = {freeBytes: Number.POSITIVE_INFINITY, floorBytes: 0};
  #isFull = false;

  get isFull(): boolean {
    return this.#isFull;
  }

  get seen(): SpaceSeen {
    return this.#seen;
  }

  /** true = what isFull says has changed. */
  see(seen: SpaceSeen): boolean {
    const before = this.#isFull;
    const {freeBytes, floorBytes} = seen;
    this.#seen = seen;
    this.#isFull = freeBytes < floorBytes * (before ? 1 + HYSTERESIS : 1);
    return this.#isFull !== before;
  }

  /** What changed, for the log. @param effect what a full disk means here */
  note(effect: string): Note {
    const {freeBytes: free, floorBytes: floor} = this.#seen;
    const fields = {free, floor};
    return this.#isFull
      ? {level: 'alarm', what: `the disk is nearly full: ${effect}`, fields}
      : {level: 'info', what: 'the disk has room again', fields};
  }

  /** A write found no room, whatever was measured. true = isFull has changed. */
  failed(): boolean {
    const before = this.#isFull;
    this.#isFull = true;
    return !before;
  }
}
