// What the operator of a seed pushes to nodes. Dice of their own: what the seed draws beside them stays.

import {Prng} from '../base/prng.ts';
import {asBlobId, type BlobId} from '../base/types.ts';
import {between} from './dice.ts';

export type TransferPlan = {
  readonly at: number;
  readonly blobId: BlobId;
  readonly size: number;
  readonly fileName: string;
  /** Empty = everybody. */
  readonly labels: readonly string[];
  /** Bits per second at most. */
  readonly rate: number;
  /** undefined = nobody cancels it. */
  readonly cancelAt?: number;
};

const SALT = 0xb01c;
const FIRST_MS = 3_000;
const CANCEL_MS = 3_000;
const TRANSFERS_MAX = 3;
const RATES = [500_000, 2_000_000, 20_000_000] as const;

/** None in three of four seeds; of a large room each datagram is a thousand events. */
export function drawTransfers(seed: number, safetyMs: number, isLarge: boolean): TransferPlan[] {
  const prng = new Prng(seed + SALT);
  if (prng.chance(0.75) || isLarge) return [];
  return Array.from({length: between(prng, 1, TRANSFERS_MAX)}, (_, i) => {
    const at = FIRST_MS + prng.fraction() * safetyMs * 0.8;
    const size = prng.pick([0, 1, between(prng, 2, 2_000), between(prng, 1, 89_600), 89_600]);
    const blocks = prng.chance(0.5) ? between(prng, 0, 2) : 0;
    const drawn = {
      at,
      blobId: asBlobId((seed + i).toString(16).padStart(64, 'd')),
      size: size + blocks * 89_600,
      fileName: `file-${i % 2}`,
      labels: prng.chance(0.3) ? ['ring1'] : [],
      rate: prng.pick(RATES),
    };
    return prng.chance(0.1) ? {...drawn, cancelAt: at + prng.fraction() * CANCEL_MS} : drawn;
  });
}

/** The file: any bytes, told from those of other blobs. */
export function contentOf(blobId: BlobId, size: number): Uint8Array {
  const prng = new Prng(Number.parseInt(blobId.slice(-8), 16) || 1);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 4) {
    const word = prng.below(2 ** 32);
    for (let i = 0; i < 4 && at + i < size; i++) bytes[at + i] = word >>> (i * 8);
  }
  return bytes;
}
