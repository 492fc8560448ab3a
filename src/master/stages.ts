// Batches of several stages. The first batch is the one that was asked for: its own workunits are the first stage, and
// it runs until the last stage is done. Each later stage is a batch of its own, with leases, votes and pages as any:
//
//   a stage is done      ──▶ the shell puts its outputs together ──▶ the next stage begins, in one commit with where
//                            the plan stands: a master that dies has both or neither, and asks again
//   a stage has failed   ──▶ the batch has failed, and says in which round
//   the batch has ended, was deleted, or stands elsewhere ──▶ stages that are no part of it any more end and go
//
// So a round is a checkpoint: nothing before its state is needed again, and the stages of the round before the last
// one are deleted.

import {assert} from '../base/assert.ts';
import type {BatchId, Now} from '../base/types.ts';
import type {MasterEvent} from '../core/core.ts';
import type {GatheredSource, InputSource} from '../core/input-source.ts';
import {BY_RULE, type NumbersRow} from '../core/operator-rows.ts';
import {type StageAt, type StageKind, type StagePlan, stageName} from '../core/stages.ts';
import type {BlobRef} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import type {Deletions} from './deletion.ts';
import type {NewBatches} from './new-batches.ts';
import type {Results} from './results.ts';
import type {Retries} from './retry.ts';

type Answer = Extract<MasterEvent, {type: 'gathered'}>;

/** Rounds whose stages are kept: the one that runs, and the one whose state it has. */
const ROUNDS_KEPT = 2;

/** Where a plan stands; in its own workunits to begin with. */
export const stageAtOf = ({row, counters}: Batch): StageAt =>
  counters.stageAt ?? {
    batchId: row.id,
    round: 1,
    kind: 'map',
    ...(row.shared ? {carried: row.shared} : {}),
  };

export class Stages {
  readonly #context: MasterContext;
  readonly #results: Results;
  readonly #retries: Retries;
  readonly #deletions: Deletions;
  readonly #newBatches: NewBatches;
  readonly #numbers: () => NumbersRow;
  /** Stages by the batch that they are of. */
  readonly #stages = new Map<BatchId, Set<Batch>>();
  /** Batches to be looked at: something of theirs has changed. */
  readonly #due = new Set<BatchId>();
  /** The stage whose outputs are being put together, by batch. */
  readonly #asked = new Map<BatchId, BatchId>();

  constructor(
    context: MasterContext,
    parts: {
      readonly results: Results;
      readonly retries: Retries;
      readonly deletions: Deletions;
      readonly newBatches: NewBatches;
      readonly numbers: () => NumbersRow;
    },
  ) {
    this.#context = context;
    this.#results = parts.results;
    this.#retries = parts.retries;
    this.#deletions = parts.deletions;
    this.#newBatches = parts.newBatches;
    this.#numbers = parts.numbers;
    for (const batch of context.batches.values()) this.#note(batch);
  }

