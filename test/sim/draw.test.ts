// What is never drawn finds nothing: each knob turns, and those that matter together turn together.

import test from 'ava';
import {planOf} from '../../src/sim/draw.ts';
import {CALM_HOST} from '../../src/sim/fabric.ts';
import {MISDEEDS} from '../../src/sim/misdeeds.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {CALM} from '../../src/sim/sim-network.ts';

const SEEDS = 300;
const plans = Array.from({length: SEEDS}, (_, seed) => planOf(seed));

/** In how many of the seeds. */
const share = (is: (plan: Plan) => unknown): number => plans.filter(is).length / SEEDS;

test('every kind of fault is on in some seeds and off in others', t => {
  const calms = {disasters: NO_DISASTERS, network: CALM, host: CALM_HOST};
  for (const part of ['disasters', 'network', 'host'] as const)
    for (const [name, calm] of Object.entries(calms[part])) {
      const on = share(plan => (plan[part] as Record<string, unknown>)[name] !== calm);
      t.true(on > 0.1, `${part}.${name} is on in ${on} of the seeds`);
      const isAlways = name === 'downMs' || name === 'pausedMs' || name === 'cutForMs';
      if (!isAlways) t.true(on < 0.9, `${part}.${name} is on in ${on} of the seeds`);
    }
});

test('every kind of attacker comes, alone and beside others', t => {
  t.true(share(({attack}) => attack) > 0.4);
  t.true(share(({attack}) => !attack) > 0.2);
  for (const misdeed of [...MISDEEDS, 'insider'] as const)
    t.true(share(({nodes}) => nodes.some(node => node.misdeed === misdeed)) > 0.02, misdeed);
  t.true(share(({attack}) => (attack?.outsiders ?? 0) > 0) > 0.2);
  t.true(share(({attack}) => attack?.middle !== undefined) > 0.2);
});

test('keys are rotated in some seeds, by every kind of change, and forged in some of them', t => {
  const keys = plans.flatMap(plan => plan.keys ?? []);
  t.true(keys.length > SEEDS * 0.3 && keys.length < SEEDS * 0.7, `${keys.length}`);
  for (const what of ['app', 'drop', 'root', 'release'] as const)
    t.true(share(plan => plan.keys?.changes.some(change => change.what === what)) > 0.1, what);
  for (const name of ['isTidy', 'backupHasTrust', 'forgeMs', 'tamper'] as const) {
    const on = keys.filter(each => each[name]).length / keys.length;
    t.true(on > 0.3 && on < 0.8, `${name} is on in ${on} of them`);
  }
  t.true(keys.some(({transferMs}) => transferMs > 1_000));
});

test('operators give every kind of order, beside new keys and beside damaged disks too', t => {
  const orders = plans.flatMap(plan => plan.orders ?? []);
  for (const kind of ['pauseCluster', 'suspendBatch', 'setPriority', 'labelNode'] as const)
    t.true(share(plan => plan.orders?.some(order => order.kind === kind)) > 0.1, kind);
  for (const kind of ['retryBatch', 'cancelBatch', 'deleteBatch'] as const)
    t.true(share(plan => plan.orders?.some(order => order.kind === kind)) > 0.05, kind);
  for (const hold of ['suspended', 'draining', 'quarantined'] as const)
    t.true(
      orders.some(order => order.kind === 'holdNode' && order.hold === hold),
      hold,
    );
  const isOrdered = ({orders: each}: Plan): boolean => (each ?? []).length > 0;
  t.true(share(plan => isOrdered(plan) && plan.keys) > 0.15);
  t.true(share(plan => isOrdered(plan) && plan.disasters.diskDamageMs > 0) > 0.05);
});

test('owners hold their nodes back, and abort replicas, one or many at once', t => {
  for (const how of ['suspend', 'drain', 'cores'] as const)
    t.true(share(plan => plan.holds?.some(hold => hold.how === how)) > 0.1, how);
  const aborting = plans.filter(({aborts}) => (aborts ?? []).length > 0);
  t.true(aborting.length > SEEDS * 0.3 && aborting.length < SEEDS * 0.7, `${aborting.length}`);
  const atOnce = aborting.filter(({aborts = []}) =>
    aborts.some(({at}, i) => aborts[i + 1]?.at === at),
  );
  t.true(atOnce.length > aborting.length * 0.3, `${atOnce.length} of ${aborting.length}`);
  t.true(share(plan => plan.aborts?.length && plan.holds?.length) > 0.1);
});

test('nodes hear too late what fires on hearing and what sets an action, in every way', t => {
  for (const how of ['queue', 'process', 'replay'] as const)
    t.true(share(plan => plan.lags?.some(lag => lag.how === how)) > 0.05, how);
  t.true(share(({lags}) => lags) < 0.6);
  for (const {lags = [], safetyMs} of plans)
    for (const {at, forMs} of lags) t.true(at + forMs < safetyMs);
  t.true(share(plan => plan.lags && plan.disasters.nodeCrashMs > 0) > 0.05);
});

test('what is rare comes together with what is hostile', t => {
  const pairs: Readonly<Record<string, (plan: Plan) => unknown>> = {
    'a second master': ({secondMasterAt}) => secondMasterAt > 0,
    'an old backup': ({disasters}) => disasters.restoreMs > 0,
    'a damaged disk': ({disasters}) => disasters.diskDamageMs > 0,
    'a revocation': ({revokes}) => revokes && revokes.length > 0,
    'a new card': ({reflashAt}) => reflashAt.length > 0,
    'a new card and new keys': ({reflashAt, keys}) => reflashAt.length > 0 && keys,
    'an old trust document': ({disasters, keys}) => disasters.restoreMs > 0 && keys?.backupHasTrust,
    'what is held': ({orders}) => orders && orders.length > 0,
  };
  for (const [name, is] of Object.entries(pairs)) {
    t.true(share(is) > 0.02, name);
    t.true(share(plan => is(plan) && plan.attack) > 0.01, `${name} and attackers`);
  }
});

test('policies are patient, usual and short of replicas', t => {
  const most = plans.flatMap(({batches}) =>
    batches.map(({request}) => request.policy.maxTotalReplicas),
  );
  for (const is of [
    (max: number | undefined) => max === 200,
    (max: number | undefined) => max === undefined,
    (max: number | undefined) => max !== undefined && max < 10,
  ])
    t.true(most.filter(is).length > most.length * 0.1);
});
