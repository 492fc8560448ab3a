// Damaged stores of batches that are decided by more than equal bytes.

import test from 'ava';
import {keyOf, mend, rangeOf} from './damage.ts';
import {batchOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {inline, type TestNode} from './test-node.ts';

test('what a comparison decided stands, and pays those who returned the same bytes', t => {
  const rig = MasterRig.ready();
  const compare = {kind: 'numeric', rtol: 0, atol: 1} as const;
  const id = rig.submit({compare}, rangeOf(2));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.report(a, rig.pull(a), () => inline('1'));
  rig.report(b, rig.pull(b, 1), () => inline('1'));
  rig.report(c, rig.pull(c), () => inline('1.5'));
  t.is(batchOf(rig, id).counters.done, 2);
  const {loss, next} = mend(rig, [`credit/${a.id}`, `credit/${b.id}`, `credit/${c.id}`]);
  t.deepEqual(loss.batches, []);
  t.true(loss.recounted);
  t.is(batchOf(next, id).counters.done, 2);
  const credit = (node: TestNode) => next.core.context.roster.node(node.id)?.credit.credit;
  t.is(credit(a), 2);
  t.is(credit(b), 1);
  t.is(credit(c), 0, 'whether its output agreed the reports alone do not tell');
});

test('a batch that its first result ended stays ended, unless that result is lost', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({firstWins: true, minQuorum: 1}, rangeOf(200));
  const a = rig.node('a');
  rig.report(a, rig.pull(a, 1), () => inline('found'));
  t.is(batchOf(rig, id).counters.winner, 0);
  t.is(batchOf(mend(rig).next, id).counters.state, 'done');
  const {next} = mend(rig, [keyOf(rig, 'page')]);
  t.like(batchOf(next, id).counters, {state: 'running', winner: undefined, reason: ''});
  rig.rows.delete(keyOf(rig, 'page'));
  t.is(batchOf(mend(rig).next, id).counters.state, 'running', 'without a word of the disk');
});
