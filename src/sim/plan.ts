// All that a run is made of. The same plan and seed give the same run; swarm.ts draws plans from seeds.

import type {BatchRequest, CaptureRequest} from '../core/core.ts';
import type {HostFaults} from './fabric.ts';
import type {NetworkFaults} from './sim-network.ts';
import type {NodePlan} from './sim-node.ts';

export type BatchPlan = {
  readonly at: number;
  /** `name` is the plan's own: it tells the operator after a crash what came through. */
  readonly request: BatchRequest;
  /** When the operator cancels it; undefined = never. */
  readonly cancelAt: number | undefined;
};

export type CapturePlan = {readonly at: number; readonly request: CaptureRequest};

/** Mean times between faults, over all machines; 0 = never. Milliseconds. */
export type Disasters = {
  readonly nodeCrashMs: number;
  readonly masterCrashMs: number;
  /** How long a dead machine stays dead, on average. */
  readonly downMs: number;
  readonly nodePauseMs: number;
  readonly masterPauseMs: number;
  /** A process stands still for so long, on average. */
  readonly pausedMs: number;
  readonly cutMs: number;
  /** A plug stays out for so long, on average. */
  readonly cutForMs: number;
  /** A disk that fails stops its process with the next commit; after the restart it is well again. */
  readonly diskFailMs: number;
  /** A dead master's wall clock jumps by up to so much. */
  readonly wallJumpMs: number;
};

export const NO_DISASTERS: Disasters = {
  nodeCrashMs: 0,
  masterCrashMs: 0,
  downMs: 1_000,
  nodePauseMs: 0,
  masterPauseMs: 0,
  pausedMs: 1_000,
  cutMs: 0,
  cutForMs: 1_000,
  diskFailMs: 0,
  wallJumpMs: 0,
};

export type Plan = {
  readonly seed: number;
  readonly nodes: readonly NodePlan[];
  readonly network: NetworkFaults;
  readonly host: HostFaults;
  readonly disasters: Disasters;
  readonly batches: readonly BatchPlan[];
  readonly captures: readonly CapturePlan[];
  /** 0 = no beacons. */
  readonly beaconMs: number;
  /** Nodes start within this. */
  readonly startMs: number;
  /** Length of the phase with faults. */
  readonly safetyMs: number;
  /** After the heal all must be over within this. */
  readonly livenessMs: number;
  readonly turnsPerCheck: number;
};
