// Seed → plan. Each class of faults is off in half of the seeds, so that rare combinations are not drowned by
// the common ones (swarm testing, Groce et al., ISSTA 2012).

import {Prng} from '../base/prng.ts';
import {asBlobId} from '../base/types.ts';
import type {InputSource} from '../core/input-source.ts';
import type {BatchRequest, CaptureRequest} from '../core/operator-request.ts';
import type {PolicyRequest} from '../core/policy.ts';
import {withAttack} from './attack-plan.ts';
import {withBroadcast} from './broadcast-plan.ts';
import {between} from './dice.ts';
import {CALM_HOST, type HostFaults} from './fabric.ts';
import {drawAborts, drawHolds} from './guest-plan.ts';
import {drawKeys} from './key-plan.ts';
import {withLags} from './lag-plan.ts';
import {livenessBoundMs} from './liveness-bound.ts';
import {withMachines} from './machine-plan.ts';
import {drawOrders, drawSettings} from './order-plan.ts';
import {
  type BatchPlan,
  type CapturePlan,
  type Disasters,
  mayForget,
  NO_DISASTERS,
  type Plan,
} from './plan.ts';
import {drawRevokes, isGood} from './revoke-plan.ts';
import {CALM, type NetworkFaults} from './sim-network.ts';
import type {NodePlan} from './sim-node.ts';
import type {Profile} from './sim-runner.ts';
import {APP} from './sim-vault.ts';
import {withStages} from './stage-plan.ts';
import {drawTransfers} from './transfer-plan.ts';
import {BLOBS_ARG, BY_MACHINE} from './truth.ts';

/** What the command line fixes; the rest is the seed's. */
export type Overrides = {
  readonly nodes?: number;
  readonly workunits?: number;
  readonly quorum?: number;
  readonly loss?: number;
};

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;
const NODE_SECONDS_MAX = 400;

export function planOf(seed: number, overrides: Overrides = {}): Plan {
  const prng = new Prng(seed);
  const on = (): boolean => prng.chance(0.5);
  const nodeCount = overrides.nodes ?? between(prng, 2, prng.chance(0.05) ? 64 : 24);
  const quorum = overrides.quorum ?? Math.min(between(prng, 1, 3), Math.max(1, nodeCount >> 1));
  const isLarge = nodeCount > 64;
  const drawnMs = between(prng, 5, 90) * SECOND;
  const safetyMs = isLarge ? 20 * SECOND : Math.min(drawnMs, calmedMs(nodeCount));
  const reflashes = !isLarge && prng.chance(0.2) ? between(prng, 1, 2) : 0;
  const network = drawNetwork(prng, on, overrides);
  const profiles = drawProfiles(prng, on, nodeCount, quorum);
  const nodes = profiles.map(profile => drawNode(prng, profile));
  const batches = drawBatches(prng, on, {quorum, safetyMs, profiles, nodeCount}, overrides);
  const plan = {
    seed,
    nodes,
    network,
    host: drawHost(prng, on),
    disasters: isLarge ? NO_DISASTERS : drawDisasters(prng, on),
    batches,
    captures: drawCaptures(prng, safetyMs, isLarge),
    transfers: drawTransfers(seed, safetyMs, isLarge),
    reflashAt: Array.from({length: reflashes}, () => prng.fraction() * safetyMs),
    deadAfterHeal: !isLarge && on() ? prng.below(1 + dispensable(profiles, quorum)) : 0,
    secondMasterAt: 0,
    beaconMs: on() ? 1_000 : 0,
    startMs: 2 * SECOND,
    safetyMs,
    livenessMs: 0,
    turnsPerCheck: isLarge ? 256 : 1,
    holds: drawHolds(seed, profiles.length, safetyMs),
    aborts: drawAborts(
      seed,
      profiles.length,
      batches.map(({at}) => at),
    ),
  };
  const spare = dispensable(profiles, quorum) - plan.deadAfterHeal;
  const revokes = drawRevokes(seed, profiles, spare, safetyMs);
  // What the copy does not know of, a revocation or a restored backup, is another story.
  const isAlone = isLarge || mayForget(plan.disasters) || revokes.length > 0 || reflashes > 0;
  const isOne = isAlone || !prng.chance(0.15);
  const two = {beaconMs: 1_000, secondMasterAt: prng.fraction() * safetyMs * 0.7};
  const orders = [
    ...drawOrders(seed, nodeCount, batches, safetyMs),
    ...drawSettings(seed, safetyMs),
  ];
  const attacked = withAttack({...plan, revokes, orders, ...(isOne ? {} : two)}, quorum);
  const whole = withMachines(attacked, quorum);
  const rotated = isLarge ? whole : withKeys(withMore(withLags(whole), overrides));
  return {...rotated, livenessMs: livenessBoundMs(rotated)};
}

