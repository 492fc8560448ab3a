// How far apart the shots of one action are at one node (pure). What is closer than a shot takes is late, and then
// missed: who is known to need longer is not ready for it.

import type {NodeId} from '../base/types.ts';
import {type CaptureRow, offsetMs} from './capture-row.ts';
import {nodesOf} from './capture-steps.ts';

/** The shortest time between two of them; Infinity = there is one at most. */
export function leastGapMs(row: CaptureRow, action: string, nodeId: NodeId): number {
  const {steps, burst = 1, shots} = row;
  const period = steps?.length ?? burst; // what comes after two of these is as they are
  const last = Math.min(shots, 2 * period);
  let [before, least] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let shot = 1; shot <= last; shot++) {
    const step = steps?.[(shot - 1) % steps.length];
    if (step && (step.action !== action || !nodesOf(row, shot).includes(nodeId))) continue;
    const at = offsetMs(row, shot);
    least = Math.min(least, at - before);
    before = at;
  }
  return least;
}

/** Nodes that are not ready because of it. */
export type SlowRow = {
  readonly nodes: number;
  /** The shortest time between shots that one of them does not keep. */
  readonly gapMs: number;
  /** Shots so far apart would be kept by all. */
  readonly keepMs: number;
};

/** Told in steps, so that nodes that are much alike are told of together. */
const STEP_MS = 10;

export class SlowNodes {
  readonly #nodes = new Set<NodeId>();
  #gapMs = Number.POSITIVE_INFINITY;
  #keepMs = 0;

  /** @param shotMs 0 = not known @returns '' = it keeps up */
  why(nodeId: NodeId, shotMs: number, gapOf: () => number): string {
    if (shotMs === 0) return '';
    const gapMs = gapOf();
    if (shotMs <= gapMs) return '';
    const keepMs = STEP_MS * Math.ceil(shotMs / STEP_MS);
    this.#nodes.add(nodeId);
    this.#gapMs = Math.min(this.#gapMs, gapMs);
    this.#keepMs = Math.max(this.#keepMs, keepMs);
    return `a shot takes it up to ${keepMs} ms, and these are ${gapMs} ms apart`;
  }

  get row(): SlowRow | undefined {
    if (this.#nodes.size === 0) return undefined;
    return {nodes: this.#nodes.size, gapMs: this.#gapMs, keepMs: this.#keepMs};
  }
}
