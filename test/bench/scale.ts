// A batch of millions over thousands of boards, in simulation: the master's own core as `volley sim plan` drives
// it. What matters is what it decides, what it costs in replicas, and that memory follows what is open.

import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import {progressOfPlan, runPlan} from '../../src/cli/plan-run.ts';
import type {PlanFigures} from '../../src/sim/plan-figures.ts';
import {type PlanOptions, USUAL_PLAN} from '../../src/sim/plan-options.ts';
import {number, table} from './report.ts';

const MIB = 1_024 * 1_024;
/** How often the heap is cleaned and measured, in parts of the batch. */
const LOOKS = 10;

export type Scale = {
  readonly figures: PlanFigures;
  readonly tookSeconds: number;
  readonly workunitsPerSecond: number;
  /** Living objects of master and boards: with all boards there and no batch, and at most. */
  readonly idleHeapMib: number;
  readonly liveHeapMib: number;
  /** Of that, what came with the batch, for each workunit that was open. */
  readonly bytesPerOpenWorkunit: number;
  readonly heapMibPeak: number;
  readonly residentMib: number;
};

/** Boards of three generations, 1 % of them always wrong, 1 % an hour dying. */
export const scaleOptions = (nodes: number, workunits: number): PlanOptions => ({
  ...USUAL_PLAN,
  nodes,
  workunits,
  runMsMin: 8_000,
  runMsMax: 12_000,
  speeds: [
    {speed: 1, share: 0.5},
    {speed: 0.7, share: 0.3},
    {speed: 0.4, share: 0.2},
  ],
  wrong: 0.01,
  dyingPerHour: 0.01,
  redundancy: 'adaptive',
});

/** Bytes of living objects. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

export async function scale(nodes: number, workunits: number): Promise<Scale> {
  const begunAt = performance.now();
  let [idle, live, perOpen, lookAt, toldAt] = [0, 0, 0, 0, begunAt];
  const run = await runPlan(scaleOptions(nodes, workunits), {
    isStopped: () => false,
    onSlice: world => {
      const now = performance.now();
      if (now - toldAt > 10_000) {
        console.error(progressOfPlan(world, now - begunAt));
        toldAt = now;
      }
      const {batch} = world.master;
      if (!batch) {
        idle = liveBytes();
        return;
      }
      if (batch.decided < lookAt || batch.open.size === 0) return;
      lookAt = batch.decided + workunits / LOOKS;
      const bytes = liveBytes();
      if (bytes > live) perOpen = (bytes - idle) / batch.open.size;
      live = Math.max(live, bytes);
    },
  });
  if (!run) throw new Error('nobody stopped it, and it was stopped');
  const tookSeconds = run.tookMs / 1_000;
  return {
    figures: run.figures,
    tookSeconds,
    workunitsPerSecond: workunits / tookSeconds,
    idleHeapMib: idle / MIB,
    liveHeapMib: live / MIB,
    bytesPerOpenWorkunit: perOpen,
    heapMibPeak: run.heapMibPeak,
    residentMib: run.residentMib,
  };
}

export function showScale(result: Scale): string {
  const {figures} = result;
  const {options} = figures;
  const percent = (part: number): string => `${number(100 * part, 1)} %`;
  const below = figures.wrongPerMillionMax;
  return table(`${number(options.workunits)} workunits over ${number(options.nodes)} boards`, [
    ['state', figures.state],
    ['simulated in', `${number(result.tookSeconds)} s`],
    ['workunits/s of one core', number(result.workunitsPerSecond)],
    ['makespan', `${number(figures.makespanMs / 60_000)} min`],
    ['slots busy', percent(figures.utilisation)],
    ['redundancy overhead', percent(figures.overhead)],
    ['wrong canonical results', number(figures.wrong)],
    ['wrong of a million, at 95 %', below === undefined ? 'seen' : `< ${number(below, 2)}`],
    ['results not agreed', number(figures.disagreements)],
    ['quarantines', number(figures.quarantines)],
    ['boards that died', number(figures.deaths)],
    ['messages to the master', `${number(figures.heardPerSecond)}/s`],
    ['open workunits at most', number(figures.openMax)],
    ['living heap, no batch', `${number(result.idleHeapMib)} MiB`],
    ['living heap at most', `${number(result.liveHeapMib)} MiB`],
    ['of that, an open workunit', `${number(result.bytesPerOpenWorkunit)} bytes`],
    ['heap at most, with garbage', `${number(result.heapMibPeak)} MiB`],
    ['resident at most', `${number(result.residentMib)} MiB`],
  ]);
}
