// Who is silent and which leases have run out: one sweep a second over what is in flight.

import {assert} from '../base/assert.ts';
import {addMono, type MonoMs, NEVER, type Now} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {MasterContext} from './context.ts';
import {takeBack} from './leases.ts';
import {Losses} from './losses.ts';
import type {Results} from './results.ts';
import type {NodeState} from './roster.ts';
import type {Transfers} from './transfers.ts';

/** A node that missed this many heartbeats loses its leases. */
const HEARTBEATS_MISSED_MAX = 3;

/**
 * How often nodes send a Pull when nothing else is to say: 1 s for a room, 10 s for 10,000 boards, so
 * that the master hears about 1,000 a second at most.
 */
export const heartbeatMs = (nodes: number): number => Math.min(10_000, Math.max(1_000, nodes));

/** How long a node of such a cluster may be silent before its leases are taken back. */
export const silentAfterMs = (nodes: number): number => HEARTBEATS_MISSED_MAX * heartbeatMs(nodes);

export class Liveness {
  readonly #context: MasterContext;
  readonly #results: Results;
  readonly #losses: Losses;
  readonly #transfers: Pick<Transfers, 'silent'>;
  #sweepAt: MonoMs = NEVER;

  constructor(context: MasterContext, results: Results, transfers: Pick<Transfers, 'silent'>) {
    this.#context = context;
    this.#results = results;
    this.#losses = new Losses(context);
    this.#transfers = transfers;
  }

  wakeAt(): MonoMs {
    return this.#sweepAt;
  }

  /** Begins sweeping: from the first node on there is something to watch. */
  watch(now: Now): void {
    if (this.#sweepAt === NEVER) this.#sweepAt = addMono(now.mono, SECOND_MS);
  }

  tick(now: Now): void {
    if (now.mono < this.#sweepAt) return;
    this.#sweepAt = addMono(now.mono, SECOND_MS);
    const {roster, running} = this.#context;
    const silentMs = silentAfterMs(roster.size);
    for (const node of roster.all()) {
      if (node.up && now.mono - node.heardAt > silentMs) this.#silent(node, now);
      else this.#expire(node, now);
    }
    for (const batch of running) batch.sample(now.mono);
    this.#tendSuspected(now);
  }

  /** When nobody is left who could be asked, a suspicious result has to do. */
  #tendSuspected(now: Now): void {
    const context = this.#context;
    context.grow(now.mono);
    for (const workunit of [...context.suspected]) {
      const batch = context.batches.get(workunit.batchId);
      if (!batch || workunit.state !== 'open') context.suspected.delete(workunit);
      else if (workunit.replicas.length === 0) this.#results.settle(batch, workunit, now);
    }
  }

  #silent(node: NodeState, now: Now): void {
    node.up = false;
    node.idleSince = -1;
    this.#context.groupKeys.gone(node.row.nodeId);
    this.#context.note('warn', 'node is silent', {
      node: node.row.nodeId,
      name: node.row.name,
      leases: node.out.size,
    });
    this.#context.announceNode(node.row.nodeId);
    this.lose(node, now);
    this.#transfers.silent(node.row.nodeId, now);
  }

  #expire(node: NodeState, now: Now): void {
    // No copy: this looks at every lease of the cluster each second. What is taken leaves the set on the way.
    for (const replica of node.out) if (replica.deadlineAt <= now.mono) this.take(replica, now);
  }

  /** The node is silent or was started anew: what it held may be why. */
  lose(node: NodeState, now: Now): void {
    this.#losses.lost(node, now);
    this.release(node, now);
  }

  /** Takes all leases of a node back, so that others get the work. */
  release(node: NodeState, now: Now): void {
    for (const replica of [...node.out]) this.take(replica, now);
  }

  /** Takes one lease back. */
  take(replica: Parameters<typeof takeBack>[2], now: Now): void {
    const {workunit} = replica;
    if (workunit.state !== 'open') return; // the lease taken just before this one ended its batch
    const batch = this.#context.batches.get(workunit.batchId);
    assert(batch, `a lease of batch ${workunit.batchId}, which is not there`);
    takeBack(this.#context, batch, replica);
    this.#results.settle(batch, workunit, now);
  }
}
