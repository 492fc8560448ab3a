// S22: a stage begins with what the one before it has put out, and stands in one commit with the row of its batch. What
// the blob of its input stands for is computed anew, from the decisions that are durable.

import type {InputSource} from '../core/input-source.ts';
import type {StageAt} from '../core/stages.ts';
import type {BatchRow} from '../core/tables.ts';
import {holds} from './fabric.ts';
import type {Model} from './model.ts';
import {outputName, workunitKey} from './model-names.ts';
import {gatheredOf} from './sim-outputs.ts';

const nameOf = ({id, stage}: BatchRow): string =>
  `${id} (${stage?.kind} of round ${stage?.round} of ${stage?.batchId})`;

/** @param before the rows of batches before this commit */
export function checkStage(
  row: BatchRow,
  before: ReadonlyMap<number, BatchRow>,
  model: Model,
): void {
  const {stage} = row;
  if (!stage || before.has(row.id)) return;
  const head = model.batches.get(stage.batchId);
  const at = head?.stageAt;
  const isNamed = at?.batchId === row.id && at.round === stage.round && at.kind === stage.kind;
  holds(
    head && isNamed,
    'S22',
    () => `stage ${nameOf(row)} begins, its batch is at ${at?.batchId}`,
  );
  const former = stageBefore(row, before.get(stage.batchId));
  const {plan} = head;
  const how = plan?.reduce ? 'whole' : {halo: plan?.halo ?? 0};
  const made = gatheredOf(outputsOf(former, before, model), how);
  if (stage.kind === 'reduce' || !plan?.reduce) {
    const isRight = sameSource(row.input, made);
    holds(isRight, 'S22', () => `stage ${nameOf(row)} has not the outputs of ${former} as input`);
  } else {
    const isRight = row.shared?.blobId === made.blobId && sameSource(row.input, head.input);
    holds(isRight, 'S22', () => `stage ${nameOf(row)} does not share what ${former} reduced`);
  }
}

/** The batch whose outputs it is made of. */
function stageBefore(row: BatchRow, head: BatchRow | undefined): number {
  const at: StageAt | undefined = head?.stageAt;
  return at?.batchId ?? row.stage?.batchId ?? 0;
}

function outputsOf(
  batchId: number,
  before: ReadonlyMap<number, BatchRow>,
  {decisions, reports}: Model,
): string[] {
  const count = before.get(batchId)?.count ?? 0;
  return Array.from({length: count}, (_, index) => {
    const decided = decisions.get(workunitKey(batchId, index));
    const isDone = decided?.kind === 'done';
    holds(isDone, 'S22', () => `${batchId}/${index} has no output, and another stage begins`);
    const item = reports.get(decided.reportNo)?.items[decided.item];
    return item?.status === 'done' ? outputName(item.output) : '';
  });
}

const sameSource = (a: InputSource, b: InputSource): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