/** The faults of many nodes end sooner: a quarter of the seeds took more than half of the time of all. */
const calmedMs = (nodes: number): number =>
  Math.max(5, Math.round(NODE_SECONDS_MAX / nodes)) * SECOND;

/** Whoever says how many workunits there are gets as many. */
const withMore = (plan: Plan, {workunits}: Overrides): Plan =>
  workunits === undefined ? withStages(withBroadcast(plan)) : plan;

/** A second master on a copy of the folder would have the keys of its day: that is another story. */
function withKeys(plan: Plan): Plan {
  const keys = plan.secondMasterAt > 0 ? undefined : drawKeys(plan.seed, plan.safetyMs);
  return keys ? {...plan, keys} : plan;
}

/** How many honest nodes may be missing: a quorum and a majority over the bad ones must be left. */
function dispensable(profiles: readonly Profile[], quorum: number): number {
  const good = profiles.filter(isGood).length;
  const needed = Math.max(quorum, profiles.length - good + 1);
  return Math.max(0, good - needed);
}

function drawNetwork(prng: Prng, on: () => boolean, {loss}: Overrides): NetworkFaults {
  const delayMsMean = on() ? prng.fraction() * prng.pick([3, 30, 100]) : CALM.delayMsMean;
  return {
    ...CALM,
    loss: loss ?? (on() ? prng.fraction() * 0.3 : 0),
    multicastLoss: on() ? prng.fraction() * 0.5 : 0,
    duplicate: on() ? prng.fraction() * 0.3 : 0,
    replay: on() ? prng.fraction() * 0.1 : 0,
    flip: on() ? prng.fraction() * 0.01 : 0,
    truncate: on() ? prng.fraction() * 0.01 : 0,
    slow: on() ? 0.01 : 0,
    delayMsMin: on() ? prng.fraction() * 5 : CALM.delayMsMin,
    delayMsMean,
    mtu: prng.pick([CALM.mtu, CALM.mtu, 1_232, 1_232, between(prng, 576, 1_231)]),
  };
}

const drawHost = (prng: Prng, on: () => boolean): HostFaults => ({
  diskMsMean: on() ? prng.fraction() * 20 : CALM_HOST.diskMsMean,
  diskStall: on() ? prng.fraction() * 0.02 : 0,
  turnMsMean: on() ? prng.fraction() * 5 : CALM_HOST.turnMsMean,
  uploadBreak: on() ? prng.fraction() * 0.5 : 0,
});

function drawDisasters(prng: Prng, on: () => boolean): Disasters {
  const every = (least: number, most: number): number =>
    on() ? between(prng, least, most) * SECOND : 0;
  return {
    nodeCrashMs: every(1, 20),
    masterCrashMs: every(3, 30),
    downMs: prng.fraction() * 5 * SECOND,
    nodePauseMs: every(1, 20),
    masterPauseMs: every(5, 30),
    pausedMs: prng.fraction() * 5 * SECOND,
    cutMs: every(2, 20),
    cutForMs: prng.fraction() * 10 * SECOND,
    diskFailMs: every(3, 30),
    suspendMs: every(3, 30),
    partitionMs: every(3, 20),
    clogMs: every(2, 20),
    burstMs: every(2, 20),
    wipeMs: every(5, 40),
    rollbackMs: every(5, 40),
    diskDamageMs: prng.chance(0.25) ? between(prng, 3, 30) * SECOND : 0,
    restoreMs: prng.chance(0.2) ? between(prng, 10, 40) * SECOND : 0,
    wallJumpMs: on() ? prng.pick([MINUTE, HOUR, YEAR]) : 0,
    wallStepMs: every(3, 30),
  };
}

