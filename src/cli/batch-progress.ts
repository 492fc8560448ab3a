// Follows a batch to its end: `batch watch`, `submit --wait` and the demo.

import {setTimeout as sleep} from 'node:timers/promises';
import {EXIT, VolleyError} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {stageText} from './batch-stages.ts';
import {duration, grouped, percent, print, printJson, safe} from './output.ts';
import {ProgressLine} from './progress.ts';

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

/** Shows the batch until it ends; answers the exit code. */
export async function watchBatch(
  client: OperatorClient,
  batchId: BatchId,
  asJson: boolean,
): Promise<number> {
  const line = new ProgressLine(asJson ? process.stderr : process.stdout);
  let last: BatchView | undefined;
  for await (const batch of batchStates(client, batchId)) {
    last = batch;
    if (batch.state === 'running') line.show(progressOf(batch));
    else break;
  }
  line.end();
  if (last === undefined) return EXIT.failed;
  if (asJson) printJson(last);
  else for (const text of endOf(last)) print(text);
  return last.state === 'done' ? EXIT.ok : EXIT.failed;
}

export function progressOf(batch: BatchView): string {
  const stage = stageText(batch);
  if (stage !== '') return `batch ${batch.id} ${safe(batch.name, 24)}  ${stage}`;
  const decided = batch.done + batch.failed;
  const parts = [
    `batch ${batch.id} ${safe(batch.name, 24)}`,
    `${grouped(decided)}/${grouped(batch.count)} (${percent(decided, batch.count)})`,
    `${batch.perSecond.toFixed(batch.perSecond < 10 ? 1 : 0)}/s`,
    `${grouped(batch.out)} out`,
  ];
  if (batch.disagreements > 0) parts.push(`${grouped(batch.disagreements)} disagreements`);
  if (batch.rechecking > 0) parts.push(`${grouped(batch.rechecking)} being checked again`);
  if (batch.failed > 0) parts.push(`${grouped(batch.failed)} failed`);
  if (batch.etaMs !== undefined) parts.push(`${duration(batch.etaMs)} left`);
  return parts.join('  ');
}

/** What became of a batch, in one or two lines. */
export function endOf(batch: BatchView): string[] {
  const tookMs = Math.max(1, batch.endedAt - batch.createdAt);
  const reason = batch.reason === '' ? '' : `: ${safe(batch.reason, 256)}`;
  return [
    `Batch ${batch.id} ${safe(batch.name)} is ${batch.state}${reason}`,
    [
      `${grouped(batch.done)} of ${grouped(batch.count)} workunits`,
      `${grouped(batch.failed)} failed`,
      `${grouped(batch.replicas)} replicas`,
      `${grouped(batch.disagreements)} disagreements`,
      `${grouped(batch.errors)} errors`,
      `${((1_000 * batch.done) / tookMs).toFixed(1)} workunits/s`,
      duration(tookMs),
    ].join(', '),
  ];
}
