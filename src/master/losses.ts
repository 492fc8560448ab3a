// A workunit that takes down whoever computes it: the board hangs, runs out of memory, trips its supply, and nobody is
// left to return an error. All that the master sees is that its holders are lost: silent, or started anew.
//
//   lost with a holder twice ──▶ apart: given to a node that has nothing else, and gets nothing else meanwhile
//   lost so again            ──▶ an error of the workunit, as any: maxErrorReplicas of them and it has failed
//
// So with the usual limit of 3 it costs five boards, however large the cluster. Where many nodes are lost at once it is
// the power or the network, which says nothing of what they held. In memory only: a restart begins to count anew.

import type {MonoMs, Now} from '../base/types.ts';
import {SECOND_MS} from '../base/units.ts';
import type {MasterContext} from './context.ts';
import type {NodeState} from './roster.ts';
import type {Workunit} from './workunit.ts';

const LOSSES_MIN = 2;
/**
 * A node runs the oldest of what it holds, one in each slot, and may have ended a few that it has not reported yet. What
 * waits there has not begun: of hundreds all but a few would run apart after two losses, one after the other.
 */
const BLAMED_PER_SLOT = 4;
/** Nodes lost within this time of each other were lost at once. */
const AT_ONCE_MS = 10 * SECOND_MS;
/** So many lost at once may be due to what they held: these, or this share of all. */
const AT_ONCE_MAX = 3;
const AT_ONCE_SHARE = 0.05;

/** Has it been lost so often that it runs apart? */
export const isApart = ({losses = 0}: Workunit): boolean => losses >= LOSSES_MIN;

/** The node has a workunit that runs apart: it gets nothing beside it. */
export function holdsApart({out}: NodeState): boolean {
  if (out.size !== 1) return false;
  for (const {workunit} of out) return isApart(workunit);
  return false;
}

export class Losses {
  readonly #context: MasterContext;
  #lostAt: MonoMs[] = [];

  constructor(context: MasterContext) {
    this.#context = context;
  }

  /** The node is silent, or was started anew; before its leases are taken back. */
  lost(node: NodeState, {mono}: Now): void {
    if (node.out.size === 0) return;
    this.#lostAt = this.#lostAt.filter(at => mono - at <= AT_ONCE_MS);
    this.#lostAt.push(mono);
    const most = Math.max(AT_ONCE_MAX, AT_ONCE_SHARE * this.#context.roster.size);
    if (this.#lostAt.length > most) return;
    const isAlone = holdsApart(node);
    let left = BLAMED_PER_SLOT * node.row.slots;
    for (const {workunit} of node.out) {
      if (--left < 0) return;
      workunit.losses = (workunit.losses ?? 0) + 1;
      if (isAlone) workunit.lostAlone = (workunit.lostAlone ?? 0) + 1;
    }
  }
}
