// Batches of several stages: reduce, rounds, a halo, and what happens when anything of it goes wrong.

import test from 'ava';
import {asBlobId, type BatchId} from '../../src/base/types.ts';
import type {StagesRequest} from '../../src/core/stages.ts';
import {gatheredOf} from '../../src/sim/sim-outputs.ts';
import {refOf} from './look.ts';
import {REDUCER, Staging} from './staging.ts';
import {APP, inline} from './test-node.ts';

const REDUCE: StagesRequest = {reduce: REDUCER.name};
const hexOf = (text: string): string => Buffer.from(text).toString('hex');
const id = (no: number): BatchId => no as BatchId;

test('when all workunits are done their outputs are the input of one that reduces them', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {...REDUCE, reduceArgs: ['--sum']}});
  staging.compute();
  t.is(staging.batch(head).counters.state, 'running', 'the last stage is to come');
  t.like(staging.gathers[0], {batchId: head, stage: head, count: 3, how: 'whole'});
  staging.gather();
  const stage = staging.row(head + 1);
  t.like(stage, {
    appName: REDUCER.name,
    appId: REDUCER.appId,
    args: ['--sum'],
    count: 1,
    stage: {batchId: head, round: 1, kind: 'reduce'},
  });
  const names = ['1/0', '1/1', '1/2'].map(hexOf);
  t.deepEqual(stage?.input, gatheredOf(names, 'whole'));
  staging.run();
  t.like(staging.row(head), {state: 'done', done: 3, failed: 0, stageAt: {batchId: head + 1}});
  t.like(staging.row(head + 1), {state: 'done', done: 1});
  t.deepEqual(staging.gathers, []);
});

test('the state of a round is the shared input of the next, until it is the same twice', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {...REDUCE, untilStable: true}});
  const states = ['a', 'b', 'b', 'never'];
  let round = 0;
  const shared: unknown[] = [];
  staging.run((row, index) => {
    if (row.stage?.kind !== 'reduce') return `${index}`;
    if (row.stage.round > round) shared.push(row.shared);
    round = row.stage.round;
    return states[round - 1] ?? '';
  });
  t.like(staging.row(head), {state: 'done', reason: 'stable after 3 rounds'});
  const stateOf = (text: string) => {
    const {blobId, size} = gatheredOf([hexOf(text)], 'whole');
    return {blobId, size};
  };
  t.deepEqual(shared, [undefined, stateOf('a'), stateOf('b')]);
  const {batches} = staging.rig.core.context;
  const kept = [...batches.values()].map(({row}) => row.stage?.round);
  t.deepEqual(kept, [undefined, 2, 2, 3, 3], 'a round that nobody needs is deleted');
});

test('what the operator shares is what the first round begins with', t => {
  const staging = new Staging();
  const shared = {blobId: asBlobId('cd'.repeat(32)), size: 5};
  const head = staging.submit({shared, stages: {...REDUCE, rounds: 2}});
  const seen: unknown[] = [];
  staging.run(row => {
    seen.push(row.shared?.blobId);
    return `${row.id}`;
  });
  t.is(staging.row(head)?.state, 'done');
  t.is(seen[0], shared.blobId);
  t.is(seen[6], shared.blobId, 'of the reduce too');
  t.not(seen[8], shared.blobId);
});

test('every workunit of an assignment names what its batch shares', t => {
  const staging = new Staging();
  const shared = {blobId: asBlobId('cd'.repeat(32)), size: 5};
  staging.submit({shared});
  const [node] = staging.nodes;
  const [assign] = staging.rig.says(node as never, staging.rig.pullOf(node as never));
  t.true(assign?.type === 'send' && assign.message.type === 'assign');
  if (assign?.type === 'send' && assign.message.type === 'assign')
    t.deepEqual(assign.message.batches[0]?.shared, shared);
});

