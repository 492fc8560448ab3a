// Adaptive redundancy: who computes alone, what waits, what is checked, and what becomes of it when it is wrong.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import {isTrusted, perCheck, TRUSTED_AFTER} from '../../src/master/adaptive.ts';
import {batchOf, creditOf, resultsOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, inline, type TestNode, type Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const ADAPTIVE = {redundancy: 'adaptive'} as const;

test('trust comes after results in a row, and the share that is checked has a floor of 5 %', t => {
  t.false(isTrusted(TRUSTED_AFTER - 1, {}));
  t.true(isTrusted(TRUSTED_AFTER, {}));
  t.is(perCheck(0, {}), 1);
  t.is(perCheck(TRUSTED_AFTER, {}), 10);
  t.is(perCheck(1_000_000, {}), 20);
  t.deepEqual([isTrusted(99, {trustAfter: 100}), isTrusted(100, {trustAfter: 100})], [false, true]);
  t.is(perCheck(1_000, {checkEvery: 4}), 4);
});

/** Each node is given one workunit at a time, and returns `outputOf` it, until there is no more. */
function run(
  rig: MasterRig,
  nodes: readonly TestNode[],
  rounds: number,
  outputOf: (node: TestNode, index: number) => string = (_, index) => `${index}`,
): void {
  for (let round = 0; round < rounds; round++)
    for (const node of nodes) {
      const work = rig.pull(node, 1);
      if (work.length > 0) answer(rig, node, work, outputOf);
    }
}

function answer(
  rig: MasterRig,
  node: TestNode,
  work: readonly Work[],
  outputOf: (node: TestNode, index: number) => string = (_, index) => `${index}`,
): void {
  rig.says(
    node,
    rig.reportOf(
      node,
      resultsOf(work, ({index}) => inline(outputOf(node, index))),
    ),
  );
}

/** Two nodes that agreed on so many that both are trusted; all that follows is of a batch of its own. */
function trusted(count: number): {rig: MasterRig; id: BatchId; a: TestNode; b: TestNode} {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const first = rig.submit(ADAPTIVE, rangeOf(TRUSTED_AFTER));
  run(rig, [a, b], TRUSTED_AFTER);
  if (batchOf(rig, first).counters.state !== 'done')
    throw new Error('the nodes are not trusted yet');
  return {rig, id: rig.submit(ADAPTIVE, rangeOf(count)), a, b};
}

test('until a node is trusted a quorum computes each workunit', t => {
  const rig = MasterRig.ready();
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const id = rig.submit(ADAPTIVE, rangeOf(TRUSTED_AFTER));
  run(rig, [a, b], TRUSTED_AFTER);
  t.like(batchOf(rig, id).counters, {state: 'done', replicas: 2 * TRUSTED_AFTER, singles: 0});
});

test('a trusted node has a workunit alone, and its result waits', t => {
  const {rig, id, a, b} = trusted(100);
  const work = rig.pull(a, 1);
  t.is(work.length, 1);
  t.not(rig.pull(b, 1)[0]?.index, work[0]?.index, 'nobody else is given it');
  answer(rig, a, work);
  t.like(batchOf(rig, id).counters, {done: 0, results: 1});
});

test('one of each group is computed by another node too, and its agreement lets the others count', t => {
  const {rig, id, a, b} = trusted(1_000);
  const indexes: number[] = [];
  for (let i = 0; i < TRUSTED_AFTER; i++) {
    const work = rig.pull(a, 1);
    indexes.push(...work.map(({index}) => index));
    answer(rig, a, work);
  }
  t.like(batchOf(rig, id).counters, {done: 0, results: TRUSTED_AFTER});
  const [check] = rig.pull(b, 1);
  t.true(check !== undefined && indexes.includes(check.index), 'one of those that wait');
  answer(rig, b, check ? [check] : []);
  const {done, singles, replicas} = batchOf(rig, id).counters;
  t.deepEqual([done, singles, replicas], [TRUSTED_AFTER, TRUSTED_AFTER - 1, TRUSTED_AFTER + 1]);
  t.is(creditOf(rig, a).credit, 2 * TRUSTED_AFTER);
  t.is(creditOf(rig, b).credit, TRUSTED_AFTER + 1);
});

test('when the check disagrees all that waits is computed by others, and the node is trusted no more', t => {
  const {rig, id, a, b} = trusted(10);
  const [c] = rig.nodes(1) as [TestNode];
  const liar = (node: TestNode, index: number): string =>
    node === a ? `lie ${index}` : `${index}`;
  for (let i = 0; i < TRUSTED_AFTER; i++) answer(rig, a, rig.pull(a, 1), liar);
  run(rig, [b, c], 40, liar);
  const {done, singles, disagreements} = batchOf(rig, id).counters;
  t.is(done, 10);
  t.is(singles, 0, 'not one lie counts on its word');
  t.is(disagreements, 10, 'each was found out');
  t.is(creditOf(rig, a).disagreed, 10);
});

/** Time passes, and these nodes are heard all the while. */
function live(rig: MasterRig, nodes: readonly TestNode[], ms: number): void {
  for (let passed = 0; passed < ms; passed += 1_000) {
    rig.pass(1_000);
    for (const node of nodes) rig.pull(node, 0);
  }
}

/** One result of `a` that took a minute waits; answers its index. */
function waiting(rig: MasterRig, a: TestNode): number {
  const work = rig.pull(a, 1);
  const results = resultsOf(work, ({index}) => inline(`${index}`));
  rig.says(
    a,
    rig.reportOf(
      a,
      results.map(result => ({...result, cpuMs: 60_000})),
    ),
  );
  return work[0]?.index ?? -1;
}

test('a group of long workunits has the time that it takes to fill', t => {
  const {rig, a, b} = trusted(1_000);
  const index = waiting(rig, a);
  live(rig, [a, b], 440_000);
  t.not(rig.pull(b, 1)[0]?.index, index, 'ten of a minute in four slots take 150 s');
  live(rig, [a, b], 20_000);
  t.is(rig.pull(b, 1)[0]?.index, index, 'three times that has passed');
});

test('what waits of a node that is silent is not waited with for long', t => {
  const {rig, a, b} = trusted(1_000);
  const index = waiting(rig, a);
  live(rig, [b], 20_000);
  t.not(rig.pull(b, 1)[0]?.index, index);
  live(rig, [b], 20_000);
  t.is(rig.pull(b, 1)[0]?.index, index);
});

test('where the first result wins none waits for long', t => {
  const {rig, a, b} = trusted(1);
  const first = rig.submit({...ADAPTIVE, firstWins: true, priority: 1}, rangeOf(1_000));
  const index = waiting(rig, a);
  live(rig, [a, b], 40_000);
  t.like(rig.pull(b, 1)[0], {batchId: first, index});
});

test('at the end of a batch what waits is checked as it is', t => {
  const {rig, id, a, b} = trusted(3);
  for (let i = 0; i < 3; i++) answer(rig, a, rig.pull(a, 1));
  t.is(rig.pull(b, 1).length, 0, 'more of the batch may come');
  rig.pass(1_100);
  run(rig, [b], 3);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 3, singles: 2, replicas: 4});
});

