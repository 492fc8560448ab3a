// Plans of `volley sim plan`, small: what the real core decides with model boards that lie, err and die.

import test from 'ava';
import {figuresOf, type PlanFigures} from '../../src/sim/plan-figures.ts';
import {type PlanOptions, USUAL_PLAN} from '../../src/sim/plan-options.ts';
import {PlanWorld} from '../../src/sim/plan-world.ts';

/** Short workunits: heartbeats would be most of a small plan. */
const PLAN: PlanOptions = {
  ...USUAL_PLAN,
  nodes: 100,
  workunits: 10_000,
  runMsMin: 1_600,
  runMsMax: 2_400,
};

function worldOf(options: Partial<PlanOptions>): PlanWorld {
  const world = new PlanWorld({...PLAN, ...options});
  while (!world.run(50_000));
  world.master.core.check();
  return world;
}

const figures = (options: Partial<PlanOptions>): PlanFigures => figuresOf(worldOf(options));

test('with 1 % of the boards always wrong a quorum lets nothing wrong count', t => {
  const {state, done, wrong, replicas, singles, overhead} = figures({wrong: 0.01});
  t.like({state, done, wrong, singles}, {state: 'done', done: 10_000, wrong: 0, singles: 0});
  t.true(replicas >= 20_000 && overhead >= 1 && overhead < 1.05, `${replicas} replicas`);
});

test('adaptive redundancy lets nothing wrong count either, and costs little', t => {
  const {state, done, wrong, singles, quarantines} = figures({
    wrong: 0.01,
    redundancy: 'adaptive',
  });
  t.like({state, done, wrong}, {state: 'done', done: 10_000, wrong: 0});
  t.true(singles > 5_000, `${singles} on one node alone`);
  t.true(quarantines >= 1, 'who is always wrong is found out');
});

test('without redundancy wrong results count: the check of a plan can fail', t => {
  const {state, wrong, wrongPerMillion, wrongPerMillionMax, overhead} = figures({
    wrong: 0.01,
    redundancy: 'none',
  });
  t.is(state, 'done');
  t.true(wrong > 50, `${wrong} wrong`);
  t.is(wrongPerMillion, wrong * 100);
  t.is(wrongPerMillionMax, undefined);
  t.true(overhead < 0.01);
});

test('where nothing wrong was seen the risk has an upper bound', t => {
  const {wrong, wrongPerMillion, wrongPerMillionMax} = figures({workunits: 1_000});
  t.deepEqual([wrong, wrongPerMillion, wrongPerMillionMax], [0, 0, 3_000]);
});

test('good boards that lie now and then get past adaptive redundancy, and not past a quorum', t => {
  const lying = {lying: 0.01};
  t.is(figures(lying).wrong, 0);
  const {wrong, done} = figures({...lying, redundancy: 'adaptive'});
  t.true(wrong > 0 && wrong < done * 0.01, `${wrong} wrong of ${done}`);
});

test('adaptive redundancy costs 10 % at most, of runs of any length', t => {
  for (const seconds of [0.2, 20]) {
    const {overhead, wrong, state} = figures({
      nodes: 50,
      workunits: 20_000,
      runMsMin: 800 * seconds,
      runMsMax: 1_200 * seconds,
      wrong: 0.01,
      redundancy: 'adaptive',
    });
    t.like({state, wrong}, {state: 'done', wrong: 0});
    t.true(overhead <= 0.1, `${overhead} at ${seconds} s`);
  }
});

test('boards that die come back or are replaced, and the batch ends', t => {
  const {state, deaths, wrong, utilisation, overhead} = figures({
    dyingPerHour: 4,
    downMs: 30_000,
    wrong: 0.01,
    redundancy: 'adaptive',
    workunits: 20_000,
  });
  t.like({state, wrong}, {state: 'done', wrong: 0});
  t.true(deaths > 10, `${deaths} died`);
  t.true(utilisation > 0.8 && utilisation <= 1, `${utilisation} busy`);
  t.true(overhead < 0.3, `${overhead}`);
});

test('errors are tried again elsewhere', t => {
  const {state, errors, failed} = figures({errors: 0.005});
  t.like({state, failed}, {state: 'done', failed: 0});
  t.true(errors > 50, `${errors} errors`);
});

test('boards half as fast do half as much', t => {
  const workunits = 4_000;
  const slow = figures({workunits, speeds: [{speed: 0.5, share: 1}]});
  const mixed = figures({
    workunits,
    speeds: [
      {speed: 1, share: 0.5},
      {speed: 0.5, share: 0.5},
    ],
  });
  const usual = figures({workunits});
  t.true(Math.abs(slow.makespanMs / usual.makespanMs - 2) < 0.2);
  t.true(mixed.makespanMs > 1.2 * usual.makespanMs && mixed.makespanMs < 1.6 * usual.makespanMs);
});

test('what nobody can agree on fails, and a batch that stands still is given up', t => {
  const {state, done, failed} = figures({nodes: 20, wrong: 1, workunits: 100});
  t.is(done, 0);
  t.true(state === 'stuck' || (state === 'failed' && failed > 0), `${state}, ${failed} failed`);
});

test('a seed gives one run', t => {
  const few = {workunits: 3_000, wrong: 0.02, dyingPerHour: 4} as const;
  const options = {...few, redundancy: 'adaptive', seed: 7} as const;
  const first = figures(options);
  t.deepEqual(figures(options), first);
  t.notDeepEqual(figures({...options, seed: 8}), first);
});

test('what the master keeps follows what is open, not the batch', t => {
  const options = {redundancy: 'adaptive', nodes: 50} as const;
  const sizes = [5_000, 30_000].map(workunits => {
    const world = new PlanWorld({...PLAN, ...options, workunits});
    let most = 0;
    while (!world.run(2_000)) most = Math.max(most, world.master.store?.waiting ?? 0);
    t.is(world.master.batch?.open.size, 0);
    t.is(world.master.store?.waiting, 0, 'results of decided workunits are forgotten');
    return {open: world.master.openMax, waiting: most};
  });
  const [small, large] = sizes;
  t.true(small !== undefined && large !== undefined);
  if (!small || !large) return;
  t.true(large.open < 1.5 * small.open, `${small.open} and ${large.open} open`);
  t.true(large.waiting < 1.5 * small.waiting, `${small.waiting} and ${large.waiting} waiting`);
});
