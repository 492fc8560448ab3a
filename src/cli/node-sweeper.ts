// The part of a node that forgets. Apps, inputs and shared inputs are only a cache of what the master has; outputs and
// pictures are named by the node's own rows for as long as they are needed. So the sweep of a master fits (blob-sweep.ts):
// what no row names, no lease in hand names and nobody asked for in a day goes; the oldest first, down to an hour, when
// room is short.

import type {BlobId} from '../base/types.ts';
import {DAY_MS, HOUR_MS} from '../base/units.ts';
import {nodeFloor} from '../core/free-space.ts';
import type {BlobStore} from '../io/blob-store.ts';
import {sweepBlobs} from '../io/blob-sweep.ts';
import {BlobSweeper} from '../io/blob-sweeper.ts';
import {DiskWatch} from '../io/disk-space.ts';
import type {LevelStore} from '../io/level-store.ts';
import type {NodeCore} from '../node/node.ts';
import type {Clock, Journal, Tell} from '../runtime/ports.ts';
import type {Closers} from './closers.ts';

const GRACE_MS = DAY_MS;
/** When room is short. Longer by far than it takes from asking for a blob to reading it. */
const SHORT_GRACE_MS = HOUR_MS;

export type NodeSweeperOf = {
  readonly core: {readonly slots: Pick<NodeCore['slots'], 'held'>};
  readonly store: Pick<LevelStore, 'rows'>;
  readonly blobs: Pick<BlobStore, 'beginSweep'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly journal: Pick<Journal, 'note'>;
  readonly fatal: (error: unknown) => void;
};

export function openNodeSweeper(parts: NodeSweeperOf, closers: Closers): Pick<BlobSweeper, 'see'> {
  const {core, store, blobs, clock, journal, fatal} = parts;
  const sweeper = new BlobSweeper({
    clock,
    journal,
    fatal,
    sweep: turn =>
      sweepBlobs({
        ...{store, blobs, graceMs: GRACE_MS, ...turn},
        isSpare: ({touchedAt}) => turn.now() - touchedAt >= SHORT_GRACE_MS,
        isBelieved: blobId => isInHand(core, blobId),
      }),
    // Work comes and goes at any time, and leaves what it needed.
    isAlwaysWanted: true,
  });
  closers.add(() => sweeper.close());
  return sweeper;
}

/** Whether a workunit in hand needs it. */
function isInHand({slots}: NodeSweeperOf['core'], blobId: BlobId): boolean {
  for (const {appId, input, shared} of slots.held())
    if (
      appId === blobId ||
      shared?.blobId === blobId ||
      (input.kind === 'slice' && input.blobId === blobId)
    )
      return true;
  return false;
}

/** Sweeper and core hear how much room there is. */
export async function watchNodeDisk(
  {data, minFreeBytes}: {readonly data: string; readonly minFreeBytes?: number},
  sweeper: Pick<BlobSweeper, 'see'>,
  tell: Tell,
  closers: Closers,
): Promise<void> {
  const disk = new DiskWatch(
    data,
    () => minFreeBytes ?? nodeFloor(),
    seen => {
      sweeper.see(seen);
      tell({type: 'freeSpace', ...seen});
    },
  );
  closers.add(() => disk.close());
  await disk.look();
}
