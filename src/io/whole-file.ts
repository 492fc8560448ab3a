// When is a picture whole that another program writes? Those programs say so at best in words that change from
// version to version, so the file itself is looked at: its format has an end, or it has grown no more for a while.

import {open, stat} from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';

const LOOK_MS = 20;
/** A file of a format whose end nobody knows is whole when it has had the same size for so long. */
const STILL_MS = 400;

const JPEG_START = [0xff, 0xd8];
const JPEG_END = [0xff, 0xd9];
const PNG_START = [0x89, 0x50, 0x4e, 0x47];
/** The chunk IEND with its checksum. */
const PNG_END = [0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];

export type Wholeness = 'whole' | 'cut' | 'unknown' | 'missing';

/** By its first and last bytes. */
export async function wholenessOf(path: string): Promise<Wholeness> {
  const size = (await stat(path).catch(() => undefined))?.size;
  if (size === undefined) return 'missing';
  if (size < PNG_END.length) return 'cut';
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return 'missing';
  try {
    const head = await bytesOf(file, 0, PNG_START.length);
    const tail = await bytesOf(file, size - PNG_END.length, PNG_END.length);
    const startsWith = (bytes: readonly number[]): boolean => bytes.every((b, i) => head[i] === b);
    const endsWith = (bytes: readonly number[]): boolean =>
      bytes.every((b, i) => tail[tail.length - bytes.length + i] === b);
    if (startsWith(JPEG_START)) return endsWith(JPEG_END) ? 'whole' : 'cut';
    if (startsWith(PNG_START)) return endsWith(PNG_END) ? 'whole' : 'cut';
    return 'unknown';
  } finally {
    await file.close();
  }
}

async function bytesOf(
  file: Awaited<ReturnType<typeof open>>,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.read(bytes, 0, length, position);
  return bytes;
}

/**
 * Waits until the file is whole; false = it is not there, or not whole, when `isOver` says that nobody
 * writes it any more.
 */
export async function untilWhole(path: string, isOver: () => boolean): Promise<boolean> {
  let sizeBefore = -1;
  let stillMs = 0;
  for (;;) {
    const over = isOver();
    const size = (await stat(path).catch(() => undefined))?.size ?? -1;
    const isStill = size >= 0 && size === sizeBefore;
    stillMs = isStill ? stillMs + LOOK_MS : 0;
    // a thumbnail inside of a JPEG ends as the JPEG does: two looks at the same size
    if ((isStill || over) && (await isWhole(path, over || stillMs >= STILL_MS))) return true;
    if (over) return false;
    sizeBefore = size;
    await sleep(LOOK_MS);
  }
}

/** @param isStill nobody seems to write it any more */
async function isWhole(path: string, isStill: boolean): Promise<boolean> {
  const wholeness = await wholenessOf(path);
  return wholeness === 'whole' || (wholeness === 'unknown' && isStill);
}
