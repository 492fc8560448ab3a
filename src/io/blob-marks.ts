// Which blobs of a folder are named in bytes, whatever those bytes are: rows, or blobs that name blobs. An id counts
// wherever it stands, as its 32 bytes (reports and statements are signed as they travel) or as 64 hex characters
// (JSON, keys; a statement that is kept as hex), also inside of a longer run of either. So a row of a kind that is not
// known here keeps what it names, and a text that only looks like an id keeps a blob that could go: the safe side.
//
// The ids are given first, then the bytes are looked through once. An id is evenly distributed, so its first four
// bytes are its hash in a table of our own, which takes 50 to 70 bytes for each blob where a Map of strings takes 200.
// At each place a bit says first whether any id begins like this: small enough for the caches, and mostly it is 0.

import {assert} from '../base/assert.ts';
import {fromHex, toHex, uint32At} from '../base/bytes.ts';
import {asBlobId, type BlobId} from '../base/types.ts';

const ID_BYTES = 32;
const ID_CHARACTERS = 64;
const FIRST_IDS = 1_024;
/** Slots and bits for each id at least; twice as many at most. */
const SLOTS_PER_ID = 2;
const BITS_PER_ID = 16;
/** Value of a hex character, NONE of any other. Ids are lower case. */
const NONE = 16;
const NIBBLES = new Uint8Array(256).fill(NONE);
for (let value = 0; value < 16; value++) NIBBLES[value.toString(16).charCodeAt(0)] = value;

/** What a mark is for: told each time an id is found. */
export type OnNamed = (no: number) => void;

export class BlobMarks {
  #ids = new Uint8Array(FIRST_IDS * ID_BYTES);
  #count = 0;
  /** Number of a blob and 1; 0 = empty. */
  #slots = new Uint32Array(0);
  #bits = new Uint8Array(0);
  #marked = new Uint8Array(0);

  /** Blobs are numbered from 0 in the order in which they are added; each once. */
  add(blobId: BlobId): void {
    assert(this.#slots.length === 0, 'ids are given before bytes');
    const id = fromHex(blobId);
    assert(id?.length === ID_BYTES, 'the name of a blob is its id');
    const at = this.#count * ID_BYTES;
    if (at === this.#ids.length) {
      const grown = new Uint8Array(2 * this.#ids.length);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    this.#ids.set(id, at);
    this.#count += 1;
  }

  get count(): number {
    return this.#count;
  }

  idOf(no: number): BlobId {
    return asBlobId(toHex(this.#ids.subarray(no * ID_BYTES, (no + 1) * ID_BYTES)));
  }

  isMarked(no: number): boolean {
    return this.#marked[no] === 1;
  }

  /** Marks every blob that is named somewhere in these bytes. */
  mark(bytes: Uint8Array, onNamed?: OnNamed): void {
    if (this.#slots.length === 0) this.#place();
    // Read once: this loop sees every byte of a store.
    const bits = this.#bits;
    const mask = 8 * bits.length - 1;
    const end = bytes.length;
    const lastRaw = end - ID_BYTES + 3;
    let head = 0;
    let run = 0;
    for (let i = 0; i < end; i++) {
      const byte = bytes[i] as number;
      head = (head << 8) | byte;
      const bit = head & mask;
      if (((bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0 && i >= 3 && i <= lastRaw)
        this.#look(head >>> 0, bytes, i - 3, isRawAt, onNamed);
      run = NIBBLES[byte] === NONE ? 0 : run + 1;
      if (run >= ID_CHARACTERS) this.#lookHex(bytes, i - ID_CHARACTERS + 1, onNamed);
    }
  }

  /** How many bytes of a part may be the beginning of an id that ends in the next one. */
  static readonly OVERLAP_BYTES = ID_CHARACTERS - 1;

  #lookHex(bytes: Uint8Array, at: number, onNamed: OnNamed | undefined): void {
    const head = hexHead(bytes, at);
    const bit = head & (8 * this.#bits.length - 1);
    if (((this.#bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0)
      this.#look(head, bytes, at, isHexAt, onNamed);
  }

  #look(
    head: number,
    bytes: Uint8Array,
    at: number,
    isAt: typeof isRawAt,
    onNamed: OnNamed | undefined,
  ): void {
    const mask = this.#slots.length - 1;
    for (let slot = head & mask; ; slot = (slot + 1) & mask) {
      const no = (this.#slots[slot] as number) - 1;
      if (no < 0) return;
      if (!isAt(bytes, at, this.#ids, no * ID_BYTES)) continue;
      this.#marked[no] = 1;
      onNamed?.(no);
      return;
    }
  }

  #place(): void {
    const slots = new Uint32Array(powerOfTwo(SLOTS_PER_ID * (this.#count + 1)));
    const bits = new Uint8Array(powerOfTwo(BITS_PER_ID * (this.#count + 1)) / 8);
    const mask = slots.length - 1;
    for (let no = 0; no < this.#count; no++) {
      const head = uint32At(this.#ids, no * ID_BYTES);
      let slot = head & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = no + 1;
      const bit = head & (8 * bits.length - 1);
      bits[bit >>> 3] = (bits[bit >>> 3] as number) | (1 << (bit & 7));
    }
    this.#slots = slots;
    this.#bits = bits;
    this.#marked = new Uint8Array(this.#count);
  }
}

const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(atLeast));

function isRawAt(bytes: Uint8Array, at: number, ids: Uint8Array, idAt: number): boolean {
  for (let i = 0; i < ID_BYTES; i++) if (bytes[at + i] !== ids[idAt + i]) return false;
  return true;
}

function isHexAt(bytes: Uint8Array, at: number, ids: Uint8Array, idAt: number): boolean {
  for (let i = 0; i < ID_BYTES; i++) if (hexByte(bytes, at + 2 * i) !== ids[idAt + i]) return false;
  return true;
}

const hexByte = (bytes: Uint8Array, at: number): number =>
  ((NIBBLES[bytes[at] as number] as number) << 4) | (NIBBLES[bytes[at + 1] as number] as number);

const hexHead = (bytes: Uint8Array, at: number): number =>
  ((hexByte(bytes, at) << 24) |
    (hexByte(bytes, at + 2) << 16) |
    (hexByte(bytes, at + 4) << 8) |
    hexByte(bytes, at + 6)) >>>
  0;
