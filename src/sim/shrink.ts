// Makes a failing plan as small as it gets while it still fails in the same way: kinds of faults are switched
// off one by one, nodes, workunits and time are halved. Greedy, as delta debugging does it (Zeller and
// Hildebrandt, 2002); what comes out is a plan to read and to keep.

import {isBad, peaceful} from './attack-plan.ts';
import {CALM_HOST} from './fabric.ts';
import {type BatchPlan, NO_DISASTERS, type Plan} from './plan.ts';
import {CALM} from './sim-network.ts';

export type Failure = {readonly invariant: string; readonly story: string};
type Attempt = {readonly what: string; readonly plan: Plan};

export type Shrunk = {
  readonly plan: Plan;
  readonly failure: Failure;
  /** What could be left out, in the order it was. */
  readonly without: readonly string[];
  readonly runs: number;
};

/**
 * @param failureOf runs a plan; undefined = it holds
 * @param mayGoOn false ends the search with what there is
 */
export function shrink(
  first: Plan,
  failure: Failure,
  failureOf: (plan: Plan) => Failure | undefined,
  mayGoOn: () => boolean,
): Shrunk {
  let plan = first;
  let found = failure;
  let runs = 0;
  const without: string[] = [];
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const attempt of attempts(plan)) {
      if (!mayGoOn()) return {plan, failure: found, without, runs};
      if (!isFair(attempt.plan)) continue;
      runs += 1;
      const again = failureOf(attempt.plan);
      if (again?.invariant !== failure.invariant) continue;
      plan = attempt.plan;
      found = again;
      without.push(attempt.what);
      isSmaller = true;
      break;
    }
  }
  return {plan, failure: found, without, runs};
}

/** Everything that could be left out of this plan, the largest parts first. */
function* attempts(plan: Plan): Generator<Attempt> {
  yield* less(plan, 'batches', plan.batches);
  yield* less(plan, 'captures', plan.captures);
  yield* less(plan, 'nodes', plan.nodes);
  yield* less(plan, 'reflashAt', plan.reflashAt);
  yield* off(plan, 'disasters', NO_DISASTERS);
  yield* off(plan, 'network', CALM);
  yield* off(plan, 'host', CALM_HOST);
  if (plan.deadAfterHeal > 0) yield {what: 'deadAfterHeal', plan: {...plan, deadAfterHeal: 0}};
  yield* noAttack(plan);
  yield* fewerKeys(plan);
  yield* less(plan, 'orders', plan.orders ?? []);
  yield* less(plan, 'holds', plan.holds ?? []);
  yield* less(plan, 'aborts', plan.aborts ?? []);
  yield* less(plan, 'lags', plan.lags ?? []);
  if (plan.revokes?.length) yield {what: 'revocations', plan: {...plan, revokes: []}};
  if (plan.secondMasterAt > 0) yield {what: 'second master', plan: {...plan, secondMasterAt: 0}};
  if (plan.beaconMs > 0) yield {what: 'beacons', plan: {...plan, beaconMs: 0}};
  if (plan.safetyMs > 1_000)
    yield {what: 'half the time', plan: {...plan, safetyMs: Math.ceil(plan.safetyMs / 2)}};
  yield* fewerWorkunits(plan);
  yield* plainNodes(plan);
}

type Listed =
  | 'batches'
  | 'captures'
  | 'nodes'
  | 'orders'
  | 'reflashAt'
  | 'holds'
  | 'aborts'
  | 'lags';

/** Half of a list, the other half, then each item on its own. */
function* less(plan: Plan, key: Listed, items: readonly unknown[]): Generator<Attempt> {
  const half = items.length >> 1;
  const parts =
    half > 1
      ? [items.slice(0, half), items.slice(half)]
      : items.length > 0
        ? [items.slice(0, 0)]
        : [];
  for (const part of parts)
    yield {what: `${key} ${items.length} to ${part.length}`, plan: {...plan, [key]: part}};
  for (let i = 0; i < items.length; i++)
    yield {what: `one of ${key}`, plan: {...plan, [key]: items.toSpliced(i, 1)}};
}

