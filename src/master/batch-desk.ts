// What operators do with batches that are there: cancel, suspend, resume, priority, retry, delete. Each is
// checked, done at once, and written into the batch's history with who did it.

import {assertNever} from '../base/assert.ts';
import type {ErrorCode, ErrorFields} from '../base/errors.ts';
import type {Now} from '../base/types.ts';
import type {BatchOrder, OperatorAnswer} from '../core/operator-request.ts';
import type {Actor, NumbersRow} from '../core/operator-rows.ts';
import {stageName} from '../core/stages.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import type {Deletions} from './deletion.ts';
import {record} from './history.ts';
import type {Results} from './results.ts';
import type {Retries} from './retry.ts';
import {type Stages, stageAtOf} from './stages.ts';

type Order<K extends BatchOrder['kind']> = Extract<BatchOrder, {kind: K}>;

const refusal = (code: ErrorCode, fields: ErrorFields): OperatorAnswer => ({
  ok: false,
  code,
  fields,
});

export class BatchDesk {
  readonly #context: MasterContext;
  readonly #results: Results;
  readonly #retries: Retries;
  readonly #deletions: Deletions;
  readonly #stages: Stages;

  constructor(
    context: MasterContext,
    results: Results,
    parts: {readonly retries: Retries; readonly deletions: Deletions; readonly stages: Stages},
  ) {
    this.#context = context;
    this.#results = results;
    this.#retries = parts.retries;
    this.#deletions = parts.deletions;
    this.#stages = parts.stages;
  }

  /** @param numbers the highest numbers that were given out */
  handle(order: BatchOrder, actor: Actor, numbers: NumbersRow, now: Now): OperatorAnswer {
    const {batchId} = order;
    const batch = this.#context.batches.get(batchId);
    if (!batch) return refusal('VOLLEY_UNKNOWN_BATCH', {batch: batchId});
    const {stage} = batch.row;
    if (stage) {
      const reason = `batch ${batchId} is ${stageName(stage)} of batch ${stage.batchId}: ask for that one`;
      return refusal('VOLLEY_USAGE', {reason});
    }
    const refused = this.#do(order, batch, actor, numbers, now);
    return refused ?? {ok: true, batchId};
  }