/** As many bad nodes as leave a quorum and a majority of honest ones on every workunit. */
function drawProfiles(prng: Prng, on: () => boolean, count: number, quorum: number): Profile[] {
  const most = Math.min(count - quorum, Math.floor((count - 1) / 2));
  const bad: Profile[] = [];
  const room = (): boolean => bad.length < most;
  const colluders = on() ? prng.below(quorum) : 0;
  for (let i = 0; i < colluders && room(); i++) bad.push('colluding');
  for (const profile of ['wrong', 'failing', 'hung'] as const)
    if (on() && room()) for (let i = between(prng, 1, 3); i > 0 && room(); i--) bad.push(profile);
  const good: Profile[] = Array.from({length: count - bad.length}, () =>
    prng.chance(0.1) ? 'slow' : 'honest',
  );
  return [...bad, ...good];
}

const drawNode = (prng: Prng, profile: Profile): NodePlan => ({
  profile,
  slots: between(prng, 1, 4),
  labels: prng.chance(0.5) ? ['ring1'] : [],
  actions: prng.chance(0.9) ? ['camera'] : [],
  drift: (prng.fraction() - 0.5) * 2e-4,
  wallOffsetMs: (prng.fraction() - 0.5) * 3e11,
});

const GENEROUS = {maxErrorReplicas: 100, maxTotalReplicas: 200};

type Around = {
  readonly quorum: number;
  readonly safetyMs: number;
  readonly profiles: readonly Profile[];
  readonly nodeCount: number;
};

function drawBatches(
  prng: Prng,
  on: () => boolean,
  around: Around,
  overrides: Overrides,
): BatchPlan[] {
  const total = overrides.workunits ?? between(prng, 1, 400);
  const count = overrides.workunits === undefined ? between(prng, 1, 4) : 1;
  const withBlobs = on();
  const cancels = on() && overrides.workunits === undefined;
  return Array.from({length: count}, (_, i) => {
    const workunits = Math.max(1, Math.floor(total / count));
    const at = i === 0 ? 0 : prng.fraction() * around.safetyMs * 0.8;
    const meanMs = prng.pick([0.2, 3, 40, 400]);
    const args = [String(meanMs), ...(withBlobs && prng.chance(0.5) ? [BLOBS_ARG] : [])];
    const input = drawSource(prng, i, workunits);
    const policy = drawPolicy(prng, around, meanMs);
    const {homogeneous = 'off'} = policy;
    if (homogeneous !== 'off') args.push(BY_MACHINE[homogeneous]);
    const request: BatchRequest = {name: `plan-${i}`, app: APP, args, input, policy};
    const cancelAt = cancels && prng.chance(0.3) ? at + prng.fraction() * 10 * SECOND : undefined;
    return {at, request, cancelAt};
  });
}

function drawSource(prng: Prng, no: number, count: number): InputSource {
  if (prng.chance(0.5)) {
    const chunk = between(prng, 1, 100);
    const start = prng.below(1_000_000);
    return {kind: 'range', start, end: start + count * chunk, chunk};
  }
  const blobId = asBlobId(no.toString(16).padStart(64, 'c'));
  return {kind: 'lines', blobId, indexBlobId: blobId, count};
}

/**
 * In half of the batches so many errors and replicas that no workunit fails for bad luck: what fails, the
 * bad nodes made fail. A quarter has the defaults that users have, a quarter so few replicas that they run out.
 */
