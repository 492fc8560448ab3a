// Follows a batch to its end, across restarts of its master: `batch watch`, `submit --wait`, the demo, the library.

import {setTimeout as sleep} from 'node:timers/promises';
import {VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';

/** A master that restarts is waited for this long. */
const PATIENCE_MS = 60 * SECOND_MS;
const RETRY_MS = SECOND_MS;

/** States of a batch as they come, to its end. Survives a restart of the master. */
export async function* batchStates(
  client: OperatorClient,
  batchId: BatchId,
): AsyncGenerator<BatchView, void, undefined> {
  // The first answer says whether there is such a batch; the stream does not.
  let last = await client.batch(batchId);
  yield last;
  let heardAt = performance.now();
  while (last.state === 'running') {
    try {
      for await (const state of untilEnd(client, batchId)) {
        heardAt = performance.now();
        last = state;
        yield state;
      }
    } catch (error) {
      const lost = error instanceof VolleyError && error.code === 'VOLLEY_MASTER_UNREACHABLE';
      if (!lost || performance.now() - heardAt > PATIENCE_MS) throw error;
      await sleep(RETRY_MS);
      last = await again(client, batchId, last);
    }
  }
}

/** The batch as it is now; the one before when the master is still away. Throws when it was deleted. */
async function again(
  client: OperatorClient,
  batchId: BatchId,
  before: BatchView,
): Promise<BatchView> {
  try {
    return await client.batch(batchId);
  } catch (error) {
    if (error instanceof VolleyError && error.code === 'VOLLEY_MASTER_UNREACHABLE') return before;
    throw error;
  }
}

async function* untilEnd(
  client: OperatorClient,
  batchId: BatchId,
): AsyncGenerator<BatchView, void, undefined> {
  for await (const event of client.events({batchId})) {
    if (event.kind !== 'batch') continue;
    yield event.batch;
    if (event.batch.state !== 'running') return;
  }
}