  #note({row}: Batch): void {
    if (row.plan) this.#due.add(row.id);
    if (!row.stage) return;
    const {batchId} = row.stage;
    this.#due.add(batchId);
    const stages = this.#stages.get(batchId) ?? new Set();
    const batch = this.#context.batches.get(row.id);
    if (batch) stages.add(batch);
    this.#stages.set(batchId, stages);
  }

  /** The stage that a batch stands at; itself in the beginning, undefined = its rows are lost. */
  current(head: Batch): Batch | undefined {
    return this.#context.batches.get(stageAtOf(head).batchId);
  }

  /** At the end of each turn, before batches are fed. */
  pump(now: Now): void {
    const {dirtyBatches, batches, gone} = this.#context;
    for (const batch of dirtyBatches) this.#note(batch);
    for (const batchId of gone) this.#due.add(batchId);
    gone.clear();
    for (const batchId of this.#due) {
      const head = batches.get(batchId);
      this.#sweep(batchId, head, now);
      if (head?.running && head.row.plan) this.#step(head, head.row.plan, now);
    }
    this.#due.clear();
  }

  /** Throws for a stage that runs beside its batch; at a start what a disk lost has yet to be looked at. */
  check(): void {
    for (const {row} of this.#context.running) {
      const batchId = row.stage?.batchId;
      if (batchId === undefined || this.#due.has(batchId)) continue;
      const head = this.#context.batches.get(batchId);
      const isAt = head?.running && stageAtOf(head).batchId === row.id;
      assert(isAt, `stage ${row.id} runs, and batch ${batchId} does not stand there`);
    }
  }

  /** Stages that are no part of their batch any more, or of a round that nobody needs. */
  #sweep(batchId: BatchId, head: Batch | undefined, now: Now): void {
    const stages = this.#stages.get(batchId);
    if (!stages) return;
    const at = head && stageAtOf(head);
    for (const batch of stages) {
      if (batch.running && !this.#runsOn(batch, head, at))
        this.#results.end(batch, 'cancelled', `batch ${batchId} goes on without it`, now);
      if (at && batch.row.id <= at.batchId && this.#isKept(batch, at)) continue;
      stages.delete(batch);
      if (this.#context.batches.has(batch.row.id))
        this.#deletions.begin(batch, BY_RULE, this.#numbers(), now);
    }
    if (stages.size === 0) this.#stages.delete(batchId);
  }

  /** Whether a stage that runs is the one that its batch stands at. */
  #runsOn({row}: Batch, head: Batch | undefined, at: StageAt | undefined): boolean {
    return at?.batchId === row.id && head?.running === true;
  }

  #isKept({row}: Batch, at: StageAt): boolean {
    return row.stage !== undefined && row.stage.round > at.round - ROUNDS_KEPT;
  }

  #step(head: Batch, plan: StagePlan, now: Now): void {
    if (head.retrying || head.decided < head.row.count || head.counters.rechecking > 0) return;
    const at = stageAtOf(head);
    const stage = this.current(head);
    if (!stage) return this.#fail(head, at, 'its rows are lost', now);
    if (stage !== head) {
      if (stage.running) return;
      const {state, reason} = stage.counters;
      if (state !== 'done') return this.#fail(head, at, reason, now);
    }
    const isOver = at.round === plan.rounds && !plan.untilStable;
    if (isOver && (at.kind === 'reduce' || !plan.reduce)) return this.#end(head, '', now);
    if (this.#asked.get(head.row.id) === stage.row.id) return;
    this.#asked.set(head.row.id, stage.row.id);
    const isWhole = plan.reduce !== undefined;
    this.#context.emit({
      type: 'gather',
      batchId: head.row.id,
      stage: stage.row.id,
      count: stage.row.count,
      how: isWhole ? 'whole' : {halo: plan.halo ?? 0},
    });
  }

  onGathered({batchId, stage, gathered}: Answer, now: Now): void {
    if (this.#asked.get(batchId) !== stage) return;
    this.#asked.delete(batchId);
    const head = this.#context.batches.get(batchId);
    const plan = head?.row.plan;
    if (!head?.running || !plan || head.retrying) return;
    const at = stageAtOf(head);
    if (at.batchId !== stage) return;
    if (gathered.kind === 'failed') return this.#fail(head, at, gathered.reason, now);
    const {source} = gathered;
    if (at.kind === 'map' && plan.reduce)
      return this.#begin(head, {round: at.round, kind: 'reduce'}, source, at.carried, now);
    const state = {blobId: source.blobId, size: source.size};
    if (plan.untilStable && at.carried?.blobId === state.blobId)
      return this.#end(head, `stable after ${at.round} rounds`, now);
    if (at.round === plan.rounds)
      return this.#fail(head, at, `not stable after ${plan.rounds} rounds`, now);
    const next = {round: at.round + 1, kind: 'map'} as const;
    this.#begin(head, next, plan.reduce ? head.row.input : source, state, now);
  }

  #begin(
    head: Batch,
    {round, kind}: {readonly round: number; readonly kind: StageKind},
    input: InputSource | GatheredSource,
    state: BlobRef | undefined,
    now: Now,
  ): void {
    const {row, control} = head;
    const {plan, policy} = row;
    const does = kind === 'reduce' ? plan?.reduce : row;
    if (!does) return;
    const shared = plan?.reduce ? state : row.shared;
    const batch = {
      name: row.name,
      appName: does.appName,
      appId: does.appId,
      runtime: does.runtime,
      action: does.action,
      args: does.args,
      input,
      policy: {...does.policy, priority: policy.priority},
      stage: {batchId: row.id, round, kind},
      ...(shared ? {shared} : {}),
      ...(control.target ? {target: control.target} : {}),
    };
    const suspended = control.suspended ? {suspended: control.suspended} : {};
    const stage = this.#newBatches.add(batch, this.#results.nextReportNo, now, suspended);
    const batchId = stage.row.id;
    head.counters.stageAt = {batchId, round, kind, ...(state ? {carried: state} : {})};
    this.#context.dirtyBatches.add(head);
    this.#note(stage);
    this.#context.note('info', 'stage begins', {
      batch: row.id,
      stage: batchId,
      what: stageName({round, kind}),
    });
  }

  #fail(head: Batch, at: StageAt, reason: string, now: Now): void {
    const where = at.batchId === head.row.id && at.kind === 'map' ? 'round 1, map' : stageName(at);
    this.#results.end(head, 'failed', `${where}: ${reason}`, now);
  }

  #end(head: Batch, reason: string, now: Now): void {
    this.#results.end(head, 'done', reason, now);
  }

  /** The batch runs again, where it stood. */
  #goOn(head: Batch): void {
    head.beginAgain();
    // Its row says so, though nothing of its own begins anew.
    head.control = {...head.control, retries: (head.control.retries ?? 0) + 1};
    this.#context.running.add(head);
    this.#context.dirtyBatches.add(head);
  }

  /**
   * A batch whose own workunits are done goes on with the stage where it ended.
   * @returns why it cannot
   */
  retry(head: Batch): string | undefined {
    const {id, plan} = head.row;
    const at = stageAtOf(head);
    const stage = this.current(head);
    if (head.running || head.counters.state === 'done') return `batch ${id} has no failed stage`;
    if (!stage) return `the rows of ${stageName(at)} of batch ${id} are lost: clone it`;
    const isDone = stage === head || stage.counters.state === 'done';
    const isLast = at.round === plan?.rounds && (at.kind === 'reduce' || !plan.reduce);
    if (isDone && isLast)
      return `batch ${id} has had all its rounds: clone it with more, or with --shared and its result`;
    this.#goOn(head);
    if (!isDone) this.#retries.begin(stage);
    return undefined;
  }
}
