// The part of a master that forgets: its sweep over the blobs that nothing names.
//
// A day's grace for what came, none for what rows named that are gone. When room is short the oldest of the rest go
// too: what was not asked for in an hour, and what an earlier life of the master left. Nobody counts on that any more:
// nodes send their outputs anew, and what was being put together begins again.

import {join} from 'node:path';
import {HOUR_MS, MINUTE_MS} from '../base/units.ts';
import type {Announcement} from '../core/core.ts';
import type {NamedBlob} from '../core/input-source.ts';
import type {BlobStore} from '../io/blob-store.ts';
import {GRACE_MS, sweepBlobs} from '../io/blob-sweep.ts';
import {BlobSweeper, type SweepTurn} from '../io/blob-sweeper.ts';
import type {LevelStore} from '../io/level-store.ts';
import {keptStores} from '../io/store-copy.ts';
import type {SeenBlob} from '../io/swept-folder.ts';
import type {MasterCore} from '../master/master.ts';
import type {Clock, Journal} from '../runtime/ports.ts';
import type {Closers} from './closers.ts';

/** When room is short: so long nobody asked for it … */
const SHORT_GRACE_MS = HOUR_MS;
/** … or it is of an earlier life, and this one is so old. */
const EARLIER_GRACE_MS = 10 * MINUTE_MS;

export type SweeperOf = {
  readonly core: MasterCore;
  readonly store: LevelStore;
  readonly blobs: BlobStore;
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'note'>;
  readonly data: string;
  readonly fatal: (error: unknown) => void;
  /** Resolves when the rows of all that happened before are durable. */
  readonly settled: () => Promise<void>;
};

export type MasterSweeper = Pick<BlobSweeper, 'see'> & {
  /** Wants to hear of everything: a batch that is announced and not there any more has left blobs. */
  readonly heard: (about: Announcement) => void;
  readonly unnamed: (blobs: readonly NamedBlob[]) => void;
};

const isSpare = ({now, startedAt}: SweepTurn, {touchedAt}: SeenBlob): boolean =>
  now() - touchedAt >= SHORT_GRACE_MS ||
  (touchedAt < startedAt && now() - startedAt >= EARLIER_GRACE_MS);

export function openSweeper(parts: SweeperOf, closers: Closers): MasterSweeper {
  const {core, store, blobs, clock, journal, data, fatal, settled} = parts;
  const {uploads, batches} = core.context;
  const sweeper = new BlobSweeper({
    clock,
    journal,
    fatal,
    sweep: turn =>
      sweepBlobs({
        ...{store, blobs, graceMs: GRACE_MS, ...turn},
        isSpare: seen => isSpare(turn, seen),
        isBelieved: blobId => uploads.believes(blobId, clock.now().mono),
        settled: () => turn.unlessEnded(settled()),
      }),
    heldBack: () => {
      const [kept] = keptStores(join(data, 'store'));
      return kept && `${kept} may name some that the store does not`;
    },
    unnamed: () => blobs.unnamed,
  });
  closers.add(() => sweeper.close());
  return {
    see: seen => sweeper.see(seen),
    heard: about => {
      if (about.kind === 'batch' && !batches.has(about.batchId)) sweeper.noteDeleted();
    },
    unnamed: named => void blobs.unname(named),
  };
}
