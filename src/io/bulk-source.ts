// The file of a bulk transfer as its sender reads it: hashes of its blocks, and any symbol of any block. Each block that
// is sent of is read once and stays among the newest; its parity is made from it when it is asked for.

import {createHash} from 'node:crypto';
import {closeSync, fstatSync, openSync, readSync} from 'node:fs';
import {VolleyError} from '../base/errors.ts';
import {BLOCK_HASH_BYTES, type BulkLayout} from '../core/bulk-layout.ts';
import {paritySymbol} from '../core/reed-solomon.ts';

/** Blocks that are kept: those that take turns, and some that are repaired meanwhile. 3 MiB. */
const KEPT_BLOCKS = 32;

export class BulkSource {
  readonly #path: string;
  readonly #layout: BulkLayout;
  readonly #file: number;
  readonly #blocks = new Map<number, readonly Uint8Array[]>();
  #list: Uint8Array | undefined;

  /** Throws VOLLEY_BAD_INPUT when the file has not the size that was told. */
  constructor(path: string, layout: BulkLayout) {
    this.#path = path;
    this.#layout = layout;
    this.#file = openSync(path, 'r');
    const {size} = fstatSync(this.#file);
    if (size === layout.size) return;
    closeSync(this.#file);
    throw new VolleyError('VOLLEY_BAD_INPUT', {
      reason: `${path} has ${size} bytes, expected were ${layout.size}`,
    });
  }

  /** Reads all of the file. */
  list(): Uint8Array {
    const {lists, blocks, listBytes} = this.#layout;
    const list = new Uint8Array(listBytes);
    for (let block = lists; block < blocks; block++) {
      const hash = createHash('sha256').update(this.#read(block)).digest();
      list.set(hash.subarray(0, BLOCK_HASH_BYTES), (block - lists) * BLOCK_HASH_BYTES);
    }
    this.#list = list;
    return list;
  }

  symbol(block: number, no: number): Uint8Array {
    const sources = this.#sourcesOf(block);
    return sources[no] ?? paritySymbol(sources, no);
  }

  close(): void {
    closeSync(this.#file);
  }

  #sourcesOf(block: number): readonly Uint8Array[] {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const sources = this.#layout.sourcesIn(this.#read(block));
    this.#blocks.set(block, sources);
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > KEPT_BLOCKS && oldest !== undefined) this.#blocks.delete(oldest);
    return sources;
  }

  #read(block: number): Uint8Array {
    const [length, offset] = [this.#layout.bytesOf(block), this.#layout.offsetOf(block)];
    if (this.#layout.isList(block)) {
      this.#list ??= this.list();
      return this.#list.subarray(offset, offset + length);
    }
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const got = readSync(this.#file, bytes, at, length - at, offset + at);
      if (got === 0)
        throw new VolleyError('VOLLEY_BAD_INPUT', {
          reason: `${this.#path} ends at byte ${fstatSync(this.#file).size}: it was changed while it was sent`,
        });
      at += got;
    }
    return bytes;
  }
}
