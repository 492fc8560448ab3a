// A node asks for work: renew what it holds, pick what it may have, pack it into datagrams.

import type {BatchId, MonoMs, Now} from '../base/types.ts';
import {addMono} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import {ASSIGN_OVERHEAD_BYTES, assignedBatchBytesMax, leaseBytesMax} from '../wire/codec-sizes.ts';
import {LEASES_PER_ASSIGN_MAX, PLAINTEXT_BYTES_MAX} from '../wire/limits.ts';
import type {Assign, AssignedBatch, Lease, Pull} from '../wire/message.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {machineOf} from './homogeneous.ts';
import {grant, LEASES_PER_NODE_MAX} from './leases.ts';
import {heartbeatMs} from './liveness.ts';
import {holdsApart} from './losses.ts';
import {runMsAt} from './pace.ts';
import type {Recall} from './recall.ts';
import {allowedAt, isStopped, mayWork, type NodeState, peerOf} from './roster.ts';
import {batchesFor, canRun, mostOf, pick, shareOf} from './scheduler.ts';
import type {Replica, Workunit} from './workunit.ts';

/** Datagrams that answer one pull. */
const PARTS_MAX = 8;
/** Closed batches named in one answer; the rest is named in the next. */
const CLOSED_MAX = 16;
const ROOM_BYTES = PLAINTEXT_BYTES_MAX - ASSIGN_OVERHEAD_BYTES;

type Head = Omit<AssignedBatch, 'leases'>;

export class Pulls {
  readonly #context: MasterContext;
  readonly #recall: Recall;
  #pullNo = 0;

  constructor(context: MasterContext, recall: Recall) {
    this.#context = context;
    this.#recall = recall;
  }

  onPull(node: NodeState, pull: Pull, now: Now): void {
    if (isLate(node, pull)) return;
    this.#recall.onPull(node, pull, now);
    const closed = this.#renew(node, pull, now);
    node.load = pull.load;
    node.stateGeneration = pull.stateGeneration;
    if (node.lastPull?.nonce !== pull.nonce || node.lastPull.assigns.length === 0)
      node.lastPull = {nonce: pull.nonce, assigns: this.#answer(node, pull, closed, now)};
    for (const message of node.lastPull.assigns)
      this.#context.emit({type: 'send', to: peerOf(node), message});
  }

  /** Batches of the node's replicas that no longer want results. */
  #renew(node: NodeState, pull: Pull, now: Now): BatchId[] {
    const closed = new Set<BatchId>();
    for (const renewal of pull.running) {
      const batch = this.#context.batches.get(renewal.batchId);
      if (!batch?.running) {
        closed.add(renewal.batchId);
        continue;
      }
      const replica = batch.open
        .get(renewal.index)
        ?.replicas.find(({nodeId}) => nodeId === node.row.nodeId);
      if (replica?.replicaNo === renewal.replicaNo)
        replica.deadlineAt = renewedTo(
          replica,
          addMono(now.mono, batch.row.policy.leaseSeconds * SECOND_MS),
        );
    }
    return [...closed];
  }

  #answer(node: NodeState, pull: Pull, closed: readonly BatchId[], now: Now): Assign[] {
    const filled = new Parts();
    const room = LEASES_PER_NODE_MAX - node.out.size;
    const wanted = Math.min(pull.wanted, PARTS_MAX * LEASES_PER_ASSIGN_MAX, room);
    const {state, space} = this.#context;
    if (wanted > 0 && !state.paused && !space.isFull) this.#fill(node, pull, wanted, filled, now);
    if (pull.wanted > 0) this.#noteIdle(node, filled.all.length === 0);
    // Closed batches beside the largest lease would not fit: they go in a part of their own.
    const first = closed.length > 0 || filled.all.length === 0 ? [[]] : [];
    const parts = [...first, ...filled.all];
    return parts.map((part, no) => ({
      type: 'assign',
      nonce: pull.nonce,
      batches: part,
      waitMs: heartbeatMs(this.#context.roster.size),
      state: this.#context.state,
      suspended: isStopped(node),
      closed: no === 0 ? closed.slice(0, CLOSED_MAX) : [],
      wallMs: this.#context.instant(now.mono),
      part: no,
      parts: parts.length,
    }));
  }

