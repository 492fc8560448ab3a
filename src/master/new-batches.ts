// Batches that begin: those that operators submit, and the later stages of those that have several.

import {asBatchId, type BatchId, type NodeId, type Now} from '../base/types.ts';
import type {BatchRequest} from '../core/operator-request.ts';
import {broadcastKey, type Mark} from '../core/operator-rows.ts';
import type {Policy} from '../core/policy.ts';
import {type AppRow, type BatchRow, encodeJson, put} from '../core/tables.ts';
import {Batch} from './batch.ts';
import {Owners} from './broadcast.ts';
import type {MasterContext} from './context.ts';
import {countOf} from './feeder.ts';
import type {TransferDesk} from './transfer-desk.ts';

/** What of a row is told; the rest begins at nothing. */
export type NewBatch = Pick<
  BatchRow,
  'name' | 'appName' | 'appId' | 'runtime' | 'action' | 'args' | 'input' | 'policy'
> &
  Partial<Pick<BatchRow, 'clonedFrom' | 'target' | 'plan' | 'stage' | 'shared'>>;

export class NewBatches {
  readonly #context: MasterContext;
  #nextId: number;

  readonly #transfers: Pick<TransferDesk, 'bring'>;

  constructor(context: MasterContext, nextId: number, transfers: Pick<TransferDesk, 'bring'>) {
    this.#context = context;
    this.#transfers = transfers;
    this.#nextId = nextId;
  }

  /** The highest number that was given out. */
  get lastId(): number {
    return this.#nextId - 1;
  }

  /**
   * @param firstReportNo no report below this one names it
   * @param nodes of a broadcast
   */
  add(
    batch: NewBatch,
    firstReportNo: number,
    now: Now,
    {nodes, suspended}: {readonly nodes?: readonly NodeId[]; readonly suspended?: Mark} = {},
  ): Batch {
    const context = this.#context;
    const id = asBatchId(this.#nextId++);
    const row = {
      ...rowOf(id, batch, now, context.prng.uint32()),
      ...(nodes ? {count: nodes.length} : {}),
      firstReportNo,
      ...(suspended ? {suspended} : {}),
    };
    const owners = nodes && new Owners(nodes);
    const added = new Batch(row, undefined, undefined, undefined, owners);
    if (nodes) context.save(put('meta', broadcastKey(id), encodeJson({batchId: id, nodes})));
    context.batches.set(id, added);
    context.running.add(added);
    context.dirtyBatches.add(added);
    context.workNo += 1;
    if (row.shared) this.#transfers.bring('shared', row.shared, row.target, now);
    return added;
  }
}

/** What an operator asks for, as a batch. */
export const newBatchOf = (batch: BatchRequest, app: AppRow, policy: Policy): NewBatch => ({
  name: batch.name === '' ? app.name : batch.name,
  appName: app.name,
  appId: app.appId,
  runtime: app.runtime,
  action: app.action,
  args: batch.args,
  input: batch.input,
  policy,
  ...(batch.clonedFrom === undefined ? {} : {clonedFrom: batch.clonedFrom}),
  ...(batch.target === undefined ? {} : {target: batch.target}),
  ...(batch.shared === undefined ? {} : {shared: batch.shared}),
});

/** Counters of a batch that nothing has happened in. */
export const NOTHING_YET = {
  endedAt: 0,
  done: 0,
  failed: 0,
  replicas: 0,
  results: 0,
  disagreements: 0,
  errors: 0,
  rechecking: 0,
  confirmed: 0,
  replaced: 0,
  singles: 0,
  lastReportNo: 0,
} as const satisfies Partial<BatchRow>;

const rowOf = (id: BatchId, batch: NewBatch, now: Now, salt: number): BatchRow => ({
  id,
  ...batch,
  count: countOf(batch.input),
  state: 'running',
  reason: '',
  createdAt: now.wall,
  ...NOTHING_YET,
  salt,
});
