// Shows a batch until it ends: `batch watch`, `submit --wait` and the demo.

import {EXIT} from '../base/errors.ts';
import type {BatchId} from '../base/types.ts';
import type {BatchView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {batchStates} from '../library/batch-states.ts';
import {stageText} from './batch-stages.ts';
import {duration, grouped, percent, print, printJson, safe} from './output.ts';
import {ProgressLine} from './progress.ts';

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
