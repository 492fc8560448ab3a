import test from 'ava';
import {planOf} from '../../src/sim/draw.ts';
import {NO_DISASTERS, type Plan} from '../../src/sim/plan.ts';
import {isFair, shrink} from '../../src/sim/shrink.ts';

const countOf = ({batches}: Plan): number =>
  batches.reduce((sum, {request: {input}}) => {
    if (input.kind === 'range') return sum + Math.ceil((input.end - input.start) / input.chunk);
    return sum + (input.kind === 'lines' ? input.count : 0);
  }, 0);

const LARGE = Array.from({length: 200}, (_, seed) => planOf(seed)).filter(
  plan => plan.disasters.masterCrashMs > 0 && plan.nodes.length > 8 && plan.batches.length > 2,
);

test('what a failure does not need goes; what it needs stays', t => {
  const [plan] = LARGE;
  if (!plan) return t.fail('no such plan among 200 seeds');
  // "Fails" whenever the master is killed while there is a batch.
  const failureOf = ({disasters, batches}: Plan) =>
    disasters.masterCrashMs > 0 && batches.length > 0
      ? {invariant: 'P1', story: 'a result is gone'}
      : undefined;
  const found = shrink(plan, {invariant: 'P1', story: ''}, failureOf, () => true);
  t.deepEqual(
    {...found.plan.disasters, masterCrashMs: 0},
    {
      ...NO_DISASTERS,
      downMs: plan.disasters.downMs,
      cutForMs: plan.disasters.cutForMs,
    },
  );
  t.true(found.plan.disasters.masterCrashMs > 0);
  t.is(found.plan.batches.length, 1);
  t.is(countOf(found.plan), 1);
  t.is(found.plan.captures.length, 0);
  t.true(found.plan.nodes.length < plan.nodes.length);
  t.is(found.failure.story, 'a result is gone');
  t.is(failureOf(found.plan)?.invariant, 'P1');
});

test('a smaller plan that fails in another way is not taken', t => {
  const [plan] = LARGE;
  if (!plan) return t.fail('no such plan among 200 seeds');
  const failureOf = (smaller: Plan) =>
    smaller === plan ? {invariant: 'P1', story: ''} : {invariant: 'P5', story: ''};
  const found = shrink(plan, {invariant: 'P1', story: ''}, failureOf, () => true);
  t.is(found.plan, plan);
  t.true(found.runs > 10);
});

test('shrinking ends when it is told to', t => {
  const [plan] = LARGE;
  if (!plan) return t.fail('no such plan among 200 seeds');
  let left = 5;
  const failure = {invariant: 'P1', story: ''};
  const found = shrink(
    plan,
    failure,
    () => failure,
    () => --left > 0,
  );
  t.true(found.runs <= 5);
});

test('drawn plans leave a quorum and a majority of honest nodes, also after the heal', t => {
  for (let seed = 0; seed < 500; seed++) t.true(isFair(planOf(seed)), `seed ${seed}`);
});

test('a plan with as many liars as honest nodes is not fair', t => {
  const plan = planOf(1);
  const [node] = plan.nodes;
  if (!node) return t.fail('a plan without nodes');
  const nodes = (['honest', 'wrong'] as const).map(profile => ({...node, profile}));
  t.false(isFair({...plan, nodes, deadAfterHeal: 0}));
});

test('a plan whose machines alike are too few for a quorum is not fair', t => {
  const plan = planOf(1);
  const [node] = plan.nodes;
  const [batch] = plan.batches;
  if (!node || !batch) return t.fail('a plan without nodes or batches');
  const {machine: _, misdeed: __, ...plain} = node;
  const good = {...plain, profile: 'honest'} as const;
  const policy = {...batch.request.policy, minQuorum: 2, homogeneous: 'arch' as const};
  const batches = [{...batch, request: {...batch.request, policy}}];
  const among = (nodes: typeof plan.nodes) =>
    isFair({...plan, nodes, batches, deadAfterHeal: 0, revokes: []});
  t.true(among([good, good]));
  t.false(among([good, {...good, machine: {arch: 'x64', engine: 'sim'}}]));
});
