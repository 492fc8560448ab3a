// A blob becomes a file that is whole or not there: bytes go to `<path>.part`, which a later try goes on
// with, and only when its hash is the blob's name does it get its own name.

import {createHash} from 'node:crypto';
import type {FileHandle} from 'node:fs/promises';
import {mkdir, open, rename, rm} from 'node:fs/promises';
import {dirname} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import {MIB} from '../base/units.ts';

/** The blob's bytes from `offset` on; undefined when there are none so far out. */
export type OpenAt = (offset: number) => Promise<AsyncIterable<Uint8Array> | undefined>;

/** Answers the size. Throws VOLLEY_BAD_INPUT when what came is not the blob, and leaves nothing then. */
export async function saveBlob(blobId: BlobId, path: string, openAt: OpenAt): Promise<number> {
  const part = `${path}.part`;
  await mkdir(dirname(path), {recursive: true});
  const file = await open(part, 'a+');
  const hash = createHash('sha256');
  let size = 0;
  let resumed = false;
  try {
    for await (const piece of piecesOf(file)) {
      hash.update(piece);
      size += piece.length;
    }
    resumed = size > 0;
    for await (const piece of (await openAt(size)) ?? []) {
      hash.update(piece);
      size += piece.length;
      await file.appendFile(piece);
    }
    await file.datasync();
  } catch (error) {
    // Nothing came: nothing to go on with.
    if (size === 0) await rm(part, {force: true});
    throw error;
  } finally {
    await file.close();
  }
  if (hash.digest('hex') !== blobId) {
    await rm(part, {force: true});
    // What an earlier try left may be what was wrong: once more, from nothing.
    if (resumed) return saveBlob(blobId, path, openAt);
    const reason = `what came for ${path} is not blob ${blobId}; try again`;
    throw new VolleyError('VOLLEY_BAD_INPUT', {reason});
  }
  await rename(part, path);
  return size;
}

async function* piecesOf(file: FileHandle): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(MIB);
  for (let at = 0; ; ) {
    const {bytesRead} = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
