// The files of shots: kept until the master has them, and after that while there is room. What the owner sees of it
// is one number, `keepShotsMib` of node.json.

import type {BlobId, CaptureId} from '../base/types.ts';
import {MIB} from '../base/units.ts';
import type {NodeEffect} from '../core/core.ts';
import type {SpaceSeen} from '../core/free-space.ts';
import {del, encodeJson, type Op, put} from '../core/tables.ts';

/** Row of `meta` for each of them. */
export const FILE_KEY = 'file/';
/** Files kept that the master has. */
const FILES_MAX = 512;
/** So many that wait for the master: no new shot is taken. */
const WAITING_MAX = 16_384;
export const KEEP_SHOTS_MIB = 1_024;
/** Room is short below so many floors: what the master has goes then. */
const SHORT_FLOORS = 2;

/** A file of a shot, as the node remembers it until it is collected and for a while after. */
export type KeptFile = {
  /** The master has it: it may go when room is needed. */
  readonly collected?: true;
  readonly blobId: BlobId;
  readonly size: number;
  readonly captureId: CaptureId;
  readonly shot: number;
};

export class ShotShelf {
  readonly #keepBytes: number;
  /** Oldest first. */
  readonly #files = new Map<BlobId, KeptFile>();
  #collectedCount = 0;
  #collectedBytes = 0;
  #ops: Op[] = [];

  /** @param keepMib of files that the master has; the oldest goes first */
  constructor(keepMib = KEEP_SHOTS_MIB) {
    this.#keepBytes = keepMib * MIB;
  }

  restore(file: KeptFile): void {
    this.#take(file);
  }

  keep(file: KeptFile): void {
    this.#take(file);
    this.#ops.push(put('meta', FILE_KEY + file.blobId, encodeJson(file)));
    this.#trim(this.#keepBytes);
  }

  /** The master has it on its disk. Saved with the next shot: who forgets it keeps a file too many. */
  uploaded(blobId: BlobId): void {
    const file = this.#files.get(blobId);
    if (!file || file.collected) return;
    this.keep({...file, collected: true});
  }

  /** On a disk that is nearly full nothing stays that the master has. */
  see({freeBytes, floorBytes}: SpaceSeen): Op[] {
    if (freeBytes >= SHORT_FLOORS * floorBytes) return [];
    this.#trim(0);
    return this.takeOps(); // where there is no room there is no next shot to save it with
  }

  #take(file: KeptFile): void {
    this.#count(this.#files.get(file.blobId), -1);
    this.#files.set(file.blobId, file);
    this.#count(file, 1);
  }

  #count(file: KeptFile | undefined, sign: 1 | -1): void {
    if (!file?.collected) return;
    this.#collectedCount += sign;
    this.#collectedBytes += sign * file.size;
  }

  /** The oldest that the master has go; one that it does not have never goes. */
  #trim(bytesMax: number): void {
    if (this.#collectedBytes <= bytesMax && this.#files.size <= FILES_MAX) return;
    for (const file of this.#files.values()) {
      if (!file.collected) continue;
      if (this.#collectedBytes <= bytesMax && this.#files.size <= FILES_MAX) return;
      this.#count(file, -1);
      this.#files.delete(file.blobId);
      this.#ops.push(del('meta', FILE_KEY + file.blobId));
    }
  }

  get waiting(): number {
    return this.#files.size - this.#collectedCount;
  }

  /** Why no shot can be taken now, told before its instant. @param isFull the disk has no room for anything new */
  noRoom(isFull: boolean): string | undefined {
    const {waiting} = this;
    if (!isFull && waiting < WAITING_MAX) return undefined;
    const what = isFull ? 'the disk of this node is nearly full' : 'no more files are kept here';
    return `${what}, ${waiting} files wait to be collected: free some space, or let the master collect`;
  }

  takeOps(): Op[] {
    const ops = this.#ops;
    this.#ops = [];
    return ops;
  }

  /** The uploads that a Collect of these blobs asks for. */
  uploads(blobIds: readonly BlobId[]): NodeEffect[] {
    return this.of(blobIds).map(({blobId, size, captureId, shot}) => {
      const purpose = {kind: 'shot' as const, captureId, shot};
      return {type: 'upload', blobId, size, purpose};
    });
  }

  of(blobIds: readonly BlobId[]): KeptFile[] {
    return blobIds.flatMap(blobId => this.#files.get(blobId) ?? []);
  }
}
