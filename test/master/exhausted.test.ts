// Workunits that everybody has answered, and no quorum agrees.

import test from 'ava';
import type {BatchId} from '../../src/base/types.ts';
import {viewBatch} from '../../src/master/status.ts';
import {BY_ARCH, live, rangeOf, room} from './kinds.ts';
import {batchOf} from './look.ts';
import type {MasterRig} from './rig.ts';
import {inline, type TestNode} from './test-node.ts';

const waitingOf = (rig: MasterRig, id: BatchId): string =>
  viewBatch(rig.core, id, rig.now)?.waiting ?? '';

/** Each returns something of its own. */
function differ(rig: MasterRig, ...nodes: TestNode[]): void {
  for (const node of nodes) rig.report(node, rig.pull(node), () => inline(`of ${node.name} alone`));
}

for (const policy of [{}, BY_ARCH])
  test(`no two of three agree, and nobody else is there: it fails after a minute, ${JSON.stringify(policy)}`, t => {
    const {rig, x64} = room(0, 3);
    const id = rig.submit(policy, rangeOf(1));
    differ(rig, ...x64);
    live(rig, 3_000, ...x64);
    t.regex(waitingOf(rig, id), /needs another node: 1 workunit has a result of every node/);
    live(rig, 50_000, ...x64);
    t.is(batchOf(rig, id).counters.state, 'running');
    live(rig, 15_000, ...x64);
    const {counters} = batchOf(rig, id);
    t.like(counters, {state: 'failed', failed: 1});
    t.regex(counters.reason, /no other node could compute it: no two of 3 results agree/);
  });

test('a node that joins in time, or is only away, may decide it', t => {
  const {rig, x64} = room(0, 3);
  const id = rig.submit({}, rangeOf(1));
  const late = rig.node('late', {arch: 'x64'});
  differ(rig, ...x64);
  live(rig, 300_000, ...x64);
  t.is(batchOf(rig, id).counters.state, 'running', 'one that is away is waited for');
  t.is(waitingOf(rig, id), '');
  rig.join(late);
  rig.report(late, rig.pull(late), () => inline('of x1 alone'));
  t.is(batchOf(rig, id).counters.state, 'running', '2 of 4 are no majority');
  live(rig, 3_000, ...x64, late);
  t.regex(waitingOf(rig, id), /needs another node/);
  const fifth = rig.node('fifth', {arch: 'x64'});
  const [work] = rig.pull(fifth);
  t.truthy(work);
  rig.report(fifth, work ? [work] : [], () => inline('of x1 alone'));
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 2});
});

test('two that differ wait for a third, however long', t => {
  const {rig, x64} = room(0, 2);
  const id = rig.submit({}, rangeOf(2));
  differ(rig, ...x64);
  live(rig, 300_000, ...x64);
  t.is(batchOf(rig, id).counters.state, 'running');
  t.regex(waitingOf(rig, id), /needs another node: 2 workunits have a result of every node/);
});

test('after a restart a minute is waited again', t => {
  const {rig, x64} = room(0, 3);
  const id = rig.submit(BY_ARCH, rangeOf(1));
  differ(rig, ...x64);
  live(rig, 50_000, ...x64);
  rig.killAndRest();
  for (const node of x64) rig.join(node);
  for (const node of x64) t.deepEqual(rig.pull(node), []);
  live(rig, 50_000, ...x64);
  t.is(batchOf(rig, id).counters.state, 'running');
  live(rig, 15_000, ...x64);
  t.is(batchOf(rig, id).counters.state, 'failed');
});
