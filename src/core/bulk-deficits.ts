// What a node lacks, as its reports say it: for the blocks from one on, how many symbols more each needs. Equal
// neighbours are one run, so that a node which has nothing at all says so in four bytes.
//
//   deficit (0 … 128) and length of the run, varints · …

import {ByteReader, ByteWriter} from '../base/bytes.ts';
import {DEFICIT_BYTES_MAX, SYMBOLS_PER_BLOCK_MAX} from '../wire/limits.ts';

/** A deficit of two bytes, a run of up to 2^28 blocks. */
const RUN_BYTES_MAX = 6;

export type DeficitRun = {readonly deficit: number; readonly length: number};

export function runsOf(deficits: Iterable<number>): DeficitRun[] {
  const runs: {deficit: number; length: number}[] = [];
  for (const deficit of deficits) {
    const last = runs[runs.length - 1];
    if (last?.deficit === deficit) last.length += 1;
    else runs.push({deficit, length: 1});
  }
  return runs;
}

/** As many of the first runs as there is room for: the next report brings the others. */
export function packDeficits(runs: readonly DeficitRun[]): Uint8Array {
  const writer = new ByteWriter();
  const fitting = Math.floor(DEFICIT_BYTES_MAX / RUN_BYTES_MAX);
  for (const {deficit, length} of runs.slice(0, fitting)) writer.varint(deficit).varint(length);
  return writer.bytes();
}

/** undefined = malformed, or of more than `blocks` blocks. */
export function unpackDeficits(packed: Uint8Array, blocks: number): DeficitRun[] | undefined {
  const reader = new ByteReader(packed);
  const runs: DeficitRun[] = [];
  let left = blocks;
  try {
    while (!reader.done) {
      const [deficit, length] = [reader.varint(), reader.varint()];
      if (deficit > SYMBOLS_PER_BLOCK_MAX || length < 1 || length > left) return undefined;
      left -= length;
      runs.push({deficit, length});
    }
  } catch {
    return undefined;
  }
  return runs;
}
