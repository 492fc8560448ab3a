// The node's side of blobs: fetches apps and inputs, sends outputs and pictures. Works through every
// break: a download goes on where it stopped, all tries back off with jitter, at most two transfers run
// at once so that a board keeps its memory and its network for the work. Whole blobs are held to their
// hash by the node's blob folder, parts to the master's proof (blob-auth.ts).

import {timingSafeEqual} from 'node:crypto';
import {Agent} from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';
import {EMPTY, fromHex} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import type {Prng} from '../base/prng.ts';
import type {BlobId, NodeId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {NodeEvent, UploadPurpose} from '../core/core.ts';
import type {NodeBlobs, Tell} from '../runtime/ports.ts';
import {BLOB_BYTES_MAX, INPUT_FILE_BYTES_MAX, TRANSFER_BYTES_MAX} from '../wire/limits.ts';
import type {BlobRequestLine, Hmac} from './blob-auth.ts';
import {authorization, PROOF_HEADER, PROVEN_BYTES_MAX, sliceProof} from './blob-auth.ts';
import type {Where} from './blob-transfer.ts';
import {download, TransferError, upload} from './blob-transfer.ts';
import type {Blobs} from './blobs.ts';
import {readSpan} from './blobs.ts';

/** Tries without a byte of progress before a transfer has failed: about 8 s in all. */
const TRIES = 5;
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 10 * SECOND_MS;
/** Copies taken of a blob whose bytes came whole but are not the blob. */
const COPIES = 2;
const PARALLEL_TRANSFERS = 2;
/** Shorter than the server's 5 s, so that no request meets a connection that is being closed. */
const IDLE_CONNECTION_MS = 3 * SECOND_MS;

export type FolderBlobs = Blobs & {delete(blobId: BlobId): Promise<unknown>};

export type HttpNodeBlobsOptions = {
  readonly nodeId: NodeId;
  /** The node's own blob folder: cache of what was fetched, source of what is sent. */
  readonly blobs: FolderBlobs;
  readonly hmac: Hmac;
  readonly dice: Prng;
  readonly tell: Tell;
  /** First pause between tries; tests make it short. Default 250 ms, doubles up to 10 s. */
  readonly backoffMsMin?: number;
  /** Resolves when a transfer that brings this blob is over; undefined = there is none. */
  readonly onItsWay?: (blobId: BlobId) => Promise<void> | undefined;
};

type Access = {readonly host: string; readonly port: number; readonly key: Uint8Array};

export class HttpNodeBlobs implements NodeBlobs {
  readonly #nodeId: NodeId;
  readonly #blobs: FolderBlobs;
  readonly #hmac: Hmac;
  readonly #dice: Prng;
  readonly #tell: Tell;
  readonly #backoffMsMin: number;
  readonly #agent = new Agent({
    keepAlive: true,
    maxSockets: PARALLEL_TRANSFERS,
    timeout: IDLE_CONNECTION_MS,
  });
  readonly #onItsWay: (blobId: BlobId) => Promise<void> | undefined;
  readonly #ended = new AbortController();
  readonly #fetches = new Map<BlobId, Promise<boolean>>();
  readonly #uploads = new Map<BlobId, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #access: Access | undefined;
  #appKeys: readonly Uint8Array[] = [];

  constructor(options: HttpNodeBlobsOptions) {
    this.#nodeId = options.nodeId;
    this.#blobs = options.blobs;
    this.#hmac = options.hmac;
    this.#dice = options.dice;
    this.#tell = options.tell;
    this.#onItsWay = options.onItsWay ?? (() => undefined);
    this.#backoffMsMin = options.backoffMsMin ?? BACKOFF_MS_MIN;
  }

  /** Who may sign apps, as the last Welcome said; empty before the first. */
  get appKeys(): readonly Uint8Array[] {
    return this.#appKeys;
  }

  access(host: string, port: number, key: Uint8Array, appKeys: readonly Uint8Array[]): void {
    this.#access = {host, port, key};
    this.#appKeys = appKeys;
  }

  upload(blobId: BlobId, size: number, purpose: UploadPurpose): void {
    // The core repeats itself until the blob is there; one transfer answers all of them.
    if (this.#uploads.has(blobId)) return;
    const sent = this.#upload(blobId, size, purpose).then(
      () => this.#uploadEnded({type: 'uploaded', blobId}),
      (error: unknown) =>
        this.#uploadEnded({
          type: 'uploadFailed',
          blobId,
          reason: reasonOf(error),
          isFull: error instanceof TransferError && error.isFull,
        }),
    );
    this.#uploads.set(blobId, sent);
  }

  drop(blobId: BlobId): void {
    // A file that stays costs space, not truth: the folder's own sweep (cli/node-sweeper.ts) finds it.
    this.#blobs.delete(blobId).catch(() => undefined);
  }

  /** The blob, fetched when it is not here yet; undefined when the master does not bring it. */
  async fetchBlob(blobId: BlobId, maxBytes: number): Promise<Uint8Array | undefined> {
    if (!(await this.#have(blobId, maxBytes))) return undefined;
    const size = await this.#blobs.size(blobId);
    return size === undefined || size > maxBytes ? undefined : this.#blobs.get(blobId);
  }

  /** Bytes offset … offset+length-1 of a blob; a short part is not kept, a long one brings it whole. */
  async readSlice(blobId: BlobId, offset: number, length: number): Promise<Uint8Array | undefined> {
    if (length === 0) return EMPTY;
    const here = await this.#blobs.size(blobId);
    if (here !== undefined)
      return offset + length <= here ? this.#blobs.read(blobId, offset, length) : undefined;
    if (length <= PROVEN_BYTES_MAX) return this.#readProven(blobId, offset, length);
    return (await this.#have(blobId, INPUT_FILE_BYTES_MAX))
      ? this.#blobs.read(blobId, offset, length)
      : undefined;
  }

  /** These bytes of the master's, held to its proof; undefined = it does not bring them. At most PROVEN_BYTES_MAX. */
  fetchSpan(blobId: BlobId, offset: number, length: number): Promise<Uint8Array | undefined> {
    return this.#readProven(blobId, offset, length);
  }

  /** false = the master does not bring it. Rejects when the disk is full. */
  fetchWhole(blobId: BlobId, size: number): Promise<boolean> {
    return this.#bring(blobId, size);
  }

  /** Ends all transfers; no event follows. */
  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.allSettled([...this.#fetches.values(), ...this.#uploads.values()]);
    this.#agent.destroy();
  }

  #uploadEnded(event: Extract<NodeEvent, {type: 'uploaded' | 'uploadFailed'}>): void {
    // First, because what it is told may make the core ask for the same blob again.
    this.#uploads.delete(event.blobId);
    if (!this.#ended.signal.aborted) this.#tell(event);
  }

  async #have(blobId: BlobId, maxBytes: number): Promise<boolean> {
    if ((await this.#blobs.size(blobId)) !== undefined) return true;
    // By multicast for all of us; what that does not bring is fetched.
    await this.#onItsWay(blobId);
    return this.#bring(blobId, maxBytes);
  }

  async #bring(blobId: BlobId, maxBytes: number): Promise<boolean> {
    if ((await this.#blobs.size(blobId)) !== undefined) return true;
    let fetched = this.#fetches.get(blobId);
    if (fetched === undefined) {
      fetched = this.#fetch(blobId, maxBytes).finally(() => this.#fetches.delete(blobId));
      this.#fetches.set(blobId, fetched);
    }
    return fetched;
  }

  #fetch(blobId: BlobId, maxBytes: number): Promise<boolean> {
    const limit = Math.min(maxBytes, TRANSFER_BYTES_MAX);
    return this.#inTurn(async () => {
      for (let copies = 1; copies <= COPIES; copies++) {
        try {
          await this.#blobs.putStream(this.#resumed(blobId, limit), {expected: blobId, limit});
          return true;
        } catch (error) {
          if (error instanceof VolleyError && error.code === 'VOLLEY_NO_SPACE') throw error;
          if (isTransferError(error) || this.#ended.signal.aborted) return false;
        }
      }
      return false;
    });
  }

  /** All bytes of a blob in order, over as many connections as it takes. */
  async *#resumed(blobId: BlobId, limit: number): AsyncGenerator<Uint8Array, void, undefined> {
    let at = 0;
    for (let tries = 1, total = -1; at !== total; tries++) {
      const before = at;
      try {
        const got = await download(this.#where({method: 'GET', blobId, query: ''}), at);
        total = got.total;
        if (!(total <= limit)) throw new TransferError('the blob is too large', true);
        for await (const piece of got.body) {
          at += piece.length;
          yield piece;
        }
      } catch (error) {
        if (at > before) tries = 0;
        await this.#backOff(tries, error);
      }
    }
  }

  async #readProven(
    blobId: BlobId,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined> {
    const read = async (): Promise<Uint8Array> => {
      const key = this.#access?.key ?? EMPTY;
      const where = this.#where({method: 'GET', blobId, query: ''});
      const got = await download(where, offset, length);
      const bytes = await collect(got.body, length);
      const given = fromHex(String(got.headers[PROOF_HEADER] ?? '')) ?? EMPTY;
      const proof = sliceProof(this.#hmac, key, blobId, offset, bytes);
      if (given.length !== proof.length || !timingSafeEqual(given, proof))
        throw new TransferError('the part is not what the master holds', false);
      return bytes;
    };
    return this.#inTurn(() => this.#retried(read)).catch(() => undefined);
  }

  #upload(blobId: BlobId, size: number, purpose: UploadPurpose): Promise<void> {
    if (size > BLOB_BYTES_MAX)
      return Promise.reject(new TransferError('the blob is too large', true));
    const query = `size=${size}&${
      purpose.kind === 'replica'
        ? `replica=${purpose.replicaId}`
        : `capture=${purpose.captureId}&shot=${purpose.shot}`
    }`;
    const put = async (): Promise<void> => {
      if ((await this.#blobs.size(blobId)) !== size)
        throw new TransferError('the blob is not here any more', true);
      const open = () => readSpan(this.#blobs, blobId, {offset: 0, length: size});
      await upload(this.#where({method: 'PUT', blobId, query}), size, open);
    };
    return this.#inTurn(() => this.#retried(put));
  }

  async #retried<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        await this.#backOff(tries, error);
      }
    }
  }

  /** Throws `error` when there is no use in another try, else waits until it is time for one. */
  async #backOff(tries: number, error: unknown): Promise<void> {
    const final = error instanceof TransferError && error.final;
    if (final) throw error;
    if (tries >= TRIES || this.#ended.signal.aborted)
      throw new TransferError(reasonOf(error), true, error);
    const ms = Math.min(this.#backoffMsMin * 2 ** tries, BACKOFF_MS_MAX);
    await sleep(this.#dice.jitter(ms, 0.5, 1), undefined, {signal: this.#ended.signal});
  }

  /** Runs `transfer` when fewer than two others do. */
  async #inTurn<T>(transfer: () => Promise<T>): Promise<T> {
    if (this.#running < PARALLEL_TRANSFERS) this.#running += 1;
    else await new Promise<void>(start => this.#waiting.push(start));
    try {
      return await transfer();
    } finally {
      // A turn is handed on, not given back, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #where(line: BlobRequestLine): Where {
    if (this.#access === undefined) throw new TransferError('there is no master yet', false);
    const {host, port, key} = this.#access;
    const query = line.query === '' ? '' : `?${line.query}`;
    return {
      agent: this.#agent,
      host,
      port,
      path: `/blobs/${line.blobId}${query}`,
      authorization: authorization(this.#hmac, key, this.#nodeId, line),
      signal: this.#ended.signal,
    };
  }
}

/** The folder wraps what its source throws. */
const isTransferError = (error: unknown): boolean =>
  error instanceof TransferError ||
  (error instanceof Error && error.cause instanceof TransferError);

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 200);

async function collect(source: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (const piece of source) {
    if (at + piece.length > length) break;
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at !== length) throw new TransferError('the part is cut short', false);
  return bytes;
}
