// Mark and sweep over the blobs of a master or node: what nothing names any more goes.
//
//   names     of all blobs in the folder
//   mark      all rows of all tables, as they are at one moment: what is named anywhere in a key or a value stays
//             (blob-marks.ts), so that a row of a new kind needs no word here
//   follow    blobs that name blobs, below
//   delete    what is not marked, was neither written nor asked for within the grace, and is not asked for now; without
//             a grace what rows named that are gone (blob-claims.ts)
//   more      if room is needed: the oldest of what is not marked, down to a shorter grace
//
// Blobs that name blobs are two: a signed app names its module, script or files, and the list of a `files` input
// names the files, one in each line. What is followed: a blob that a row of any table but LEAVES names, if it is small
// enough for a signed app or its row speaks of `files`. What these name is not followed. Nothing else can name a blob:
// modules, scripts and files are handed to apps as they are, so are lines, of which no part is ever looked up; index
// blobs hold offsets; outputs, alone or put together, are bytes of an app, and pictures those of an action.
//
// Bytes come before the row that names them: an input before its batch, an output before its report. Hence the grace,
// and hence whoever asks for a blob makes it young (blob-store.ts). The core believes that an upload is here for much
// less (master/uploads.ts): a report that comes later than that has its outputs asked for again.
//
// A sweep only deletes files, each for itself: killed at any moment it has done a part, and nothing is lost. Whatever
// cannot be read ends it before the first deletion, for that might have named something.

import {VolleyError} from '../base/errors.ts';
import type {BlobId} from '../base/types.ts';
import {DAY_MS} from '../base/units.ts';
import {APP_MANIFEST_BYTES_MAX} from '../wire/limits.ts';
import {BlobMarks} from './blob-marks.ts';
import type {BlobStore} from './blob-store.ts';
import type {LevelStore, StoredRow} from './level-store.ts';
import {nameOf} from './store-audit.ts';
import type {SeenBlob, SweptFolder} from './swept-folder.ts';

export const GRACE_MS = DAY_MS;

/** Their rows name outputs and pictures, of which there may be millions, or other rows. */
const LEAVES: ReadonlySet<string> = new Set(['report', 'vote', 'check', 'shot', 'journal']);
/** As JSON rows say it. */
const FILES = '"files"';
/** Rows that are marked, blobs that are looked at or deleted, from one rest to the next: about a millisecond. */
const ROWS_PER_PART = 128;
const BLOBS_PER_PART = 64;

export type Tally = {readonly blobs: number; readonly bytes: number};

export type SweepReport = {
  readonly referenced: Tally;
  /** Nothing names them; written or asked for within the grace. */
  readonly young: Tally;
  /** Gone; in a dry run: would be. */
  readonly deleted: Tally;
  /** The disk did not do it: they stay. */
  readonly failed: {readonly blobs: number; readonly reason: string};
};

export type SweepOptions = {
  readonly store: Pick<LevelStore, 'rows'>;
  readonly blobs: Pick<BlobStore, 'beginSweep'>;
  /** Wall clock as far as it is to be trusted, ms. */
  readonly now: () => number;
  readonly graceMs: number;
  /** So many bytes are needed: the oldest of what is young go too, if `isSpare` says that they may. */
  readonly needBytes?: number;
  readonly isSpare?: (seen: SeenBlob) => boolean;
  /** Whether somebody counts on it whom no row shows: it stays. */
  readonly isBelieved?: (blobId: BlobId) => boolean;
  /** Resolves when the rows of all that happened before are durable. */
  readonly settled?: () => Promise<void>;
  readonly isDry?: boolean;
  /** Between two parts of the work: lets others work, and rejects when there shall be no more. */
  readonly rest?: () => Promise<void>;
};

/** Rejects with VOLLEY_STORE_DAMAGED for a damaged row, and with what a file said that cannot be read. */
export async function sweepBlobs(options: SweepOptions): Promise<SweepReport> {
  const folder = options.blobs.beginSweep();
  try {
    return await new Sweep(options, folder).run();
  } finally {
    folder.end();
  }
}

class Sweep {
  readonly #options: SweepOptions;
  readonly #folder: SweptFolder;
  readonly #rest: () => Promise<void>;
  readonly #marks = new BlobMarks();
  /** Numbers of blobs that may name others. */
  readonly #small = new Set<number>();
  readonly #lists = new Set<number>();
  readonly #spares: Spare[] = [];

  constructor(options: SweepOptions, folder: SweptFolder) {
    this.#options = options;
    this.#folder = folder;
    this.#rest = options.rest ?? (async () => {});
  }