test('rounds without a reduce: outputs of neighbours are the next inputs', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {rounds: 3, halo: 1}});
  staging.compute();
  t.like(staging.gathers[0], {how: {halo: 1}});
  staging.gather();
  const next = staging.row(head + 1);
  t.like(next, {appId: APP.appId, args: ['7'], count: 3, stage: {round: 2, kind: 'map'}});
  t.deepEqual(next?.input, gatheredOf(['1/0', '1/1', '1/2'].map(hexOf), {halo: 1}));
  staging.run();
  t.like(staging.row(head), {state: 'done', stageAt: {batchId: head + 2, round: 3, kind: 'map'}});
});

test('an app that can reduce its own results does so in rounds, and is told by an argument', t => {
  const staging = new Staging();
  staging.rig.ask({kind: 'addApp', app: {...APP, name: 'kmeans', reduces: true}});
  const head = staging.submit({app: 'kmeans', stages: {rounds: 2}});
  t.deepEqual(staging.row(head)?.plan?.reduce?.args, ['reduce', '7']);
  const own = staging.submit({app: 'kmeans', stages: {reduce: 'kmeans'}});
  t.deepEqual(staging.row(own)?.plan?.reduce?.args, ['reduce', '7']);
  const alone = staging.submit({app: 'kmeans'});
  t.is(staging.row(alone)?.plan, undefined);
});

test('plans that make no sense are refused, and nothing is begun', t => {
  const staging = new Staging();
  const refused = (stages: StagesRequest, more: object = {}): string => {
    const answer = staging.ask({stages, ...more});
    return answer.ok ? 'taken' : String(answer.fields['reason']);
  };
  t.regex(refused({reduce: 'nobody'}), /no app "nobody"/);
  t.regex(refused({rounds: 0}), /rounds must be/);
  t.regex(refused({...REDUCE, rounds: 1, untilStable: true}), /more rounds/);
  t.regex(refused({...REDUCE, rounds: 2, halo: 1}), /halo is for rounds without a reduce/);
  t.regex(refused({rounds: 2, halo: 99}), /halo must be/);
  t.regex(refused({rounds: 1}), /one round without a reduce/);
  t.regex(refused({rounds: 2, reduceArgs: []}), /reduceArgs/);
  t.regex(refused(REDUCE, {policy: {firstWins: true}}), /firstWins/);
  t.regex(
    refused(REDUCE, {
      policy: {broadcast: true},
      input: {kind: 'range', start: 0, end: 1, chunk: 1},
    }),
    /broadcast/,
  );
  t.regex(refused({}, {shared: {blobId: APP.appId, size: 2 ** 40}}), /shared input/);
  t.is(staging.rig.core.context.batches.size, 0);
});

test('a state that never is the same ends at the limit, and is no success', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {...REDUCE, untilStable: true, rounds: 3}});
  staging.run();
  t.like(staging.row(head), {
    state: 'failed',
    reason: 'round 3, reduce: not stable after 3 rounds',
  });
  const answer = staging.rig.ask({kind: 'retryBatch', batchId: head});
  t.like(answer, {ok: false, code: 'VOLLEY_USAGE'});
});

test('a workunit that fails ends the batch at once, and a retry goes on from there', t => {
  const staging = new Staging();
  const head = staging.submit({stages: REDUCE, policy: {maxErrorReplicas: 1, minQuorum: 1}});
  const [node] = staging.nodes;
  const work = staging.rig.pull(node as never, 1);
  const failed = work.map(
    each => ({...refOf(each), cpuMs: 1, status: 'timedOut', reason: 'slow'}) as const,
  );
  staging.rig.says(node as never, staging.rig.reportOf(node as never, failed));
  t.like(staging.row(head), {state: 'failed', failed: 1});
  t.true(staging.rig.ask({kind: 'retryBatch', batchId: head}).ok);
  for (const effect of staging.rig.turn()) t.not(effect.type, 'gather');
});