function* off<K extends 'disasters' | 'network' | 'host'>(
  plan: Plan,
  key: K,
  calm: Plan[K],
): Generator<Attempt> {
  for (const name of Object.keys(calm) as (keyof Plan[K] & string)[]) {
    if (plan[key][name] === calm[name] || name === 'downMs' || name.endsWith('ForMs')) continue;
    yield {
      what: `${key}.${name}`,
      plan: {...plan, [key]: {...plan[key], [name]: calm[name]}},
    };
  }
}

function* fewerWorkunits(plan: Plan): Generator<Attempt> {
  for (let i = 0; i < plan.batches.length; i++) {
    const batch = plan.batches[i];
    const smaller = batch && halved(batch);
    if (smaller)
      yield {what: 'half a batch', plan: {...plan, batches: plan.batches.with(i, smaller)}};
  }
}

function halved(batch: BatchPlan): BatchPlan | undefined {
  const {input} = batch.request;
  if (input.kind === 'range') {
    const count = Math.ceil((input.end - input.start) / input.chunk);
    if (count < 2) return undefined;
    const end = input.start + (count >> 1) * input.chunk;
    return {...batch, request: {...batch.request, input: {...input, end}}};
  }
  if (input.kind !== 'lines' || input.count < 2) return undefined;
  return {...batch, request: {...batch.request, input: {...input, count: input.count >> 1}}};
}

function* plainNodes(plan: Plan): Generator<Attempt> {
  const nodes = plan.nodes.map(node => ({...node, drift: 0, wallOffsetMs: 0}));
  if (plan.nodes.some(({drift, wallOffsetMs}) => drift !== 0 || wallOffsetMs !== 0))
    yield {what: 'clocks of nodes', plan: {...plan, nodes}};
}

function* noAttack(plan: Plan): Generator<Attempt> {
  const {attack} = plan;
  if (!attack) return;
  const calm = peaceful(plan);
  yield {what: 'attack', plan: calm};
  if (attack.outsiders > 0)
    yield {what: 'outsiders', plan: {...plan, attack: {...attack, outsiders: 0}}};
  if (attack.middle !== undefined)
    yield {what: 'the man in the middle', plan: {...plan, attack: {...attack, middle: undefined}}};
  for (const [i, {misdeed}] of plan.nodes.entries()) {
    const honest = calm.nodes[i];
    if (misdeed && honest)
      yield {what: misdeed, plan: {...plan, nodes: plan.nodes.with(i, honest)}};
  }
}

function* fewerKeys(plan: Plan): Generator<Attempt> {
  const {keys, ...rest} = plan;
  if (!keys) return;
  yield {what: 'keys and apps', plan: rest};
  if (keys.forgeMs > 0)
    yield {what: 'forged documents', plan: {...plan, keys: {...keys, forgeMs: 0}}};
  if (keys.tamper > 0) yield {what: 'forged apps', plan: {...plan, keys: {...keys, tamper: 0}}};
  if (keys.transferMs > 20)
    yield {what: 'slow transfers', plan: {...plan, keys: {...keys, transferMs: 20}}};
  for (const [i, {what}] of keys.changes.entries())
    yield {what, plan: {...plan, keys: {...keys, changes: keys.changes.toSpliced(i, 1)}}};
}

/**
 * Enough honest nodes must be left for every quorum and for a majority: else it fails for want of them. Where only
 * machines alike count, enough of the usual ones, as withMachines leaves them.
 */
export function isFair({nodes, batches, deadAfterHeal, revokes = []}: Plan): boolean {
  const bad = nodes.filter(isBad).length;
  const gone = new Set(revokes.map(({nodeNo}) => nodeNo));
  const living = nodes.slice(0, nodes.length - deadAfterHeal);
  const good = living.filter((node, i) => !isBad(node) && !gone.has(i + 1));
  const isAlike = batches.some(({request}) => (request.policy.homogeneous ?? 'off') !== 'off');
  const able = isAlike ? good.filter(({machine}) => machine === undefined) : good;
  const quorum = Math.max(1, ...batches.map(({request}) => request.policy.minQuorum ?? 2));
  return able.length >= Math.max(quorum, bad + 1);
}