  async run(): Promise<SweepReport> {
    await this.#options.settled?.();
    for await (const names of this.#folder.names()) {
      for (const blobId of names) this.#marks.add(blobId);
      await this.#rest();
    }
    const tallies = new Tallies();
    if (this.#marks.count === 0) return tallies;
    for await (const rows of this.#options.store.rows()) {
      for (const [i, row] of rows.entries()) {
        this.#markRow(row);
        if (i % ROWS_PER_PART === 0) await this.#rest();
      }
    }
    for (const no of new Set([...this.#small, ...this.#lists])) await this.#follow(no);
    for (let no = 0; no < this.#marks.count; no++) {
      if (no % BLOBS_PER_PART === 0) await this.#rest();
      await this.#decide(no, tallies);
    }
    await this.#deleteSpares(tallies);
    return tallies;
  }

  #markRow({rowKey, payload, fault}: StoredRow): void {
    const slash = rowKey.indexOf('/');
    const table = rowKey.slice(0, Math.max(0, slash));
    if (fault !== undefined) {
      const name = nameOf({table, key: rowKey.slice(slash + 1), reason: fault, journalNo: 0});
      throw new VolleyError('VOLLEY_STORE_DAMAGED', {reason: `${name}: ${fault}`});
    }
    const key = Buffer.from(rowKey, 'latin1');
    if (LEAVES.has(table)) {
      this.#marks.mark(key);
      return this.#marks.mark(payload);
    }
    const value = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const named = value.includes(FILES) ? this.#lists : this.#small;
    this.#marks.mark(key, no => named.add(no));
    this.#marks.mark(value, no => named.add(no));
  }

  async #follow(no: number): Promise<void> {
    const blobId = this.#marks.idOf(no);
    if (!this.#lists.has(no)) {
      const seen = await this.#folder.look(blobId);
      if (seen === undefined || seen.size > APP_MANIFEST_BYTES_MAX) return;
    }
    let rest: Uint8Array = new Uint8Array(0);
    for await (const chunk of this.#folder.read(blobId)) {
      const bytes = Buffer.concat([rest, chunk]);
      this.#marks.mark(bytes);
      rest = bytes.subarray(-BlobMarks.OVERLAP_BYTES);
      await this.#rest();
    }
  }

  async #decide(no: number, tallies: Tallies): Promise<void> {
    const blobId = this.#marks.idOf(no);
    try {
      const seen = await this.#folder.look(blobId);
      if (seen === undefined) return;
      if (this.#marks.isMarked(no)) return tallies.referenced.add(seen.size);
      const ageMs = this.#options.now() - seen.touchedAt;
      if (ageMs >= this.#options.graceMs || this.#folder.isRipe(blobId))
        return await this.#delete(blobId, seen.size, tallies);
      if (this.#mayBeSpared(seen)) this.#spares.push({no, ...seen});
      else tallies.young.add(seen.size);
    } catch (error) {
      tallies.failed.add(error);
    }
  }

  #mayBeSpared(seen: SeenBlob): boolean {
    const {needBytes = 0, isSpare} = this.#options;
    return needBytes > 0 && isSpare?.(seen) === true;
  }

  /** Those that were asked for last stay, if there is room enough without them. */
  async #deleteSpares(tallies: Tallies): Promise<void> {
    const {needBytes = 0} = this.#options;
    this.#spares.sort((a, b) => a.touchedAt - b.touchedAt);
    for (const [i, {no, size}] of this.#spares.entries()) {
      if (i % BLOBS_PER_PART === 0) await this.#rest();
      if (tallies.deleted.bytes >= needBytes) tallies.young.add(size);
      else
        await this.#delete(this.#marks.idOf(no), size, tallies).catch((error: unknown) =>
          tallies.failed.add(error),
        );
    }
  }

  /** It stays if it was asked for meanwhile. Nothing waits between these looks and the deletion. */
  async #delete(blobId: BlobId, size: number, tallies: Tallies): Promise<void> {
    const {isBelieved, isDry} = this.#options;
    const isGone =
      isBelieved?.(blobId) !== true && (isDry === true || (await this.#folder.remove(blobId)));
    (isGone ? tallies.deleted : tallies.young).add(size);
  }
}

type Spare = SeenBlob & {readonly no: number};

class Count {
  blobs = 0;
  bytes = 0;

  add(size: number): void {
    this.blobs += 1;
    this.bytes += size;
  }
}

class Failures {
  blobs = 0;
  /** Of the first. */
  reason = '';

  add(error: unknown): void {
    this.blobs += 1;
    if (this.blobs === 1) this.reason = error instanceof Error ? error.message : String(error);
  }
}

class Tallies {
  readonly referenced = new Count();
  readonly young = new Count();
  readonly deleted = new Count();
  readonly failed = new Failures();
}
