// Runs a plan in slices, so that signals are heard and memory is looked at, and says how it went.

import {setImmediate as otherTurn} from 'node:timers/promises';
import {MIB, SECOND_MS} from '../base/units.ts';
import {heartbeatMs} from '../master/liveness.ts';
import {figuresOf, type PlanFigures} from '../sim/plan-figures.ts';
import {type PlanOptions, usualRunMs} from '../sim/plan-options.ts';
import {PlanWorld} from '../sim/plan-world.ts';
import {duration, grouped, percent} from './output.ts';

/** About a tenth of a second. */
const SLICE_EVENTS = 8_192;
/** Messages to the master, with all that comes of them, in a second of one core of a usual machine, as measured. */
const MESSAGES_PER_SECOND = 25_000;
/** A replica is asked for and reported. */
const MESSAGES_PER_REPLICA = 2;

export type PlanRun = {
  readonly figures: PlanFigures;
  /** Of this machine, and never the same twice. */
  readonly tookMs: number;
  readonly heapMibPeak: number;
  readonly residentMib: number;
};

export type PlanWatch = {
  readonly isStopped: () => boolean;
  readonly onSlice?: (world: PlanWorld) => void;
};

/** undefined = it was stopped. */
export async function runPlan(
  options: PlanOptions,
  {isStopped, onSlice}: PlanWatch,
): Promise<PlanRun | undefined> {
  const begunAt = performance.now();
  const world = new PlanWorld(options);
  let heapBytes = 0;
  let residentBytes = 0;
  for (let isOver = false; !isOver; ) {
    isOver = world.run(SLICE_EVENTS);
    const {heapUsed, rss} = process.memoryUsage();
    heapBytes = Math.max(heapBytes, heapUsed);
    residentBytes = Math.max(residentBytes, rss);
    onSlice?.(world);
    await otherTurn();
    if (isStopped()) return undefined;
  }
  return {
    figures: figuresOf(world),
    tookMs: performance.now() - begunAt,
    heapMibPeak: heapBytes / MIB,
    residentMib: residentBytes / MIB,
  };
}

/** How long it is likely to take on a usual machine. */
export function expectedMs(options: PlanOptions): number {
  const {nodes, slots, workunits, redundancy, quorum = 2} = options;
  const replicas = workunits * (redundancy === 'always' ? quorum : 1);
  const heartbeats = usualRunMs(options) / slots / heartbeatMs(nodes);
  return (SECOND_MS * replicas * (MESSAGES_PER_REPLICA + heartbeats)) / MESSAGES_PER_SECOND;
}

/** Where it stands, in one line. */
export function progressOfPlan(world: PlanWorld, tookMs: number): string {
  const {batch} = world.master;
  const {workunits, redundancy} = world.options;
  if (!batch) return `${redundancy}: ${grouped(world.nodes.length)} boards join`;
  const {decided} = batch;
  const leftMs = decided === 0 ? undefined : (tookMs * (workunits - decided)) / decided;
  return [
    `${redundancy}: ${grouped(decided)}/${grouped(workunits)} (${percent(decided, workunits)})`,
    `after ${duration(world.now - world.submittedAt)}`,
    `${grouped(Math.round((SECOND_MS * decided) / Math.max(tookMs, 1)))}/s`,
    `${grouped(batch.open.size)} open`,
    ...(leftMs === undefined ? [] : [`${duration(leftMs)} left`]),
  ].join('  ');
}