test('a lost lease ends the privilege of a workunit', t => {
  const {rig, id, a, b} = trusted(2);
  const [lost] = rig.pull(a, 1);
  const [failed] = rig.pull(b, 1);
  rig.pass(60_000); // both are silent
  rig.join(a);
  rig.join(b);
  t.true(lost !== undefined && failed !== undefined);
  run(rig, [a, b], 6);
  rig.pass(2_000);
  run(rig, [a, b], 6);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, failed: 0});
});

test('a restart trusts nobody: what waited is computed by others', t => {
  const {rig, id, a, b} = trusted(4);
  for (let i = 0; i < 4; i++) answer(rig, a, rig.pull(a, 1));
  rig.killAndRest();
  rig.join(a);
  rig.join(b);
  run(rig, [b], 8);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 4, singles: 0, disagreements: 0});
});

test('a revoked node leaves nothing in escrow', t => {
  const {rig, id, a, b} = trusted(4);
  const [c] = rig.nodes(1) as [TestNode];
  for (let i = 0; i < 4; i++) answer(rig, a, rig.pull(a, 1));
  rig.ask({kind: 'revokeNode', nodeId: a.id});
  run(rig, [b, c], 12);
  rig.pass(2_000);
  run(rig, [b, c], 12);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 4, disagreements: 0});
});