test('a reduce that fails fails the batch, says in which round, and can be retried', t => {
  const staging = new Staging();
  const head = staging.submit({
    stages: {...REDUCE, rounds: 2},
    policy: {maxErrorReplicas: 1, minQuorum: 1},
  });
  staging.compute();
  staging.gather();
  const [node] = staging.nodes;
  const fail = (): void => {
    const work = staging.rig.pull(node as never, 1);
    const items = work.map(
      each => ({...refOf(each), cpuMs: 1, status: 'trapped', reason: 'bad'}) as const,
    );
    staging.rig.says(node as never, staging.rig.reportOf(node as never, items));
  };
  fail();
  const row = staging.row(head);
  t.is(row?.state, 'failed');
  t.regex(row?.reason ?? '', /^round 1, reduce: .*bad/);
  t.true(staging.rig.ask({kind: 'retryBatch', batchId: head}).ok);
  t.is(staging.batch(head).counters.state, 'running');
  t.is(staging.row(head)?.retries, 1, 'its own row says why it runs again');
  staging.rig.turn({
    type: 'pagesListed',
    batchId: id(head + 1),
    from: 0,
    count: 64,
    pages: [{pageNo: 0, decisions: new Map([[0, {kind: 'failed', reason: 'bad'}]])}],
  });
  staging.run();
  t.like(staging.row(head), {state: 'done', stageAt: {round: 2, kind: 'reduce'}});
});

test('outputs that cannot be put together fail the batch with their reason', t => {
  const staging = new Staging();
  const head = staging.submit({stages: REDUCE});
  staging.compute();
  const [ask] = staging.gathers.splice(0);
  const gathered = {kind: 'failed', reason: 'the outputs together are 1 bytes'} as const;
  staging.rig.turn({type: 'gathered', batchId: head, stage: ask?.stage as BatchId, gathered});
  t.like(staging.row(head), {
    state: 'failed',
    reason: 'round 1, map: the outputs together are 1 bytes',
  });
  t.true(staging.rig.ask({kind: 'retryBatch', batchId: head}).ok);
  staging.run();
  t.is(staging.row(head)?.state, 'done');
});

test('what comes late of outputs that nobody wants any more changes nothing', t => {
  const staging = new Staging();
  const head = staging.submit({stages: REDUCE});
  staging.compute();
  const [ask] = staging.gathers;
  staging.rig.ask({kind: 'cancelBatch', batchId: head});
  staging.gather();
  t.is(staging.row(head)?.state, 'cancelled');
  t.is(staging.row(head + 1), undefined);
  const source = gatheredOf([], 'whole');
  staging.rig.turn({
    type: 'gathered',
    batchId: id(99),
    stage: ask?.stage as BatchId,
    gathered: {kind: 'source', source},
  });
  t.is(staging.rig.core.context.batches.size, 1);
});

test('orders are about the whole batch: they reach the stage that runs, which takes none itself', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {...REDUCE, rounds: 3}});
  staging.compute();
  staging.gather();
  const {rig} = staging;
  const stage = id(head + 1);
  for (const kind of ['cancelBatch', 'resumeBatch', 'retryBatch'] as const)
    t.like(rig.ask({kind, batchId: stage}), {ok: false, code: 'VOLLEY_USAGE'});
  t.true(rig.ask({kind: 'setPriority', batchId: head, priority: 9}).ok);
  t.is(staging.row(stage)?.policy.priority, 9);
  t.true(rig.ask({kind: 'suspendBatch', batchId: head, reason: 'lunch'}).ok);
  t.is(staging.compute(), 0);
  t.true(rig.ask({kind: 'resumeBatch', batchId: head}).ok);
  staging.compute();
  rig.ask({kind: 'suspendBatch', batchId: head, reason: 'again'});
  staging.gather();
  t.is(staging.row(head + 2)?.suspended?.reason, 'again', 'a stage that begins meanwhile too');
  t.is(staging.row(head + 2)?.policy.priority, 9);
  t.true(rig.ask({kind: 'cancelBatch', batchId: head}).ok);
  t.is(staging.row(head + 2)?.state, 'cancelled');
});

test('with the batch all its stages are deleted', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {...REDUCE, rounds: 2}});
  staging.compute();
  staging.gather();
  t.true(staging.rig.ask({kind: 'deleteBatch', batchId: head, force: true}).ok);
  t.is(staging.rig.core.context.batches.size, 0);
  t.deepEqual(staging.rig.rows.get(`batch/${head}`), undefined);
});

