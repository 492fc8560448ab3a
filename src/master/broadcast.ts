// Broadcasts: a batch of one workunit for each node, all with the same input (BOINC's broadcast jobs). Which nodes
// these are is fixed when it is submitted: all members that its target selects and that could run it, be they up or
// not, but for quarantined ones. Workunit i is that of node i of the list, which is a row of its own.
//
//   its node asks              ──▶ it is given it, and nobody else ever is: no hedge, no second opinion, no trial of the app
//   its node is silent or held ──▶ it waits, and the batch says for whom
//   its node is no member now  ──▶ it has failed
//
// So the quorum is one, and a result counts as what this node returned, no more. What rests on a revoked node stays as
// it is: it was never anybody else's.

import {assert} from '../base/assert.ts';
import type {NodeId, Now} from '../base/types.ts';
import type {Batch} from './batch.ts';
import type {MasterContext} from './context.ts';
import {mayRun, type Wish} from './feasible.ts';
import {ownVotes} from './homogeneous.ts';
import type {Results} from './results.ts';
import {candidateOf, type NodeState} from './roster.ts';
import {wantedAfterRestart} from './validator.ts';
import {countedOf, type Workunit} from './workunit.ts';

/** Nodes of a broadcast by their index, and the other way. */
export class Owners {
  readonly #nodes: readonly NodeId[];
  readonly #indexes: ReadonlyMap<NodeId, number>;

  constructor(nodes: readonly NodeId[]) {
    this.#nodes = nodes;
    this.#indexes = new Map(nodes.map((nodeId, index) => [nodeId, index]));
  }

  get count(): number {
    return this.#nodes.length;
  }

  has(nodeId: NodeId): boolean {
    return this.#indexes.has(nodeId);
  }

  at(index: number): NodeId {
    const nodeId = this.#nodes[index];
    assert(nodeId !== undefined, `a broadcast has no node ${index}`);
    return nodeId;
  }

  /** -1 = it is none of them. */
  indexOf(nodeId: NodeId): number {
    return this.#indexes.get(nodeId) ?? -1;
  }
}

/** Whose a broadcast would be, in the order in which they joined. */
export function nodesFor({roster}: MasterContext, wish: Wish): NodeId[] {
  const nodes: NodeId[] = [];
  for (const node of roster.all())
    if (node.control.hold?.kind !== 'quarantined' && mayRun(wish, candidateOf(node)))
      nodes.push(node.row.nodeId);
  return nodes;
}

/** At the end of each turn: all of it is open at once, for nodes ask in any order. */
export function takeUpAll(context: MasterContext, results: Results, batch: Batch, now: Now): void {
  if (!batch.running || !batch.feeder.hasNext) return;
  const gone: Workunit[] = [];
  for (let next = batch.feeder.next(); next; next = batch.feeder.next()) {
    batch.adopt(next);
    const wanted = wantedAfterRestart(batch.row.policy, ownVotes(next), countedOf(next));
    batch.want(next, wanted ?? 0);
    if (wanted === undefined || isGone(context, next)) gone.push(next);
  }
  context.workNo += 1;
  for (const workunit of gone) if (workunit.state === 'open') results.settle(batch, workunit, now);
}

/** The node is no member any more: what is open of it has failed. */
export function settleGone(
  context: MasterContext,
  results: Results,
  nodeId: NodeId,
  now: Now,
): void {
  for (const batch of [...context.running]) {
    const workunit = batch.owners && batch.open.get(batch.owners.indexOf(nodeId));
    if (workunit) results.settle(batch, workunit, now);
  }
}

/** Nobody can compute it: why, or undefined. */
export function whyGone({roster}: MasterContext, {owner}: Workunit): string | undefined {
  if (owner === undefined) return undefined;
  const row = roster.node(owner)?.row;
  if (!row) return `its node ${owner.slice(0, 8)} was forgotten`;
  return row.revokedAt > 0 ? `its node ${row.name} was revoked` : undefined;
}

const isGone = (context: MasterContext, workunit: Workunit): boolean =>
  whyGone(context, workunit) !== undefined;

/** Names in a sentence. */
const NAMED_MAX = 3;

/** Nodes whose workunits nobody has and nobody has done. */
export const awaitedIn = ({open}: Batch): NodeId[] =>
  [...open.values()].flatMap(({owner, wanted}) =>
    owner !== undefined && wanted > 0 ? [owner] : [],
  );

/**
 * Which nodes of a broadcast cannot begin now, in a sentence; '' = all of them could.
 * @param count of all its nodes, those that have done it too
 */
export function whoIsMissing(
  {roster}: MasterContext,
  awaited: readonly NodeId[],
  count: number,
): string {
  const missing = awaited.flatMap(nodeId => {
    const node = roster.node(nodeId);
    const why = node && whyIdle(node);
    return why ? [`${node.row.name} ${why}`] : [];
  });
  if (missing.length === 0) return '';
  const more = missing.length > NAMED_MAX ? `, and ${missing.length - NAMED_MAX} more` : '';
  const named = missing.slice(0, NAMED_MAX).join(', ') + more;
  return `needs each of its ${count} nodes, and ${missing.length} cannot begin now: ${named}`;
}

/** '' = it is up and free. */
function whyIdle({up, control, guest}: NodeState): string {
  if (!up) return 'is silent';
  if (control.hold) return `is ${control.hold.kind}`;
  if (guest?.draining) return 'is draining';
  return '';
}
