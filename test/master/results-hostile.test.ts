// P7: an enrolled bad node wastes only its own share.

import test from 'ava';
import type {ResultItem} from '../../src/wire/message.ts';
import {batchOf, refOf, renewalsOf, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import type {Work} from './test-node.ts';

const rangeOf = (count: number) => ({kind: 'range', start: 0, end: count, chunk: 1}) as const;

const failed = (work: Work, status: 'timedOut' | 'trapped'): ResultItem => ({
  ...refOf(work),
  cpuMs: 3,
  status,
  reason: 'why',
});

test('one node whose every run fails does not make a workunit fail alone', t => {
  // P7: an enrolled bad node wastes only its own share.
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const bad = rig.node('bad');
  rig.node('good');
  for (let i = 0; i < 3; i++) {
    const work = rig.pull(bad);
    rig.says(
      bad,
      rig.reportOf(
        bad,
        work.map(each => failed(each, 'timedOut')),
      ),
    );
  }
  t.is(batchOf(rig, id).counters.failed, 0);
});

test('a node that failed tries again when every other has had its turn, or there is none', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(1));
  const a = rig.node('a');
  const fail = (node: typeof a): void => {
    const work = rig.pull(node);
    rig.says(
      node,
      rig.reportOf(
        node,
        work.map(each => failed(each, 'timedOut')),
      ),
    );
  };
  fail(a);
  t.is(batchOf(rig, id).counters.errors, 1);
  const b = rig.node('b');
  t.is(rig.pull(a).length, 0, 'b goes first');
  fail(b);
  fail(a);
  t.like(batchOf(rig, id).counters, {errors: 3, state: 'failed'});
});

test('a node that only takes and renews does not hold a batch up for ever', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, leaseSeconds: 5, timeLimitSeconds: 5}, rangeOf(1));
  const bad = rig.node('bad');
  const [a, b] = [rig.node('a'), rig.node('b')];
  const held = rig.pull(bad);
  rig.report(a, rig.pull(a));
  for (let s = 0; s < 3_600 && batchOf(rig, id).running; s++) {
    rig.pass(1_000);
    rig.says(bad, rig.pullOf(bad, 0, renewalsOf(held)));
    const work = rig.pull(b);
    if (work.length > 0) rig.report(b, work);
    else rig.says(a, rig.pullOf(a, 0));
  }
  t.is(batchOf(rig, id).counters.state, 'done');
});

test('the leases of one node are bounded', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({}, rangeOf(100_000));
  batchOf(rig, id).noteRunMs(0.01);
  const bad = rig.node('bad');
  for (let i = 0; i < 300; i++) rig.pull(bad, 512);
  t.true(stateOf(rig, bad).out.size <= 8_192, `${stateOf(rig, bad).out.size} leases`);
});
