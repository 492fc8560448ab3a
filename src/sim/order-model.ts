// What operators decided, as the rows of the master's store say: which batches may go from it, and whose votes do
// not count. Part of model.ts.

import type {BatchId, NodeId} from '../base/types.ts';
import type {HistoryRow, NodeControl} from '../core/operator-rows.ts';
import type {BatchRow, TableName} from '../core/tables.ts';
import {holds} from './fabric.ts';

/** Tables whose keys begin with the number of a batch. */
const OF_BATCH: ReadonlySet<TableName> = new Set(['batch', 'page', 'tries', 'check']);
/** The key of a doubt begins with the id of a node: 32 digits. */
const NODE_DIGITS = 32;

export class OrderModel {
  /** Numbers of batches that somebody deleted, whether all of their rows are gone or not. */
  readonly deleted = new Set<number>();
  readonly quarantined = new Set<NodeId>();
  /** Votes of quarantined nodes that were taken out, by workunit. */
  readonly #aside = new Map<number, number>();

  copy(): OrderModel {
    const copy = new OrderModel();
    for (const id of this.deleted) copy.deleted.add(id);
    for (const nodeId of this.quarantined) copy.quarantined.add(nodeId);
    for (const [workunit, count] of this.#aside) copy.#aside.set(workunit, count);
    return copy;
  }

  /** A row of `control`; undefined = it is gone. @returns whether the node is quarantined from now on */
  control(nodeId: NodeId, row: NodeControl | undefined): boolean {
    const isHeld = row?.hold?.kind === 'quarantined';
    if (!isHeld) this.quarantined.delete(nodeId);
    if (!isHeld || this.quarantined.has(nodeId)) return false;
    this.quarantined.add(nodeId);
    return true;
  }

  /** @returns the batch that it says was cancelled or deleted: it may run again in the same commit */
  history(key: string, {action}: HistoryRow): number | undefined {
    if (action !== 'cancelled' && action !== 'deleted') return undefined;
    const batchId = batchOf(key);
    if (action === 'deleted') this.deleted.add(batchId);
    return batchId;
  }

  /** A batch that is deleted does not come back, and its number is no other's. */
  batch({id, deleting}: BatchRow): void {
    if (deleting) this.deleted.add(id);
    const isKept = !this.deleted.has(id) || deleting;
    holds(isKept, 'S18', () => `batch ${id} was deleted and is there again`);
  }

  /**
   * Nothing is decided any more, and nobody votes. What was decided last is written with the row that says so.
   *
   * @param row as it was written last
   */
  isThere(batchId: BatchId, row: BatchRow | undefined, what: string): void {
    const isThere = !this.deleted.has(batchId) || (row !== undefined && !row.deleting);
    holds(isThere, 'S18', () => `${what} of the deleted batch ${batchId}`);
  }

  voted(nodeId: NodeId): void {
    holds(!this.quarantined.has(nodeId), 'S18', () => `node ${nodeId} is quarantined and votes`);
  }

  setAside(workunit: number): void {
    this.#aside.set(workunit, this.votesAside(workunit) + 1);
  }

  votesAside(workunit: number): number {
    return this.#aside.get(workunit) ?? 0;
  }

  /** Whether votes of members were ever taken out. */
  get hasAside(): boolean {
    return this.#aside.size > 0;
  }

  /** Whether this row may go because its batch was deleted. */
  mayGo(table: TableName, key: string): boolean {
    if (table === 'doubt') return this.deleted.has(batchOf(key.slice(NODE_DIGITS)));
    return OF_BATCH.has(table) && this.deleted.has(batchOf(key));
  }
}

const batchOf = (key: string): number => Number.parseInt(key.slice(0, 8), 16);
