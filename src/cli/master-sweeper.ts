// The part of a master that forgets: its sweep over the blobs that nothing names.

import {join} from 'node:path';
import type {Announcement} from '../core/core.ts';
import type {BlobStore} from '../io/blob-store.ts';
import {GRACE_MS, sweepBlobs} from '../io/blob-sweep.ts';
import {BlobSweeper} from '../io/blob-sweeper.ts';
import type {LevelStore} from '../io/level-store.ts';
import {keptStores} from '../io/store-copy.ts';
import type {MasterCore} from '../master/master.ts';
import type {Clock, Journal} from '../runtime/ports.ts';
import type {Closers} from './closers.ts';

export type SweeperOf = {
  readonly core: MasterCore;
  readonly store: LevelStore;
  readonly blobs: BlobStore;
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'note'>;
  readonly data: string;
  readonly fatal: (error: unknown) => void;
};

/** @returns wants to hear of everything: a batch that is announced and not there any more has left blobs */
export function openSweeper(parts: SweeperOf, closers: Closers): (about: Announcement) => void {
  const {core, store, blobs, clock, journal, data, fatal} = parts;
  const sweeper = new BlobSweeper({
    clock,
    journal,
    fatal,
    sweep: turn => sweepBlobs({store, blobs, graceMs: GRACE_MS, ...turn}),
    heldBack: () => {
      const [kept] = keptStores(join(data, 'store'));
      return kept && `${kept} may name some that the store does not`;
    },
  });
  closers.add(() => sweeper.close());
  return about => {
    if (about.kind === 'batch' && !core.context.batches.has(about.batchId)) sweeper.noteDeleted();
  };
}
