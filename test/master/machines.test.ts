// Workunits that were begun on machines of one kind, when those are gone or do not take them.

import test from 'ava';
import {decodeVote} from '../../src/core/tables.ts';
import {viewBatch} from '../../src/master/status.ts';
import {ARM, BY_ARCH, by, live, rangeOf, room, stuck, X64} from './kinds.ts';
import {batchOf, creditOf, renewalsOf, stateOf} from './look.ts';
import type {TestNode, Work} from './test-node.ts';

const asError = ({input: _, ...ref}: Work) =>
  ({...ref, cpuMs: 1, status: 'timedOut', reason: ''}) as never;

test('of a kind whose last node errs again and again others do not wait for ever', t => {
  const {rig, arm, x64} = room(2, 2);
  const id = rig.submit({...BY_ARCH, maxErrorReplicas: 100}, rangeOf(1));
  const [a1, a2] = arm as [TestNode, TestNode];
  rig.report(a1, rig.pull(a1), by('arm'));
  const errs = (work: Work[]): void => {
    const items = work.map(({input: _, ...ref}) => ({
      ...ref,
      cpuMs: 1,
      status: 'timedOut',
      reason: '',
    }));
    rig.says(a2, rig.reportOf(a2, items as never));
  };
  errs(rig.pull(a2));
  live(rig, 3_000, a1, a2, ...x64);
  t.deepEqual(rig.pull(a2), [], 'x64 could do it');
  live(rig, 60_000, a1, a2, ...x64);
  for (const node of x64) rig.report(node, rig.pull(node), by('x64'));
  t.like(batchOf(rig, id).counters, {state: 'done', errors: 1, disagreements: 0});
});

test('where there is no other kind whoever erred tries again', t => {
  const {rig, arm} = room(2, 0);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  const [a1, a2] = arm as [TestNode, TestNode];
  rig.report(a1, rig.pull(a1), by('arm'));
  const [work] = rig.pull(a2) as [Work];
  const {input: _, ...ref} = work;
  rig.says(a2, rig.reportOf(a2, [{...ref, cpuMs: 1, status: 'timedOut', reason: ''} as never]));
  live(rig, 3_000, a1, a2);
  rig.report(a2, rig.pull(a2), by('arm'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('a node that loses its lease again and again had its turn', t => {
  const {rig, arm, x64} = room(2, 2);
  const id = rig.submit({...BY_ARCH, leaseSeconds: 2}, rangeOf(1));
  const [a1, a2] = arm as [TestNode, TestNode];
  rig.report(a1, rig.pull(a1), by('arm'));
  for (let lost = 0; lost < 2; lost++) {
    t.is(rig.pull(a2).length, 1);
    live(rig, 4_000, a1, a2, ...x64);
  }
  t.deepEqual(rig.pull(a2), []);
  live(rig, 62_000, a1, a2, ...x64);
  for (const node of x64) rig.report(node, rig.pull(node), by('x64'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('when the machines of its kind are gone for long others begin it anew, and what was there stays', t => {
  const {rig, id, x64} = stuck();
  const [x1, x2] = x64 as [TestNode, TestNode];
  live(rig, 30_000, ...x64);
  t.deepEqual(rig.pull(x1), []);
  t.regex(viewBatch(rig.core, id, rig.now)?.waiting ?? '', /wait for more nodes .* 1 for arm64/);
  const notes = live(rig, 40_000, ...x64);
  t.true(notes.includes('workunits begin anew on other machines, theirs are gone'));
  t.is(viewBatch(rig.core, id, rig.now)?.waiting, undefined);
  rig.report(x1, rig.pull(x1), by('x64'));
  t.is(rig.scan('vote').length, 2, 'no acknowledged result is gone');
  rig.report(x2, rig.pull(x2), by('x64'));
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 0});
});

test('nodes of a kind that was given up are neither paid nor blamed', t => {
  const {rig, id, a1, x64} = stuck();
  live(rig, 70_000, ...x64);
  for (const node of x64) rig.report(node, rig.pull(node), by('x64'));
  t.is(batchOf(rig, id).counters.state, 'done');
  t.like(creditOf(rig, a1), {credit: 0, disagreed: 0});
  t.is(stateOf(rig, a1).conduct.size, 0);
});

test('machines that come back in time go on, and a late one of their kind still decides', t => {
  const {rig, id, a1, x64} = stuck();
  const [x1] = x64 as [TestNode];
  live(rig, 70_000, ...x64);
  const work = rig.pull(x1);
  t.is(work.length, 1, 'x64 has it now');
  rig.join(a1, ARM);
  const a3 = rig.node('a3', ARM);
  t.deepEqual(rig.pull(a3), [], 'it is for x64');
  rig.report(x1, work, by('x64'));
  // x64 goes away in its turn: what arm64 had counts again.
  live(rig, 70_000, a1, a3);
  rig.report(a3, rig.pull(a3), by('arm'));
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 0});
  t.deepEqual(
    [a1, a3, x1].map(node => creditOf(rig, node).credit),
    [1, 1, 0],
  );
});

test('where no kind has enough nodes it waits, and says so', t => {
  const {rig, id} = stuck();
  live(rig, 200_000);
  t.regex(viewBatch(rig.core, id, rig.now)?.waiting ?? '', /0 of 4 known nodes are up/);
  const [, vote] = rig.scan('vote')[0] ?? [];
  t.is(vote && decodeVote(vote).machine, 'arm64');
  t.is(batchOf(rig, id).counters.state, 'running');
});

test('a lease of the life before is taken up only where it fits', t => {
  const {rig, id, a1, x64} = stuck();
  const [x1] = x64 as [TestNode];
  live(rig, 70_000, ...x64);
  const work = rig.pull(x1);
  t.is(work.length, 1);
  rig.kill();
  rig.join(x1, X64);
  const workunit = batchOf(rig, id).open.get(0);
  t.is(workunit?.machine, 'arm64', 'by the result that is there');
  rig.pull(x1, 0, renewalsOf(work));
  t.is(workunit?.replicas.length, 0);
  rig.report(x1, work, by('x64'));
  t.is(workunit?.votes.length, 2, 'its result counts all the same, among its kind');
  t.is(creditOf(rig, a1).credit, 0);
});

test('machines that are there and never take it are waited for ten minutes', t => {
  const {rig, arm, x64} = room(3, 2);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  const [a1, a2, a3] = arm as [TestNode, TestNode, TestNode];
  rig.report(a1, rig.pull(a1), by('arm'));
  live(rig, 500_000, a1, a2, a3, ...x64);
  t.deepEqual(rig.pull(x64[0] as TestNode), []);
  t.is(viewBatch(rig.core, id, rig.now)?.waiting, undefined, 'they could');
  live(rig, 110_000, a1, a2, a3, ...x64);
  for (const node of x64) rig.report(node, rig.pull(node), by('x64'));
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('when everybody erred everybody may try again', t => {
  const {rig, arm, x64} = room(2, 2);
  const id = rig.submit({...BY_ARCH, maxErrorReplicas: 100}, rangeOf(1));
  const all = [...arm, ...x64];
  for (const node of all) rig.says(node, rig.reportOf(node, rig.pull(node).map(asError)));
  t.is(batchOf(rig, id).counters.errors, 4);
  live(rig, 2_000, ...all);
  const [a1, a2] = arm as [TestNode, TestNode];
  for (const node of [a1, a2]) {
    rig.report(node, rig.pull(node), by('arm'));
    live(rig, 2_000, ...all);
  }
  t.is(batchOf(rig, id).counters.state, 'done');
});
