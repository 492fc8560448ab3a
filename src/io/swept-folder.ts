// The folder of blobs as a sweep sees it: names, ages, bytes, and blobs that go. A disk that does not do what is asked
// is told to the sweep alone, for deleting later is no loss; writers and readers of blob-store.ts stop the process.

import {createReadStream} from 'node:fs';
import {readdir, stat, unlink} from 'node:fs/promises';
import {join} from 'node:path';
import {asBlobId, type BlobId, type MonoMs} from '../base/types.ts';
import type {BlobClaims} from './blob-claims.ts';
import {errnoOf} from './key-files.ts';

export type SeenBlob = {
  readonly size: number;
  /** When it was written or asked for last; wall clock, ms. */
  readonly touchedAt: number;
};

const SHELF = /^[0-9a-f]{2}$/;
const NAME = /^[0-9a-f]{64}$/;

/** Where a blob is in a folder of blobs. The caller has checked that the id is one. */
export const blobPath = (dir: string, blobId: BlobId): string =>
  join(dir, blobId.slice(0, 2), blobId);

export class SweptFolder {
  readonly #dir: string;
  readonly #claims: BlobClaims;
  readonly #unlink: (path: string) => Promise<void>;

  /** Use BlobStore.beginSweep. */
  constructor(
    dir: string,
    claims: BlobClaims,
    now: MonoMs,
    remove: (path: string) => Promise<void> = unlink,
  ) {
    this.#dir = dir;
    this.#claims = claims;
    this.#unlink = remove;
    claims.begin(now);
  }

  /** A row that named it went before this sweep began, and nobody has asked for it since. */
  isRipe(blobId: BlobId): boolean {
    return this.#claims.isRipe(blobId);
  }

  /** All blobs, in parts. What has another name is none of ours and is passed over. */
  async *names(): AsyncGenerator<BlobId[], void, void> {
    for (const shelf of await readdir(this.#dir)) {
      if (!SHELF.test(shelf)) continue;
      const names = await readdir(join(this.#dir, shelf));
      yield names.filter(name => NAME.test(name) && name.startsWith(shelf)).map(asBlobId);
    }
  }

  /** Without making it young; undefined = it is not there. */
  async look(blobId: BlobId): Promise<SeenBlob | undefined> {
    try {
      const {size, mtimeMs} = await stat(this.#pathOf(blobId));
      return {size, touchedAt: mtimeMs};
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Its bytes as they are; rejects when they cannot be read. */
  read(blobId: BlobId): AsyncIterable<Uint8Array> {
    return createReadStream(this.#pathOf(blobId));
  }

  /** @returns false = somebody asked for it since the sweep began: it stays */
  remove(blobId: BlobId): Promise<boolean> {
    return this.#claims.remove(blobId, () =>
      this.#unlink(this.#pathOf(blobId)).catch((error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw error; // somebody was faster
      }),
    );
  }

  end(): void {
    this.#claims.end();
  }

  #pathOf(blobId: BlobId): string {
    return blobPath(this.#dir, blobId);
  }
}