test('a master that is killed at any moment goes on with the round where it was', t => {
  for (let killAt = 0; killAt < 12; killAt++) {
    const staging = new Staging();
    const head = staging.submit({stages: {...REDUCE, rounds: 3}});
    const outputs = new Set<string>();
    let step = 0;
    for (; staging.row(head)?.state === 'running' && step < 40; step++) {
      if (step === killAt) staging.kill();
      if (step % 2 === 0) staging.compute((row, index) => `${row.stage?.round ?? 1} ${index}`);
      else staging.gather();
    }
    const row = staging.row(head);
    t.like(row, {state: 'done', stageAt: {round: 3, kind: 'reduce'}}, `killed at ${killAt}`);
    outputs.add(String(row?.stageAt?.batchId));
    t.is(staging.rig.core.context.running.size, 0);
  }
});

test('a stage of which the batch knows nothing ends and goes', t => {
  const staging = new Staging();
  const head = staging.submit({stages: {...REDUCE, rounds: 2}});
  staging.compute();
  const before = staging.rig.rows.get(`batch/0000000${head}`);
  staging.gather();
  t.truthy(staging.row(head + 1));
  // As an older row of the batch, from a disk that lost the newest.
  staging.rig.rows.set(`batch/0000000${head}`, before as Uint8Array);
  staging.kill();
  t.false(staging.rig.core.context.batches.has(id(head + 1)));
  staging.run((row, index) => `${row.stage?.round ?? 1} ${index}`);
  t.is(staging.row(head)?.state, 'done');
});

test('results of a stage that others were made of are not taken out again', t => {
  const staging = new Staging(1);
  const head = staging.submit({stages: REDUCE, policy: {minQuorum: 1}});
  t.true(staging.batch(head).mayRecheck, 'nothing was made of them yet');
  staging.compute();
  staging.gather();
  t.false(staging.batch(head).mayRecheck);
  t.true(staging.batch(id(head + 1)).mayRecheck);
  staging.run();
  t.false(staging.batch(id(head + 1)).mayRecheck);
  t.is(inline('x').kind, 'inline');
});

test('nodes that disagree on what was reduced are settled as on any workunit', t => {
  const staging = new Staging(4);
  const head = staging.submit({stages: REDUCE, policy: {maxTotalReplicas: 3}});
  staging.compute();
  staging.gather();
  const [a, b, c, d] = staging.nodes;
  const reduce = (node: unknown, text: string): number => {
    const work = staging.rig.pull(node as never, 1);
    staging.rig.report(node as never, work, () => inline(text));
    return work.length;
  };
  t.is(reduce(a, 'one') + reduce(b, 'two'), 2);
  t.is(staging.batch(head).counters.state, 'running', 'a tie asks for one more');
  t.is(reduce(c, 'two'), 1);
  t.is(reduce(d, 'two'), 0);
  t.like(staging.row(head), {state: 'done'});
  t.like(staging.row(head + 1), {disagreements: 1});
});

test('a reduce on which no two nodes agree fails the batch', t => {
  const staging = new Staging(3);
  const head = staging.submit({stages: REDUCE, policy: {maxTotalReplicas: 3}});
  staging.compute();
  staging.gather();
  for (const [no, node] of staging.nodes.entries())
    staging.rig.report(node, staging.rig.pull(node, 1), () => inline(`mine is ${no}`));
  t.is(staging.row(head)?.state, 'failed');
  t.regex(staging.row(head)?.reason ?? '', /^round 1, reduce: /);
});

test('containers, which cannot read a shared input, are refused one', t => {
  const staging = new Staging();
  staging.rig.ask({
    kind: 'addApp',
    app: {...APP, name: 'box', runtime: 'container', action: 'container:x:1'},
  });
  const shared = {blobId: APP.appId, size: 5};
  const reason = {
    code: 'VOLLEY_BAD_POLICY',
    fields: {reason: 'the app box is a container, and containers cannot read a shared input'},
  };
  t.like(staging.ask({app: 'box', shared}), reason);
  t.like(staging.ask({stages: {reduce: 'box', rounds: 2}}), reason);
  t.true(staging.ask({app: 'box'}).ok);
});