function drawPolicy(prng: Prng, {quorum}: Around, meanMs: number): PolicyRequest {
  const targetReplicas = quorum + (prng.chance(0.3) ? 1 : 0);
  const few = {maxTotalReplicas: targetReplicas + prng.below(3)};
  const patience = prng.chance(0.5) ? GENEROUS : prng.chance(0.5) ? few : {};
  const policy = {
    ...patience,
    minQuorum: quorum,
    targetReplicas,
    leaseSeconds: Math.max(between(prng, 2, 20), Math.ceil((meanMs * 100) / SECOND)),
    timeLimitSeconds: meanMs > 100 ? 30 : 5,
    priority: between(prng, -1, 1),
  };
  const kind = quorum % 2 === 0 ? ('arch' as const) : ('engine' as const);
  // One in four, one in three and one in five; without dice of their own, so that older seeds keep all else.
  const {leaseSeconds} = policy;
  return {
    ...policy,
    ...(leaseSeconds % 4 === 0 ? {compare: {kind: 'custom', app: APP} as const} : {}),
    ...(leaseSeconds % 3 === 0 && quorum > 1 ? {redundancy: 'adaptive' as const} : {}),
    ...(leaseSeconds % 5 === 0 ? {homogeneous: kind} : {}),
  };
}

/** A thousand nodes with thirty captures are tens of thousands of shots. */
function drawCaptures(prng: Prng, safetyMs: number, isLarge: boolean): CapturePlan[] {
  if (prng.chance(0.3)) return [];
  const most = prng.chance(0.3) ? 30 : 8;
  const count = Math.min(isLarge ? 3 : most, between(prng, 1, most));
  return Array.from({length: count}, () => {
    const at = 3 * SECOND + prng.fraction() * safetyMs;
    const drawn = {
      action: 'camera',
      args: [],
      target: {labels: prng.chance(0.3) ? ['ring1'] : [], nodes: []},
      leadMs: prng.chance(0.4) ? 0 : between(prng, 50, 3_000),
      shots: between(prng, 1, 3),
      intervalMs: between(prng, 50, 1_000),
    };
    return {at, request: wished(drawn), ...cancelled(at, drawn)};
  });
}

/** One in five, at any time from its roll call to its last instant; by what was drawn already. */
function cancelled(
  at: number,
  {leadMs, intervalMs, shots}: CaptureRequest & {leadMs: number},
): {cancelAt?: number} {
  if (intervalMs % 5 !== 3) return {};
  const share = (intervalMs % 100) / 100;
  return {cancelAt: at + share * (leadMs + (shots - 1) * intervalMs + SECOND)};
}

/** Roll calls, sweeps, dry runs, bursts and steps, by what was drawn already: no seed goes another way for them. */
function wished(request: CaptureRequest & {leadMs: number}): CaptureRequest {
  const {leadMs, ...rest} = stepped(request);
  const isOurs = leadMs % 5 === 1;
  const needs = NEEDS[rest.intervalMs % 8];
  return {
    ...rest,
    ...(isOurs ? {} : {leadMs}),
    ...(needs === undefined ? {} : {needs}),
    ...(leadMs > 0 && leadMs % 3 === 0 && !rest.steps ? {sweepMs: 1 + (leadMs % 40)} : {}),
    ...(rest.intervalMs % 31 === 0 ? {dryRun: true} : {}),
    ...(rest.intervalMs % 4 === 2 ? {burst: 2, burstMs: 1 + (rest.intervalMs % 50)} : {}),
  };
}

/** Everybody, and soon after it one ring in another way. */
function stepped<T extends CaptureRequest>(request: T): T {
  const {intervalMs, shots} = request;
  if (intervalMs % 12 !== 4) return request;
  const ring = {labels: ['ring1'], nodes: []};
  const steps = [
    {atMs: 1 + (intervalMs % 40), action: 'camera', args: ['low'], target: ring},
    {atMs: 0, action: 'camera', args: ['high']},
  ];
  return {...request, action: '', steps, shots: shots * steps.length};
}

/** Of those that are meant; more than half of the captures ask for nobody. */
const NEEDS: readonly (string | undefined)[] = ['all', '60%', '2'];
