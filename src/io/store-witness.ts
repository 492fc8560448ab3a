// The witness: a file of two lines beside LevelDB's own that says how far the journal went. A bit that
// flips near the end of LevelDB's log looks like a write that a crash cut short: LevelDB drops the last
// commits without a word, and what is left is a good, shorter journal. The witness knows the longer one.
//
//   HEAD = two slots of 64 bytes, written in turn: journal number f64 BE, hash 32, CRC-32 of both
//
// It is written after the commit is synced, and is not synced itself (that would double the price of a
// commit): after a power cut it may be older than the journal, never newer, and older says nothing. A torn
// slot is not read; the other one is one commit older.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {crc32} from 'node:zlib';
import {VolleyError} from '../base/errors.ts';
import {decodeHead, type Head} from '../core/journal.ts';

export const WITNESS_FILE = 'HEAD';
const SLOT_BYTES = 64;
const HASH_BYTES = 32;
const SUMMED_BYTES = 8 + HASH_BYTES;

export class StoreWitness {
  readonly #path: string;
  readonly #file: number;
  readonly #slot = new Uint8Array(SLOT_BYTES);
  readonly #view = new DataView(this.#slot.buffer);
  /** What it said when it was opened; undefined = nothing that can be read. */
  readonly seen: Head | undefined;

  /** @param folder of the store */
  constructor(folder: string) {
    this.seen = readWitness(folder);
    this.#path = join(folder, WITNESS_FILE);
    this.#file = openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  /**
   * @param headRow payload of meta/head as it is durable now
   * @throws VOLLEY_STORE_FAILED when somebody deleted the store
   */
  write(headRow: Uint8Array): void {
    // A file without a name is lost with the process, and so are LevelDB's beside it.
    if (fstatSync(this.#file).nlink === 0)
      throw new VolleyError('VOLLEY_STORE_FAILED', {reason: `${this.#path} was deleted`});
    const {journalNo, hash} = decodeHead(headRow);
    this.#view.setFloat64(0, journalNo);
    this.#slot.set(hash, 8);
    this.#view.setUint32(SUMMED_BYTES, crc32(this.#slot.subarray(0, SUMMED_BYTES)));
    writeSync(this.#file, this.#slot, 0, SLOT_BYTES, (journalNo % 2) * SLOT_BYTES);
  }

  close(): void {
    fsyncSync(this.#file);
    closeSync(this.#file);
  }
}

/** The newer of the two slots that can be read. */
export function readWitness(folder: string): Head | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(join(folder, WITNESS_FILE));
  } catch {
    return undefined;
  }
  const [a, b] = [slotAt(bytes, 0), slotAt(bytes, SLOT_BYTES)];
  if (a && b) return a.journalNo > b.journalNo ? a : b;
  return a ?? b;
}

function slotAt(bytes: Uint8Array, at: number): Head | undefined {
  if (bytes.length < at + SLOT_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, SLOT_BYTES);
  const summed = bytes.subarray(at, at + SUMMED_BYTES);
  if (view.getUint32(SUMMED_BYTES) !== crc32(summed)) return undefined;
  return {journalNo: view.getFloat64(0), hash: new Uint8Array(summed.subarray(8))};
}
