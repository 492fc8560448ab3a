// A node's machine as it was once: its disk, and whom it trusted.

import type {Snapshot} from './sim-store.ts';

/** What a node writes down of whom it trusts (io/node-files.ts). */
export type KnownTrust = {readonly rootFingerprint: Uint8Array; readonly trust?: Uint8Array};

export type Image = {readonly rows: Snapshot; readonly known: KnownTrust};

/** A new card: of the cluster it knows what the join token says. */
export const blankImage = (rootFingerprint: Uint8Array): Image => ({
  rows: new Map(),
  known: {rootFingerprint},
});