test('a policy that contradicts itself is refused with its reason', t => {
  const rig = MasterRig.ready();
  const refused = (policy: object): string => {
    const answer = rig.ask({
      kind: 'submitBatch',
      batch: {name: 'x', app: 'primes', args: [], input: rangeOf(1), policy},
    } as never);
    return answer.ok ? 'taken' : JSON.stringify(answer.fields);
  };
  t.regex(refused({redundancy: 'adaptive', minQuorum: 1}), /minQuorum of 2 or more/);
  t.regex(refused({redundancy: 'none', minQuorum: 2}), /minQuorum of 1/);
  t.regex(refused({trustAfter: 20}), /are for adaptive redundancy/);
  t.regex(refused({redundancy: 'adaptive', trustAfter: 1}), /from 2 to 1000, not 1/);
  t.regex(refused({redundancy: 'adaptive', checkEvery: 0.5}), /from 2 to 100, not 0.5/);
  t.is(refused({redundancy: 'adaptive', trustAfter: 30, checkEvery: 10}), 'taken');
  t.is(refused({redundancy: 'none'}), 'taken');
  t.is(refused({redundancy: 'always'}), 'taken');
});

const rowOf = (rig: MasterRig, node: TestNode): number =>
  rig.core.context.escrow.validatedInRow(node.id, APP.appId);

test('what a node computes alone does not add to its row', t => {
  const {rig, a, b} = trusted(1_000);
  for (let i = 0; i < TRUSTED_AFTER; i++) answer(rig, a, rig.pull(a, 1));
  answer(rig, b, rig.pull(b, 1));
  t.is(rowOf(rig, a), TRUSTED_AFTER + 1, 'only the one that was checked');
  const alone = rig.submit({minQuorum: 1, priority: 1}, rangeOf(1));
  answer(rig, a, rig.pull(a, 1));
  t.is(batchOf(rig, alone).counters.done, 1);
  t.is(rowOf(rig, a), TRUSTED_AFTER + 1, 'nor a quorum of one');
});

test('every batch of the app tells whether a node is right, whatever its redundancy', t => {
  const rig = MasterRig.ready();
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const all = {minQuorum: 3, targetReplicas: 3};
  rig.submit(all, rangeOf(TRUSTED_AFTER));
  run(rig, [a, b, c], TRUSTED_AFTER);
  t.deepEqual([rowOf(rig, a), rowOf(rig, b)], [TRUSTED_AFTER, TRUSTED_AFTER]);
  rig.submit({minQuorum: 2, targetReplicas: 3}, rangeOf(1));
  run(rig, [a, b, c], 1, node => (node === a ? 'lie' : 'truth'));
  t.deepEqual([rowOf(rig, a), rowOf(rig, b)], [0, TRUSTED_AFTER + 1]);
});

test('a node that is found out in the turn in which its group was confirmed is not believed', t => {
  const {rig, id, a, b} = trusted(1_000);
  const c = rig.node('c');
  for (let i = 0; i < TRUSTED_AFTER; i++) answer(rig, a, rig.pull(a, 1));
  const check = rig.pull(b, 1);
  rig.submit({minQuorum: 2, targetReplicas: 3, priority: 1}, rangeOf(1));
  answer(rig, a, rig.pull(a, 1), () => 'lie');
  answer(rig, b, rig.pull(b, 1));
  const proof = rig.pull(c, 1);
  const right = (work: readonly Work[]) => resultsOf(work, ({index}) => inline(`${index}`));
  rig.turn(
    rig.event(b, rig.reportOf(b, right(check))),
    rig.event(c, rig.reportOf(c, right(proof))),
  );
  t.is(rowOf(rig, a), 0);
  t.like(batchOf(rig, id).counters, {done: 1, singles: 0});
});
