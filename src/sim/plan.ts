// All that a run is made of. The same plan gives the same run; draw.ts draws plans from seeds.

import type {BatchRequest, CaptureRequest} from '../core/operator-request.ts';
import type {AttackPlan} from './attack-plan.ts';
import {CALM_HOST, type HostFaults} from './fabric.ts';
import type {KeyPlan} from './key-plan.ts';
import type {LagPlan} from './lag-plan.ts';
import type {OrderPlan} from './order-plan.ts';
import {CALM, type NetworkFaults} from './sim-network.ts';
import type {NodePlan} from './sim-node.ts';
import type {TransferPlan} from './transfer-plan.ts';

export type BatchPlan = {
  readonly at: number;
  /** `name` is the plan's own: it tells the operator after a crash what came through. */
  readonly request: BatchRequest;
  /** When the operator cancels it; undefined = never. */
  readonly cancelAt: number | undefined;
};

/** The operator takes this node's membership away; `nodeNo` counts from 1. */
export type RevokePlan = {readonly at: number; readonly nodeNo: number};

export type CapturePlan = {
  readonly at: number;
  readonly request: CaptureRequest;
  /** undefined = nobody cancels it. */
  readonly cancelAt?: number;
};

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
  /** Machines sleep, on average for `pausedMs`: their monotonic clocks stand still, wall clocks do not. */
  readonly suspendMs: number;
  readonly cutMs: number;
  /** A plug stays out for so long, on average; so do the other ills of cables. */
  readonly cutForMs: number;
  /** The network falls apart, goes one way only, or carries no multicast. */
  readonly partitionMs: number;
  /** Datagrams to a host wait, and then come all at once. */
  readonly clogMs: number;
  /** A host loses nearly all of what it sends and hears. */
  readonly burstMs: number;
  /** A disk that fails stops its process with the next commit; after the restart it is well again. */
  readonly diskFailMs: number;
  /** A node's disk is emptied; its keys stay (a network-booted board, a new card with the old keys). */
  readonly wipeMs: number;
  /** A node's disk is that of an earlier moment. */
  readonly rollbackMs: number;
  /** A disk loses or changes what was durable, and says nothing. */
  readonly diskDamageMs: number;
  /** The master's folder is that of an earlier moment: an old backup, or a disk that lied about fsync. */
  readonly restoreMs: number;
  /** A dead master's wall clock jumps by up to so much. */
  readonly wallJumpMs: number;
  /** Wall clocks of living processes are set, by up to `wallJumpMs`. */
  readonly wallStepMs: number;
};

export const NO_DISASTERS: Disasters = {
  nodeCrashMs: 0,
  masterCrashMs: 0,
  downMs: 1_000,
  nodePauseMs: 0,
  masterPauseMs: 0,
  pausedMs: 1_000,
  suspendMs: 0,
  cutMs: 0,
  cutForMs: 1_000,
  partitionMs: 0,
  clogMs: 0,
  burstMs: 0,
  diskFailMs: 0,
  wipeMs: 0,
  rollbackMs: 0,
  diskDamageMs: 0,
  restoreMs: 0,
  wallJumpMs: 0,
  wallStepMs: 0,
};

/** The master's disk may come back as an older one, or with rows missing. */
export const mayForget = ({restoreMs, diskDamageMs}: Disasters): boolean =>
  restoreMs > 0 || diskDamageMs > 0;

/** A plan as it was stored once: kinds of faults that came later are off in it. */
export type StoredPlan = Omit<Plan, 'disasters' | 'network' | 'host'> & {
  readonly disasters: Partial<Disasters>;
  readonly network: Partial<NetworkFaults>;
  readonly host: Partial<HostFaults>;
};

export const completePlan = (stored: StoredPlan): Plan => ({
  ...stored,
  reflashAt: stored.reflashAt ?? [],
  secondMasterAt: stored.secondMasterAt ?? 0,
  deadAfterHeal: stored.deadAfterHeal ?? 0,
  disasters: {...NO_DISASTERS, ...stored.disasters},
  network: {...CALM, ...stored.network},
  host: {...CALM_HOST, ...stored.host},
});

/** The owner of a node holds it back for a while, at the latest until the heal. */
export type HoldPlan = {
  readonly at: number;
  readonly nodeNo: number;
  readonly forMs: number;
  readonly how: 'suspend' | 'drain' | 'cores';
};

/** The owner of a node aborts one of the replicas in hand, as soon as there is one; in the end one that is not there. */
export type AbortPlan = {
  readonly at: number;
  /** Of this node, or of the next one that has something in hand. */
  readonly nodeNo: number;
  /** Which of them, 0 … 1: those that are here longest first. */
  readonly share: number;
};

export type Plan = {
  readonly seed: number;
  readonly nodes: readonly NodePlan[];
  readonly network: NetworkFaults;
  readonly host: HostFaults;
  readonly disasters: Disasters;
  readonly batches: readonly BatchPlan[];
  readonly captures: readonly CapturePlan[];
  /** Not there in plans that were written down before. */
  readonly revokes?: readonly RevokePlan[];
  /** The same. */
  readonly orders?: readonly OrderPlan[];
  /** Keys are rotated and apps are signed; undefined = whatever is ordered runs. */
  readonly keys?: KeyPlan;
  /** As above. */
  readonly holds?: readonly HoldPlan[];
  /** As above: files that are pushed to nodes. */
  readonly transfers?: readonly TransferPlan[];
  /** As above. */
  readonly aborts?: readonly AbortPlan[];
  /** As above. */
  readonly lags?: readonly LagPlan[];
  /** 0 = no beacons. */
  readonly beaconMs: number;
  /** When somebody starts a second master on a copy of the first one's folder; 0 = never. */
  readonly secondMasterAt: number;
  /** When nodes get a new card, with new keys and a use of the join token for each. */
  readonly reflashAt: readonly number[];
  /** So many nodes, the last ones, are never seen again after the heal; all honest, and enough are left. */
  readonly deadAfterHeal: number;
  /** Nodes start within this. */
  readonly startMs: number;
  /** Length of the phase with faults. */
  readonly safetyMs: number;
  /** After the heal all must be over within this. */
  readonly livenessMs: number;
  readonly turnsPerCheck: number;
  /** Who attacks, beside nodes that misbehave; undefined = nobody does either. */
  readonly attack?: AttackPlan;
};