  #noteIdle(node: NodeState, isIdle: boolean): void {
    node.idleSince = isIdle ? this.#context.workNo : -1;
    if (isIdle) this.#context.idle.add(node);
  }

  #fill(node: NodeState, pull: Pull, wanted: number, into: Parts, now: Now): void {
    const context = this.#context;
    let up: number | undefined; // counted once, and most pulls never ask
    let left = wanted;
    for (const batch of batchesFor(context.running, node)) {
      if (left <= 0 || holdsApart(node)) return;
      const share = shareOf({
        wanted: left,
        wantedMs: Math.min(pull.wantedMs, allowedAt(node) * keptMs(batch)),
        slots: allowedAt(node),
        runMs: runMsAt(node, batch),
        undecided: batch.row.count - batch.decided,
        get nodesUp() {
          up ??= countUp(context);
          return up;
        },
      });
      const head = headOf(batch);
      const from = {...context.machines.beginner(batch, node, now), isBusy: node.out.size > 0};
      let served = false;
      let ableNodes: number | undefined; // counted once, however many workunits ask
      const countAble = (): number => {
        ableNodes ??= able(context, batch, from.machine);
        return ableNodes;
      };
      const most = Math.min(share, mostOf(batch, node));
      const picked = (): Workunit[] => pick(batch, node.row.nodeId, most, countAble, from);
      if (most < 1) continue;
      for (const workunit of context.probes.pick(batch, node, countAble, picked, now)) {
        const leases = into.listFor(head, assignedSize(workunit));
        if (!leases) return;
        if (!served) batch.servedAt = ++this.#pullNo;
        served = true;
        leases.push(this.#lease(batch, workunit, node, now));
        left -= 1;
      }
    }
  }

  #lease(batch: Batch, workunit: Workunit, node: NodeState, now: Now): Lease {
    const {replicaNo, proof} = grant(this.#context, batch, workunit, node, now.mono);
    return {index: workunit.index, replicaNo, proof, input: workunit.input};
  }
}

/**
 * A question from before the last one, overtaken on its way: an answer to it would be kept in place of the one that
 * the node waits for. Nonces of one start of a node count up, past 2^32 they begin at 0 again.
 */
const isLate = ({lastPull}: NodeState, {nonce}: Pull): boolean =>
  lastPull !== undefined && ((nonce - lastPull.nonce) | 0) < 0;

const renewedTo = ({lastAt}: Replica, at: MonoMs): MonoMs => (at < lastAt ? at : lastAt);

/** What waits longer than this at a node would lose its lease before it has run. */
const keptMs = ({row}: Batch): number =>
  (row.policy.leaseSeconds + row.policy.timeLimitSeconds) * SECOND_MS;

function countUp(context: MasterContext): number {
  let up = 0;
  for (const node of context.roster.all()) if (mayWork(node)) up += 1;
  return up;
}

/** Nodes that could run the batch now, of one kind of machine where that counts. */
function able(context: MasterContext, batch: Batch, machine: string | undefined): number {
  const {policy} = batch.row;
  let count = 0;
  for (const node of context.roster.all())
    if (mayWork(node) && canRun(batch, node) && machineOf(policy, node.row) === machine) count += 1;
  return count;
}

const assignedSize = (workunit: Workunit): number =>
  leaseBytesMax({
    index: workunit.index,
    replicaNo: workunit.issued,
    proof: 0,
    input: workunit.input,
  });

/** Leases in as few datagrams as they fit, PARTS_MAX at most. */
class Parts {
  readonly all: AssignedBatch[][] = [];
  #head: Head | undefined;
  #headBytes = 0;
  #leases: Lease[] | undefined;
  #count = 0;
  #room = 0;

  /** The list for one more lease of so many bytes; undefined = the last datagram is full. */
  listFor(head: Head, bytes: number): Lease[] | undefined {
    if (head !== this.#head) {
      this.#head = head;
      this.#headBytes = assignedBatchBytesMax(head);
      this.#leases = undefined;
    }
    const wanted = bytes + (this.#leases ? 0 : this.#headBytes);
    if (this.#count === LEASES_PER_ASSIGN_MAX || wanted > this.#room) {
      if (this.all.length === PARTS_MAX) return undefined;
      this.all.push([]);
      this.#leases = undefined;
      this.#count = 0;
      this.#room = ROOM_BYTES;
    }
    if (!this.#leases) {
      this.#leases = [];
      this.all.at(-1)?.push({...head, leases: this.#leases});
      this.#room -= this.#headBytes;
    }
    this.#count += 1;
    this.#room -= bytes;
    return this.#leases;
  }
}

function headOf(batch: Batch): Head {
  const {row} = batch;
  return {
    batchId: row.id,
    appId: row.appId,
    args: row.args,
    leaseMs: row.policy.leaseSeconds * SECOND_MS,
    timeLimitMs: Math.ceil(row.policy.timeLimitSeconds * SECOND_MS),
    memoryLimitMib: row.policy.memoryLimitMib,
    outputLimitBytes: row.policy.outputLimitBytes,
    ...(row.shared ? {shared: row.shared} : {}),
  };
}
