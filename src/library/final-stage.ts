// Whose results those of a batch are: its own, or of several stages those of the last one.

import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';

/** undefined = the batch has several stages, and the last one is not done. */
export async function finalStage(
  client: OperatorClient,
  batch: BatchView,
): Promise<BatchView | undefined> {
  if (!batch.plan) return batch;
  if (batch.state !== 'done' || !batch.stageNow) return undefined;
  return client.batch(batch.stageNow.batchId);
}
