// A workunit that takes down whoever computes it.

import test from 'ava';
import {batchOf} from './look.ts';
import {hold} from './paced.ts';
import {MasterRig} from './rig.ts';
import {crypto, type TestNode, type Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;
const ALONE = {minQuorum: 1, leaseSeconds: 600} as const;
const POISON = 1;
const indexesOf = (work: readonly Work[]): number[] => work.map(({index}) => index);

/** The node pulls nothing more; the others are heard for as long as it takes to notice. */
function isLost(rig: MasterRig, living: readonly TestNode[]): void {
  hold(rig, 5, new Map(living.map(node => [node, []])));
}

test('a poison workunit costs five boards, not all of them, and nothing else fails', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(12);
  const id = rig.submit(ALONE, rangeOf(3));
  let lost = 0;
  while (batchOf(rig, id).running && nodes.length > 0) {
    const [node] = nodes as [TestNode];
    const work = rig.pull(node);
    t.true(work.length > 0);
    if (indexesOf(work).includes(POISON)) {
      nodes.shift();
      lost += 1;
      isLost(rig, nodes);
    } else rig.report(node, work);
  }
  t.is(lost, 5);
  t.like(batchOf(rig, id).counters, {state: 'failed', done: 2, failed: 1});
  t.regex(batchOf(rig, id).counters.reason, /3 times the node was lost that computed nothing else/);
});

/** Two workunits that two nodes were lost with, one by a new start; `rest` are there. */
function suspects() {
  const rig = MasterRig.ready();
  const [first, second, ...rest] = rig.nodes(5) as [TestNode, TestNode, ...TestNode[]];
  const id = rig.submit(ALONE, rangeOf(2));
  t2(rig.pull(first));
  isLost(rig, [second, ...rest]);
  t2(rig.pull(second));
  second.bootId = crypto.random(8);
  rig.join(second);
  return {rig, id, rest: rest as [TestNode, TestNode, TestNode]};
}

function t2(work: readonly Work[]): void {
  if (work.length !== 2) throw new Error(`${work.length} leases`);
}

test('what is suspected runs apart: alone on a node, and never beside other work', t => {
  const {rig, rest} = suspects();
  const [a, b] = rest;
  const other = rig.submit({...ALONE, priority: 1}, rangeOf(50));
  const busy = rig.pull(a, 2);
  t.is(new Set(busy.map(({batchId}) => batchId)).size, 1, 'the other batch goes first');
  rig.ask({kind: 'cancelBatch', batchId: other});
  rig.submit({...ALONE, priority: -1}, rangeOf(50));
  t.deepEqual(indexesOf(rig.pull(b, 4)), [0], 'nothing of the other batch beside it');
  t.deepEqual(rig.pull(b, 4), [], 'nor later');
});

test('a result clears a suspect, and its node gets other work again', t => {
  const {rig, id, rest} = suspects();
  const [a] = rest;
  for (const index of [0, 1]) {
    const work = rig.pull(a, 4);
    t.deepEqual(indexesOf(work), [index]);
    rig.report(a, work);
  }
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, failed: 0});
});

test('when the power goes nobody is suspected', t => {
  const rig = MasterRig.ready();
  const nodes = rig.nodes(20);
  const id = rig.submit(ALONE, rangeOf(20));
  for (let cut = 0; cut < 2; cut++) {
    for (const node of nodes) rig.pull(node, 1);
    rig.pass(10_000);
    for (const node of nodes) {
      node.bootId = crypto.random(8);
      rig.join(node);
    }
  }
  const suspected = [...batchOf(rig, id).open.values()].filter(({losses = 0}) => losses > 1);
  t.true(suspected.length <= 3, `${suspected.length}`);
});

test('what only waited at the node that was lost is not suspected', t => {
  const rig = MasterRig.ready();
  const [first, ...rest] = rig.nodes(3, {slots: 1}) as [TestNode, TestNode, TestNode];
  const id = rig.submit(ALONE, rangeOf(60));
  rig.report(first, rig.pull(first, 1)); // from now on it is given more than one ahead
  const held = rig.pull(first, 59);
  t.true(held.length > 20);
  isLost(rig, rest);
  const lost = [...batchOf(rig, id).open.values()].filter(({losses = 0}) => losses > 0);
  t.deepEqual(
    lost.map(({index}) => index),
    indexesOf(held).slice(0, 4),
    'the oldest: one that ran, and a few that it may have ended',
  );
});
