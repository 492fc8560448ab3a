// The file of a transfer at a node while it comes: each block is written once, where it belongs, in any order.
//
//   <dir>/<name>.part   the file, with holes
//   <dir>/<name>.list   the hashes of its blocks, as soon as they are known
//
// After a crash whatever is in the one and fits the other is good: nothing else is written down. The hash of the whole
// is taken along as its front grows, from memory where the next block is the one that came, else from the file.

import {createHash, type Hash} from 'node:crypto';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import {join} from 'node:path';
import type {BlobId} from '../base/types.ts';
import {DAY_MS} from '../base/units.ts';
import {BLOCK_HASH_BYTES, type BulkLayout} from '../core/bulk-layout.ts';

/** A transfer waits for a day; clocks of boards may be set meanwhile. */
const PART_MS_MAX = 7 * DAY_MS;
/** Of `st_blocks`, whatever the disk: stat(2). */
const DISK_BLOCK_BYTES = 512;

export type KnownBlocks = {readonly list: Uint8Array; readonly blocks: readonly number[]};

export class BulkFile {
  /** Without what its two files end with. */
  readonly #stem: string;
  readonly #blobId: BlobId;
  readonly #layout: BulkLayout;
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  /** Of the file, from 0: 1 = on the disk. */
  readonly #there: Uint8Array;
  /** Blocks of which the hash of the whole has been taken. */
  #hashed = 0;
  #hashing: Promise<void> = Promise.resolve();

  private constructor(stem: string, blobId: BlobId, layout: BulkLayout, file: FileHandle) {
    this.#stem = stem;
    this.#blobId = blobId;
    this.#layout = layout;
    this.#file = file;
    this.#there = new Uint8Array(layout.blocks - layout.lists);
  }

  /** Rejects with what the disk says. @param name of a transfer: two of one blob share nothing */
  static async open(
    dir: string,
    blobId: BlobId,
    layout: BulkLayout,
    name: string = blobId,
  ): Promise<BulkFile> {
    await mkdir(dir, {recursive: true, mode: 0o700});
    const stem = join(dir, name);
    const path = `${stem}.part`;
    const file = await open(path, 'r+', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return open(path, 'wx+', 0o600);
    });
    try {
      await file.truncate(layout.size);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new BulkFile(stem, blobId, layout, file);
  }

  /** Whatever an earlier life left of it goes. */
  static async remove(dir: string, name: string): Promise<void> {
    for (const end of ['part', 'list']) await rm(join(dir, `${name}.${end}`), {force: true});
  }

  get path(): string {
    return `${this.#stem}.part`;
  }

  /** That the disk has given it: holes take none. */
  async bytesThere(): Promise<number> {
    return (await this.#file.stat()).blocks * DISK_BLOCK_BYTES;
  }

  /** What an earlier life left of it, held against the list that it left. @param listHash of the list that is offered */
  async known(listHash: Uint8Array): Promise<KnownBlocks | undefined> {
    const list = await readFile(this.#listPath).catch(() => undefined);
    if (list === undefined || !createHash('sha256').update(list).digest().equals(listHash))
      return undefined;
    const blocks: number[] = [];
    for (let block = 0; block < this.#there.length; block++) {
      const hash = createHash('sha256')
        .update(await this.#read(block))
        .digest();
      const at = block * BLOCK_HASH_BYTES;
      const expected = list.subarray(at, at + BLOCK_HASH_BYTES);
      if (!hash.subarray(0, BLOCK_HASH_BYTES).equals(expected)) continue;
      this.#there[block] = 1;
      blocks.push(block);
    }
    this.#takeHash();
    return {list: new Uint8Array(list), blocks};
  }

  /** Not worth a sync: without it the file is taken anew after a power cut. */
  async keepList(list: Uint8Array): Promise<void> {
    await writeFile(this.#listPath, list, {mode: 0o600});
  }

  /** @param block of the file, from 0. Rejects with what the disk says */
  async write(block: number, bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const offset = block * this.#layout.blockBytes + at;
      const {bytesWritten} = await this.#file.write(bytes, at, bytes.length - at, offset);
      at += bytesWritten;
    }
    this.#there[block] = 1;
    if (block === this.#hashed && this.#isHashing === 0) {
      this.#hash.update(bytes);
      this.#hashed += 1;
    }
    this.#takeHash();
  }

  /** All blocks are there: durable when it resolves. false = the whole has another hash than its name. */
  async finish(): Promise<boolean> {
    this.#takeHash();
    await this.#hashing;
    if (this.#hashed < this.#there.length) return false;
    if (this.#hash.digest('hex') !== this.#blobId) return false;
    await this.#file.sync();
    return true;
  }

  /** Closes it; what is there stays for another try. */
  async close(): Promise<void> {
    await this.#hashing.catch(() => {});
    await this.#file.close();
  }

  /** Nobody wants it any more. */
  async discard(): Promise<void> {
    await this.close().catch(() => {});
    await rm(this.path, {force: true});
    await this.dropList();
  }

  async dropList(): Promise<void> {
    await rm(this.#listPath, {force: true});
  }

  #isHashing = 0;

  /** Blocks that came before their turn are read back: from the cache of the kernel, as they are new. */
  #takeHash(): void {
    if (this.#isHashing > 0 || this.#there[this.#hashed] !== 1) return;
    this.#isHashing += 1;
    this.#hashing = this.#hashOn().finally(() => {
      this.#isHashing -= 1;
    });
    this.#hashing.catch(() => {}); // told by `finish`
  }

  async #hashOn(): Promise<void> {
    while (this.#there[this.#hashed] === 1) {
      this.#hash.update(await this.#read(this.#hashed));
      this.#hashed += 1;
    }
  }

  async #read(block: number): Promise<Uint8Array> {
    const {blockBytes, size} = this.#layout;
    const bytes = new Uint8Array(Math.min(blockBytes, size - block * blockBytes));
    let at = 0;
    while (at < bytes.length) {
      const offset = block * blockBytes + at;
      const {bytesRead} = await this.#file.read(bytes, at, bytes.length - at, offset);
      if (bytesRead === 0) return bytes.fill(0);
      at += bytesRead;
    }
    return bytes;
  }

  get #listPath(): string {
    return `${this.#stem}.list`;
  }
}

/** Of transfers that ended while this node was away. @param wall now, ms */
export async function forgetOldParts(dir: string, wall: number): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  for (const name of names) {
    const path = join(dir, name);
    const {mtimeMs} = await stat(path).catch(() => ({mtimeMs: wall}));
    if (wall - mtimeMs > PART_MS_MAX) await rm(path, {force: true});
  }
}