  #do(
    order: BatchOrder,
    batch: Batch,
    actor: Actor,
    numbers: NumbersRow,
    now: Now,
  ): OperatorAnswer | undefined {
    switch (order.kind) {
      case 'cancelBatch':
        return this.#cancel(batch, actor, now);
      case 'suspendBatch':
        return this.#suspend(order, batch, actor, now);
      case 'resumeBatch':
        return this.#resume(batch, actor, now);
      case 'setPriority':
        return this.#setPriority(order, batch, actor, now);
      case 'retryBatch':
        return this.#retry(batch, actor, now);
      case 'deleteBatch':
        return this.#delete(order, batch, actor, numbers, now);
      default:
        return assertNever(order);
    }
  }

  #ended({row, counters}: Batch): OperatorAnswer {
    return refusal('VOLLEY_BATCH_ENDED', {batch: row.id, state: counters.state});
  }

  /** The batch, and the stage of it that runs. */
  #partsOf(batch: Batch): Batch[] {
    const stage = batch.row.plan && this.#stages.current(batch);
    if (!stage?.running || stage === batch) return [batch];
    this.#context.dirtyBatches.add(stage);
    return [batch, stage];
  }

  #cancel(batch: Batch, actor: Actor, now: Now): OperatorAnswer | undefined {
    if (!batch.running) return this.#ended(batch);
    this.#results.end(batch, 'cancelled', 'cancelled by the operator', now);
    record(this.#context, batch, {actor, action: 'cancelled'}, now);
    return undefined;
  }

  /** Suspended once more: the newest reason counts. */
  #suspend(
    {reason}: Order<'suspendBatch'>,
    batch: Batch,
    actor: Actor,
    now: Now,
  ): OperatorAnswer | undefined {
    if (!batch.running) return this.#ended(batch);
    const suspended = {by: actor.name, at: now.wall, reason};
    for (const each of this.#partsOf(batch)) each.control = {...each.control, suspended};
    record(this.#context, batch, {actor, action: 'suspended', detail: reason}, now);
    return undefined;
  }

  #resume(batch: Batch, actor: Actor, now: Now): OperatorAnswer | undefined {
    if (!batch.running) return this.#ended(batch);
    const parts = this.#partsOf(batch);
    if (!parts.some(each => each.control.suspended)) return undefined;
    for (const each of parts) {
      const {suspended: _, ...control} = each.control;
      each.control = control;
    }
    this.#context.workNo += 1;
    record(this.#context, batch, {actor, action: 'resumed'}, now);
    return undefined;
  }

  #setPriority(
    {priority}: Order<'setPriority'>,
    batch: Batch,
    actor: Actor,
    now: Now,
  ): OperatorAnswer | undefined {
    if (!batch.running) return this.#ended(batch);
    const before = batch.row.policy.priority;
    if (before === priority) return undefined;
    for (const each of this.#partsOf(batch)) each.setPriority(priority);
    const detail = `from ${before} to ${priority}`;
    record(this.#context, batch, {actor, action: 'priority', detail}, now);
    return undefined;
  }

  #retry(batch: Batch, actor: Actor, now: Now): OperatorAnswer | undefined {
    const {id, count} = batch.row;
    const {state, failed} = batch.counters;
    if (batch.retrying) return undefined;
    const reason = this.#isFinal(batch);
    if (reason !== undefined) return refusal('VOLLEY_USAGE', {reason});
    const isStaged = batch.row.plan !== undefined && batch.decided === count;
    if (isStaged && failed === 0) return this.#retryStage(batch, actor, now);
    if (failed === 0 && (batch.running || batch.decided === count))
      return refusal('VOLLEY_USAGE', {reason: `batch ${id} (${state}) has no failed workunit`});
    this.#retries.begin(batch);
    const never = state === 'running' ? 0 : count - batch.decided;
    const detail = `${failed} failed workunits${never > 0 ? `, ${never} never decided` : ''}`;
    record(this.#context, batch, {actor, action: 'retried', detail}, now);
    return undefined;
  }

  #retryStage(batch: Batch, actor: Actor, now: Now): OperatorAnswer | undefined {
    const detail = stageName(stageAtOf(batch));
    const reason = this.#stages.retry(batch);
    if (reason !== undefined) return refusal('VOLLEY_USAGE', {reason});
    record(this.#context, batch, {actor, action: 'retried', detail}, now);
    return undefined;
  }

  /** Why an ended batch cannot go on from where it was. */
  #isFinal(batch: Batch): string | undefined {
    const {id, policy} = batch.row;
    const {winner, rechecking, done, singles} = batch.counters;
    if (batch.running) return undefined;
    if (batch.owners?.count === 0) return `the list of nodes of batch ${id} is lost: clone it`;
    if (winner !== undefined) return `batch ${id} has its first result, of workunit ${winner}`;
    // What ended early is not checked again (revocation.ts): it would count for good.
    const alone = policy.minQuorum === 1 ? done : singles;
    const isLeftAlone = alone > 0 && !batch.owners && !batch.mayRecheck;
    const isDoubtful =
      rechecking > 0 ||
      (isLeftAlone &&
        [...this.#context.roster.all()].some(
          // By numbers: the wall clock may have been set back in between.
          ({row}) => row.doubts !== 0 && (row.lastBatchId ?? id) >= id,
        ));
    return isDoubtful
      ? `results of batch ${id} may rest on a revoked node alone: clone it instead`
      : undefined;
  }

  #delete(
    {force}: Order<'deleteBatch'>,
    batch: Batch,
    actor: Actor,
    numbers: NumbersRow,
    now: Now,
  ): OperatorAnswer | undefined {
    const {id} = batch.row;
    if (batch.running && !force) {
      const reason = `batch ${id} is running: cancel it first, or delete it with --force`;
      return refusal('VOLLEY_USAGE', {reason});
    }
    if (batch.running) this.#results.end(batch, 'cancelled', `deleted by ${actor.name}`, now);
    this.#deletions.begin(batch, actor, numbers, now);
    return undefined;
  }
}
