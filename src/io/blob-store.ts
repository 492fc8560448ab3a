// Blobs: files named by the SHA-256 of their bytes, so that a name says what must be inside.
//
//   <dir>/tmp/<n>                 being written; left over from a crash: removed at open
//   <dir>/<first 2 hex>/<64 hex>  complete: written, fsynced, renamed, folder fsynced
//
// One process owns the folder (the one that has the store's lock).
//
// What no row names and nobody asked for of late is deleted (blob-sweep.ts). So that nobody is told that a blob
// is there which then goes, whoever asks for one makes it young: its mtime becomes now, unless it is that nearly. Bytes
// that are read are no question: what is read is named by a row.

import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {type FileHandle, mkdir, open, readFile, rename, rm, stat, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {asBlobId, type BlobId, type WallMs} from '../base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {NamedBlob} from '../core/input-source.ts';
import type {Clock} from '../runtime/ports.ts';
import {BLOB_BYTES_MAX} from '../wire/limits.ts';
import {BlobClaims, type Unnamed} from './blob-claims.ts';
import {blobPath, SweptFolder} from './swept-folder.ts';
import {SystemClock} from './system-clock.ts';

export type StoredBlob = {readonly blobId: BlobId; readonly size: number};

export type PutOptions = {
  /** Refuse anything else. */
  readonly expected?: BlobId;
  /** Bytes at most. Default BLOB_BYTES_MAX. */
  readonly limit?: number;
  /** What it is, for the message of VOLLEY_TOO_LARGE. */
  readonly what?: string;
};

/** Told of a disk that fails (not of one that is full): the process must stop, P11. */
export type OnFailure = (error: VolleyError) => void;

const STREAM_BYTES = 64 * 1_024;
/**
 * What is asked for all the time is made young this often, and once in each life of the process: a write for each
 * question would wear a card out. Graces are longer by far.
 */
const YOUNG_MS = 10 * MINUTE_MS;

/** Opens or creates the folder and removes what a crash left half written. */
export async function openBlobStore(dir: string, onFailure?: OnFailure): Promise<BlobStore> {
  try {
    await mkdir(dir, {recursive: true, mode: 0o700});
    await rm(join(dir, 'tmp'), {recursive: true, force: true});
    await mkdir(join(dir, 'tmp'), {mode: 0o700});
    await syncFolder(dir);
    await syncFolder(join(dir, '..'));
  } catch (error) {
    throw diskFailure(dir, error);
  }
  return new BlobStore(dir, onFailure);
}

export class BlobStore {
  readonly #dir: string;
  /** Folders that are there for good, or soon: two writers must both wait for the fsync. */
  readonly #folders = new Map<string, Promise<void>>();
  readonly #onFailure: OnFailure;
  readonly #claims = new BlobClaims();
  readonly #clock: Pick<Clock, 'now'>;
  readonly #openedAt: WallMs;
  #written = 0;

  /** Use openBlobStore. */
  constructor(
    dir: string,
    onFailure: OnFailure = () => {},
    clock: Pick<Clock, 'now'> = new SystemClock(),
  ) {
    this.#dir = dir;
    this.#onFailure = onFailure;
    this.#clock = clock;
    this.#openedAt = clock.now().wall;
  }

  /**
   * What is asked for or written from now on stays; `end` it. One at a time.
   * @param unlink deletes one file
   */
  beginSweep(unlink?: (path: string) => Promise<void>): SweptFolder {
    return new SweptFolder(this.#dir, this.#claims, this.#clock.now().mono, unlink);
  }

  /**
   * Rows that named these are gone for good: what nothing else names by the next sweep, and nobody has asked for by
   * then, goes without a grace.
   */
  async unname(blobs: readonly NamedBlob[]): Promise<void> {
    for (const {blobId, size} of blobs) {
      const bytes = size ?? (await stat(this.pathOf(blobId)).catch(() => undefined))?.size;
      if (bytes !== undefined) this.#claims.unname(blobId, bytes, this.#clock.now().mono);
    }
  }

  /** How much of that there is. */
  get unnamed(): Unnamed {
    return this.#claims.unnamed;
  }

  /** Runs `act`, which asks for blobs here and has them named: see blob-claims.ts. */
  naming<T>(act: () => Promise<T>): Promise<T> {
    return this.#claims.naming(act);
  }

  /** Durable when it resolves. Costs nothing when the blob is there already. */
  async put(bytes: Uint8Array): Promise<BlobId> {
    const blobId = asBlobId(createHash('sha256').update(bytes).digest('hex'));
    if ((await this.size(blobId)) === bytes.length) return blobId;
    try {
      await this.#write(async file => {
        await file.writeFile(bytes);
        return blobId;
      });
    } catch (error) {
      throw this.#failure(error);
    }
    return blobId;
  }

  /**
   * Writes and hashes as it comes; durable when it resolves. Rejects with VOLLEY_TOO_LARGE at the
   * first byte over the limit, VOLLEY_BAD_INPUT for another hash than expected, and with what the
   * source threw; nothing is left on the disk then.
   */
  async putStream(
    source: AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<StoredBlob> {
    const {expected, limit = BLOB_BYTES_MAX, what = 'the blob'} = options;
    let size = 0;
    const broken: {error?: unknown} = {};
    const write = this.#write(async file => {
      const hash = createHash('sha256');
      for await (const chunk of watched(source, broken)) {
        size += chunk.length;
        if (size > limit) throw new VolleyError('VOLLEY_TOO_LARGE', {what, size, limit});
        hash.update(chunk);
        await writeAll(file, chunk);
      }
      const written = asBlobId(hash.digest('hex'));
      if (expected === undefined || written === expected) return written;
      throw new VolleyError('VOLLEY_BAD_INPUT', {
        reason: `${what} has the hash ${written}, expected was ${expected}`,
      });
    });
    try {
      return {blobId: await write, size};
    } catch (error) {
      // What broke on the side of the sender is not the disk's fault: it goes out as it came.
      throw error === broken.error ? error : this.#failure(error);
    }
  }

  /** The whole blob, its hash checked. The caller owns the bytes. */
  async get(blobId: BlobId): Promise<Uint8Array> {
    const bytes = await this.#reading(blobId, path => readFile(path));
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== blobId) throw damaged(blobId, `its bytes have the hash ${found}`);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Exactly these bytes; a part has no hash of its own, so it is not checked. */
  async read(blobId: BlobId, offset: number, length: number): Promise<Uint8Array> {
    return await this.#reading(blobId, async path => {
      const file = await open(path, 'r');
      try {
        const bytes = new Uint8Array(length);
        let at = 0;
        while (at < length) {
          const {bytesRead} = await file.read(bytes, at, length - at, offset + at);
          if (bytesRead === 0) throw damaged(blobId, `it ends at byte ${offset + at}`);
          at += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    });
  }

  /** Bytes from `start` up to and without `end` in pieces of up to 64 KiB; not checked. */
  async *stream(
    blobId: BlobId,
    start = 0,
    end = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<Uint8Array, void, void> {
    if (end <= start) return;
    const range = {start, end: end - 1, highWaterMark: STREAM_BYTES};
    try {
      for await (const chunk of createReadStream(this.pathOf(blobId), range)) {
        const bytes = chunk as Buffer;
        yield new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      }
    } catch (error) {
      throw this.#readFailure(blobId, error);
    }
  }

  /** Where its bytes are, if they are. */
  pathOf(blobId: BlobId): string {
    if (!/^[0-9a-f]{64}$/.test(blobId))
      throw new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob: blobId});
    return blobPath(this.#dir, blobId);
  }

  /** Takes over a file of the same disk, synced, whose bytes the caller has held to this hash. */
  async adopt(path: string, blobId: BlobId): Promise<void> {
    try {
      await this.#settle(path, blobId);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async has(blobId: BlobId): Promise<boolean> {
    return (await this.size(blobId)) !== undefined;
  }

  /** Bytes, or undefined when it is not there. What is there stays for a while: see above. */
  async size(blobId: BlobId): Promise<number | undefined> {
    try {
      const path = this.pathOf(blobId);
      return await this.#claims.hold(blobId, async () => {
        const {size, mtimeMs} = await stat(path);
        const {wall} = this.#clock.now();
        if (wall - mtimeMs > YOUNG_MS || mtimeMs < this.#openedAt)
          await utimes(path, wall / SECOND_MS, wall / SECOND_MS);
        return size;
      });
    } catch (error) {
      const failure = this.#readFailure(blobId, error);
      if (failure instanceof VolleyError && failure.code === 'VOLLEY_UNKNOWN_BLOB')
        return undefined;
      throw failure;
    }
  }

  /**
   * One that has another name beside is one file with that: who edits it there has edited it here. What is not what
   * its hash says goes. false = it is not here any more
   */
  async isIntact(blobId: BlobId): Promise<boolean> {
    try {
      if ((await stat(this.pathOf(blobId))).nlink === 1) return true;
      const hash = createHash('sha256');
      for await (const bytes of this.stream(blobId)) hash.update(bytes);
      if (hash.digest('hex') === blobId) return true;
    } catch (error) {
      throw this.#readFailure(blobId, error);
    }
    await this.delete(blobId);
    return false;
  }

  /** Deleting what is not there is fine. */
  async delete(blobId: BlobId): Promise<void> {
    try {
      await rm(this.pathOf(blobId), {force: true});
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** `fill` writes the file and says what its name shall be. */
  async #write(fill: (file: FileHandle) => Promise<BlobId>): Promise<BlobId> {
    const tmp = join(this.#dir, 'tmp', String(++this.#written));
    try {
      const file = await open(tmp, 'wx', 0o600);
      let blobId: BlobId;
      try {
        blobId = await fill(file);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#settle(tmp, blobId);
      return blobId;
    } catch (error) {
      await rm(tmp, {force: true}).catch(() => {});
      throw error;
    }
  }

  async #settle(tmp: string, blobId: BlobId): Promise<void> {
    const path = this.pathOf(blobId);
    const folder = join(path, '..');
    await this.#ensureFolder(folder);
    await this.#claims.hold(blobId, async () => {
      await rename(tmp, path);
      await syncFolder(folder);
    });
  }

  async #ensureFolder(folder: string): Promise<void> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return await known;
    const made = mkdir(folder, {recursive: true, mode: 0o700}).then(() => syncFolder(this.#dir));
    this.#folders.set(folder, made);
    try {
      await made;
    } catch (error) {
      this.#folders.delete(folder);
      throw error;
    }
  }

  async #reading<T>(blobId: BlobId, act: (path: string) => Promise<T>): Promise<T> {
    try {
      return await act(this.pathOf(blobId));
    } catch (error) {
      throw this.#readFailure(blobId, error);
    }
  }

  /** What the disk answered, in our words; one that fails is told. */
  #failure(error: unknown): unknown {
    if (!(error instanceof VolleyError) && !isFromDisk(error)) return error; // a bug, not a failing disk
    const failure = diskFailure(this.#dir, error);
    if (failure.code === 'VOLLEY_STORE_FAILED') this.#onFailure(failure);
    return failure;
  }

  #readFailure(blobId: BlobId, error: unknown): unknown {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? new VolleyError('VOLLEY_UNKNOWN_BLOB', {blob: blobId}, error)
      : this.#failure(error);
  }

  /** Ids come from the network: only hex may become a path. */
}

async function* watched(
  source: AsyncIterable<Uint8Array>,
  broken: {error?: unknown},
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* source;
  } catch (error) {
    broken.error = error;
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const damaged = (blobId: BlobId, reason: string): VolleyError =>
  new VolleyError('VOLLEY_STORE_DAMAGED', {reason: `blob ${blobId}: ${reason}`});

/** What the system says: it names its call. */
const isFromDisk = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

/** What a fault of the disk means to whoever waits for a file in `dir`. */
export function diskFailure(dir: string, error: unknown): VolleyError {
  if (error instanceof VolleyError) return error;
  const {code, message} = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new VolleyError(
        'VOLLEY_NO_SPACE',
        {path: dir, free: 0, floor: 1, what: `a file could not be written (${code})`},
        error,
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new VolleyError('VOLLEY_NO_PERMISSION', {what: dir, reason: message}, error);
    default:
      return new VolleyError('VOLLEY_STORE_FAILED', {reason: `${dir}: ${message}`}, error);
  }
}
