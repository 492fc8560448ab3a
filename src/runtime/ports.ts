// What the runtime needs of the world, as small as can be. io/ fits these to the real world, sim/ to the
// simulated one; test/ports runs the same suite on both. All calls return at once: answers come back as
// events or callbacks, so that the simulated world is one heap of plain functions in one total order.

import type {Address, BatchId, BlobId, MonoMs, NodeId, Now, ReplicaId} from '../base/types.ts';
import type {SetActionEffect} from '../core/action-events.ts';
import type {BulkOrder} from '../core/bulk-orders.ts';
import type {Comparison} from '../core/compare.ts';
import type {NodeEffect, NodeEvent, Note, RunOrder, UploadPurpose} from '../core/core.ts';
import type {InputSource} from '../core/input-source.ts';
import type {
  CheckPage,
  CompareQuestion,
  Gathered,
  ListedBatch,
  ListedPage,
  ListedReport,
  SinglesPage,
} from '../core/lookups.ts';
import type {GatherHow} from '../core/stages.ts';
import type {Op} from '../core/tables.ts';
import type {TransferEffect} from '../core/transfer-events.ts';
import type {Input} from '../wire/message.ts';

export interface Clock {
  now(): Now;
  /** One alarm for each clock: replaces the one before; NEVER takes it back. May ring late, not early. */
  alarmAt(at: MonoMs, ring: () => void): void;
  /** Runs `turn` once after what is going on now: lets datagrams that came together share a turn. */
  soon(turn: () => void): void;
}

export interface Network {
  /** Unreliable, may drop when buffers are full; never throws for a peer's fault. */
  send(to: Address, datagram: Uint8Array): void;
  multicast(datagram: Uint8Array): void;
}

export interface MasterNetwork extends Network {
  /**
   * As send, from a port that only nodes with a session are told: what strangers send to the known port
   * fills another buffer of the kernel than what members answer.
   */
  sendToMember(to: Address, datagram: Uint8Array): void;
}

export interface Store {
  /**
   * Makes all operations durable, or none. One commit at a time: the driver waits for `done`. An error
   * is final (P11): the driver stops the process.
   */
  commit(ops: readonly Op[], done: (error?: Error) => void): void;
}

export interface Journal {
  note(note: Note): void;
  /** Counts a drop or another thing that peers can cause; never one line each. */
  count(name: string, by?: number): void;
}

// ---- master only ------------------------------------------------------------------------------

export type InputsRead =
  | {readonly kind: 'inputs'; readonly inputs: readonly Input[]}
  | {readonly kind: 'failed'; readonly reason: string};

export interface Inputs {
  /** Inputs of workunits from … from+count-1 of a source; small ones whole, large ones as slices. */
  read(source: InputSource, from: number, count: number, done: (read: InputsRead) => void): void;
}

export interface Comparer {
  /** Answers once, in bounded time; what an output or a comparison app does is an answer, too. */
  compare(question: CompareQuestion, done: (comparison: Comparison) => void): void;
}

export interface Singles {
  /**
   * Looks for workunits whose canonical result is in a report of this node, in what is durable. `found` is
   * called with each part, and with `total` exactly once, at the end.
   */
  list(
    nodeId: NodeId,
    batches: readonly ListedBatch[],
    found: (pages: readonly SinglesPage[], total?: number) => void,
  ): void;
  /** The next few pages in the rows of `doubt` of this node, behind the row of this key. */
  read(
    nodeId: NodeId,
    after: string,
    read: (pages: readonly CheckPage[], isLast: boolean) => void,
  ): void;
}

/** Rows of decided work, looked up in what is durable. */
export interface Shelf {
  /** Those pages of from … from+count-1 that there are. */
  pages(
    batchId: BatchId,
    from: number,
    count: number,
    found: (pages: readonly ListedPage[]) => void,
  ): void;
  /** A part of the reports from … to, both included; `next` = where the next part begins, if there is one. */
  reports(
    from: number,
    to: number,
    found: (reports: readonly ListedReport[], next: number | undefined) => void,
  ): void;
}

/** What stages have put out, in what is durable. */
export interface Outputs {
  /**
   * Puts the canonical outputs of workunits 0 … count-1 together, in order, as a source of inputs: the same outputs
   * always make the same blob. Answers once, when it is durable.
   */
  gather(stage: BatchId, count: number, how: GatherHow, done: (gathered: Gathered) => void): void;
}

/** Sends blobs to many nodes at once, one after the other; what comes of it is told by `bulkNews` events. */
export interface Bulk {
  order(order: BulkOrder): void;
}

// ---- node only --------------------------------------------------------------------------------

/** What the parts of a node tell its core; the runtime gives this function to each of them. */
export type Tell = (event: NodeEvent) => void;

export interface Runner {
  /** Ends in exactly one `computed` or `failed` event, unless stopped before. */
  run(order: RunOrder): void;
  /**
   * The replica is no longer wanted here: no event follows.
   *
   * @param keepsState it may come again, and then goes on from the state that it saved
   */
  stop(replicaId: ReplicaId, keepsState: boolean): void;
  /** From now on these slots stand still, and the others run so much of the time. */
  pace(held: readonly number[], cpuPercent: number): void;
}

export interface NodeBlobs {
  /** Where the master's blobs are (its address is the session's), our key there, who may sign apps. */
  access(host: string, port: number, key: Uint8Array, appKeys: readonly Uint8Array[]): void;
  /** Ends in `uploaded` (also when the master had it already) or `uploadFailed`. */
  upload(blobId: BlobId, size: number, purpose: UploadPurpose): void;
  drop(blobId: BlobId): void;
}

export type FireOrder = Extract<NodeEffect, {type: 'fire'}>;

export interface Actions {
  /** Ends in exactly one `shotDone` event. */
  fire(order: FireOrder): void;
  /** It ends at once, unless it is under way: then as if nobody had said a word. */
  cancel(order: Extract<NodeEffect, {type: 'cancelShot'}>): void;
  /** Ends in one `actionSet` event; what is kept from an earlier life, in one at most. */
  set(order: SetActionEffect): void;
}

/** Receives transfers; tells `transferTold`, and once for each `transferOver`. */
export interface BulkEar {
  order(order: TransferEffect): void;
}
