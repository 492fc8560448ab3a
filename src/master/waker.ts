// Wakes idle nodes when there is work: one multicast, at a pace that nodes and the master can bear.

import {type MonoMs, NEVER, type Now} from '../base/types.ts';
import {COMMANDS_PER_SECOND} from '../wire/limits.ts';
import {TokenBucket} from '../wire/token-bucket.ts';
import {callFor, TARGETED_NODES_MAX} from './call.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import type {NodeState} from './roster.ts';
import {canRun} from './scheduler.ts';

/**
 * Idle nodes are woken at most this often for each of them, the first time at once: every one answers
 * with a pull, and 10,000 pulls a second are what the master is given.
 */
const WAKE_MS_PER_NODE = 0.1;
/** Nodes verify so many commands a second; calls for work leave room for those that fire. */
const WAKES_PER_SECOND = COMMANDS_PER_SECOND * 0.8;
/** When the calls of a second are used up. */
const WAKE_AGAIN_MS = 5;
/** First pulls are spread over this for each idle node. */
export const SPREAD_MS_PER_NODE = 0.05;

export class Waker {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #wakes = new TokenBucket(WAKES_PER_SECOND);
  #nextAt = Number.NEGATIVE_INFINITY;
  #isDue = false;
  /** Value of the work counter that idle nodes were told of. */
  #wokenFor = 0;

  constructor(context: MasterContext, commands: Commands) {
    this.#context = context;
    this.#commands = commands;
  }

  wakeAt(): MonoMs {
    return this.#isDue ? (this.#nextAt as MonoMs) : NEVER;
  }

  /** One multicast when there is work that an idle node was not told of. */
  endTurn(now: Now): void {
    const {running, workNo, state} = this.#context;
    if (state.paused || this.#context.space.isFull) return;
    if (workNo === this.#wokenFor && !this.#isDue) return;
    this.#isDue = false;
    const idle = this.#idleNodes();
    if (idle.length === 0) return;
    const batch = [...running].find(candidate => candidate.hasWork);
    if (!batch) return;
    if (now.mono >= this.#nextAt && !this.#wakes.take(now.mono))
      this.#nextAt = now.mono + WAKE_AGAIN_MS;
    if (now.mono < this.#nextAt) {
      this.#isDue = true;
      return;
    }
    this.#nextAt = now.mono + idle.length * WAKE_MS_PER_NODE;
    this.#wokenFor = workNo;
    const called = this.#context.callAll ? idle : callFor(running, idle, this.#context.prng);
    this.#context.callAll = false;
    for (const node of called) node.idleSince = workNo;
    const spreadMs = Math.floor(called.length * SPREAD_MS_PER_NODE);
    const what = {kind: 'workAvailable', batchId: batch.row.id, spreadMs} as const;
    const awaited = called.map(node => node.row.nodeId);
    const few = called.length < idle.length && called.length <= TARGETED_NODES_MAX;
    const target = few ? {target: {labels: [], nodes: awaited}} : {};
    this.#commands.issue(what, now, {awaited, ...target});
  }

  /**
   * Up, and told that there is nothing before there was what is there now. Not those who would be told so again:
   * one node on the bench would have all nodes called each time that a workunit wants a replica.
   */
  #idleNodes(): NodeState[] {
    const {idle, running, workNo} = this.#context;
    const batches = [...running].filter(batch => batch.hasWork);
    const told: NodeState[] = [];
    for (const node of idle) {
      if (!node.up || node.idleSince < 0) idle.delete(node);
      else if (node.idleSince < workNo && batches.some(batch => canRun(batch, node)))
        told.push(node);
    }
    return told;
  }
}
