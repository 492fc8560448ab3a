// Taking a node's membership away, for ever: durable first, then at once. Its session dies, everybody else
// gets a new group key, its leases and its votes on open workunits are taken out and others compute again.
//
// What others agreed on stays decided. Where the quorum was 1, or redundancy adaptive, a canonical result may rest on
// this node alone:
// the shell looks those up (`listSingles`), they are kept as `doubt` rows for the operator, and are computed again
// (rechecks.ts). A master that dies meanwhile looks again.

import type {NodeId, Now} from '../base/types.ts';
import {checkKey, doubtKey, encodeChecks, encodeDoubt} from '../core/checks.ts';
import type {MasterEvent} from '../core/core.ts';
import type {OperatorAnswer} from '../core/operator-request.ts';
import {put} from '../core/tables.ts';
import {mayStandAlone} from './adaptive.ts';
import type {Batch} from './batch.ts';
import {settleGone} from './broadcast.ts';
import type {MasterContext} from './context.ts';
import type {Liveness} from './liveness.ts';
import type {Results} from './results.ts';
import {type NodeState, peerOf, saveNode} from './roster.ts';
import {setAside} from './set-aside.ts';

type Listed = Extract<MasterEvent, {type: 'singlesListed'}>;

export class Revocation {
  readonly #context: MasterContext;
  readonly #results: Results;
  readonly #liveness: Liveness;
  /** Of nodes whose results are being listed: how many of each batch were found. */
  readonly #found = new Map<NodeId, Map<Batch, number>>();

  constructor(context: MasterContext, results: Results, liveness: Liveness) {
    this.#context = context;
    this.#results = results;
    this.#liveness = liveness;
    for (const node of context.roster.all()) {
      const {revokedAt, doubts, rechecked} = node.row;
      if (revokedAt === 0 || rechecked) continue;
      // Listed by an earlier version, and not to be checked again then: it is listed once more.
      if (doubts > 0 && rechecked === undefined) node.row = {...node.row, doubts: -1};
      if (node.row.doubts < 0) this.#list(node);
      else if (doubts > 0) context.rechecks.begin(node.row.nodeId);
    }
  }

  /** `doubts` of the answer is -1 while they are being listed. */
  revoke(nodeId: NodeId, now: Now): OperatorAnswer {
    const node = this.#context.roster.node(nodeId);
    if (!node) return {ok: false, code: 'VOLLEY_UNKNOWN_NODE', fields: {node: nodeId}};
    if (node.row.revokedAt === 0) this.#revoke(node, now);
    return {ok: true, doubts: node.row.doubts};
  }

  #revoke(node: NodeState, now: Now): void {
    const context = this.#context;
    const {nodeId, name} = node.row;
    const lastBatchId = [...context.batches.keys()].reduce((most, id) => Math.max(most, id), 0);
    node.row = {...node.row, revokedAt: Math.max(1, now.wall), lastBatchId, doubts: -1};
    context.save(saveNode(node.row));
    node.welcomed = false;
    node.up = false;
    node.idleSince = -1;
    node.lastPull = undefined;
    context.emit({type: 'forget', peer: peerOf(node)});
    const leases = node.out.size;
    for (const {workunit} of node.out) workunit.forgiven += 1;
    this.#liveness.release(node, now);
    const votes = setAside(context, this.#results, nodeId, now);
    settleGone(context, this.#results, nodeId, now);
    context.groupKeys.rotate(now);
    context.announceNode(nodeId);
    context.note('warn', 'node revoked', {node: nodeId, name, leases, votes});
    this.#list(node);
  }

  #list(node: NodeState): void {
    const batches = [...this.#context.batches.values()].flatMap(({row}) =>
      mayStandAlone(row.policy) ? [{batchId: row.id, onlySingle: row.policy.minQuorum > 1}] : [],
    );
    this.#found.set(node.row.nodeId, new Map());
    this.#context.emit({type: 'listSingles', nodeId: node.row.nodeId, batches});
  }

  /** A part of the list is here. */
  onListed({nodeId, pages, total}: Listed): void {
    const context = this.#context;
    const node = context.roster.node(nodeId);
    const found = this.#found.get(nodeId);
    if (!node || !found || !isBeingListed(node)) return;
    for (const {batchId, pageNo, singles} of pages) {
      const batch = context.batches.get(batchId);
      if (!batch) continue; // deleted meanwhile
      const key = doubtKey(nodeId, batchId, pageNo);
      context.save(put('doubt', key, encodeDoubt([...singles.keys()])));
      if (!batch.mayRecheck) continue;
      context.save(put('check', checkKey(batchId, pageNo, nodeId), encodeChecks(singles)));
      found.set(batch, (found.get(batch) ?? 0) + singles.size);
    }
    if (total === undefined) return;
    this.#found.delete(nodeId);
    this.#recheck(node, found, total);
  }

  /** The list is whole: from now on what is in it does not count as done. */
  #recheck(node: NodeState, found: ReadonlyMap<Batch, number>, doubts: number): void {
    const context = this.#context;
    let workunits = 0;
    for (const [batch, count] of found) {
      if (context.batches.get(batch.row.id) !== batch) continue; // deleted meanwhile
      if (!batch.mayRecheck) continue; // cancelled meanwhile
      batch.counters.rechecking += count;
      workunits += count;
      if (!batch.running) batch.goOn();
      context.running.add(batch);
      context.dirtyBatches.add(batch);
    }
    node.row = {...node.row, doubts, rechecked: workunits === 0};
    context.save(saveNode(node.row));
    context.announceNode(node.row.nodeId);
    if (doubts === 0) return;
    context.note('warn', 'results rest on a revoked node alone', {
      node: node.row.nodeId,
      results: doubts,
      workunits,
    });
    if (workunits > 0) context.rechecks.begin(node.row.nodeId);
  }
}

const isBeingListed = ({row}: NodeState): boolean => row.revokedAt > 0 && row.doubts < 0;
