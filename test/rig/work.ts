// Work for real clusters whose right answer is published, and how tests of processes are sized.

import type {BatchId} from '../../src/base/types.ts';
import type {BatchView} from '../../src/core/views.ts';
import {type Cluster, until} from './cluster.ts';

/** Set VOLLEY_NIGHTLY=1 for the full sizes: minutes in place of seconds. */
export const NIGHTLY = process.env['VOLLEY_NIGHTLY'] === '1';

const BATCH_MS_MAX = 300_000;

/** Primes below 10^n, published. */
const PRIMES_BELOW: Readonly<Record<number, number>> = {
  1000: 168,
  10000: 1_229,
  100000: 9_592,
  1000000: 78_498,
  10000000: 664_579,
  100000000: 5_761_455,
  1000000000: 50_847_534,
};

/** `count` workunits of quorum 2 that count the primes below count × chunk, a power of ten. */
export function submitPrimes(cluster: Cluster, count: number, chunk: number): Promise<BatchId> {
  return cluster.client
    .submit({
      name: `primes ${count} × ${chunk}`,
      app: 'primes',
      args: [],
      input: {kind: 'range', start: 0, end: count * chunk, chunk},
      policy: {minQuorum: 2},
    })
    .then(({batchId}) => batchId);
}

/** Resolves at the end of the batch; asks again while the master is away. */
export function ended(
  cluster: Cluster,
  batchId: BatchId,
  msMax = BATCH_MS_MAX,
): Promise<BatchView> {
  return until(
    async () => {
      const view = await cluster.client.batch(batchId).catch(() => undefined);
      return view && view.state !== 'running' ? view : undefined;
    },
    `the end of batch ${batchId}`,
    msMax,
  );
}

/** What the batch found, and what is true. */
export async function primesOf(
  cluster: Cluster,
  batchId: BatchId,
  below: number,
): Promise<{readonly found: number; readonly published: number}> {
  let found = 0;
  for await (const result of cluster.client.results(batchId)) found += Number(result.text);
  const published = PRIMES_BELOW[below];
  if (published === undefined) throw new Error(`no published count of primes below ${below}`);
  return {found, published};
}
