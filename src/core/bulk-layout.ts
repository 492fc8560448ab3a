// How the bytes of a transfer lie in blocks and symbols. Before the file comes the list of its blocks' hashes, in
// blocks of its own: whoever has it can check each block of the file alone, and drop one that a forger spoiled.
//
//   block 0 … lists-1            the list: 16 bytes of SHA-256 for each block of the file
//   block lists … blocks-1       the file
//
// A block has `symbolsPerBlock` source symbols of `symbolBytes`, the last one of each part as many as it takes; the end
// of its last symbol is filled with zeros, which are coded and sent and stored nowhere.

import {assert} from '../base/assert.ts';

/** Of each block's SHA-256: second preimages stay out of reach, and 1 GB has a list of 190 kB. */
export const BLOCK_HASH_BYTES = 16;

export type BulkGeometry = {
  /** Bytes of the file. */
  readonly size: number;
  readonly symbolBytes: number;
  /** Source symbols of a whole block. */
  readonly symbolsPerBlock: number;
};

export class BulkLayout {
  readonly size: number;
  readonly symbolBytes: number;
  readonly symbolsPerBlock: number;
  /** Of a whole block. */
  readonly blockBytes: number;
  /** Blocks of the list, and of all. */
  readonly lists: number;
  readonly blocks: number;
  readonly listBytes: number;

  constructor({size, symbolBytes, symbolsPerBlock}: BulkGeometry) {
    this.size = size;
    this.symbolBytes = symbolBytes;
    this.symbolsPerBlock = symbolsPerBlock;
    this.blockBytes = symbolBytes * symbolsPerBlock;
    const files = Math.ceil(size / this.blockBytes);
    this.listBytes = files * BLOCK_HASH_BYTES;
    this.lists = Math.ceil(this.listBytes / this.blockBytes);
    this.blocks = this.lists + files;
  }

  isList(block: number): boolean {
    return block < this.lists;
  }

  /** Where in its part (list or file) a block begins. */
  offsetOf(block: number): number {
    return (this.isList(block) ? block : block - this.lists) * this.blockBytes;
  }

  /** Bytes of a block, without what fills its last symbol. */
  bytesOf(block: number): number {
    assert(block >= 0 && block < this.blocks, `block ${block} of ${this.blocks}`);
    const part = this.isList(block) ? this.listBytes : this.size;
    return Math.min(this.blockBytes, part - this.offsetOf(block));
  }

  /** Source symbols of a block: its k. */
  sourcesOf(block: number): number {
    return Math.ceil(this.bytesOf(block) / this.symbolBytes);
  }

  /** Source symbols of all blocks: what a transfer without any loss sends. */
  get sources(): number {
    const whole = (bytes: number): number => Math.ceil(bytes / this.symbolBytes);
    return whole(this.listBytes) + whole(this.size);
  }

  /** The k sources of a block as views of its bytes; the last one is a copy where it must be filled. */
  sourcesIn(bytes: Uint8Array): Uint8Array[] {
    const {symbolBytes} = this;
    return Array.from({length: Math.ceil(bytes.length / symbolBytes)}, (_, i) => {
      const source = bytes.subarray(i * symbolBytes, (i + 1) * symbolBytes);
      if (source.length === symbolBytes) return source;
      const filled = new Uint8Array(symbolBytes);
      filled.set(source);
      return filled;
    });
  }
}
