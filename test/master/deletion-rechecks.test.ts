// A batch goes while results of a revoked node are computed again: at every step of that.

import test, {type ExecutionContext} from 'ava';
import type {MasterEffect} from '../../src/core/core.ts';
import {computedBy, type Desk, rangeOf} from './desk.ts';
import {type batchOf, only, stateOf} from './look.ts';
import {goOn} from './shelving.ts';
import {inline} from './test-node.ts';

const COUNT = 100;
/** More than a turn deletes. */
const LARGE = 64 * 600;

/** Deletes the only batch, and lets all that was asked be answered afterwards. */
function remove(t: ExecutionContext, desk: Desk, id: Parameters<typeof batchOf>[1]): void {
  const {rig} = desk;
  const order = {kind: 'deleteBatch', batchId: id} as const;
  const before = rig.asked({...order, force: false}).answer;
  t.like(before, {ok: false, code: 'VOLLEY_USAGE'}, 'it is running while it is checked');
  const {answer, effects} = rig.asked({...order, force: true});
  t.true(answer.ok);
  goOn(rig, effects);
  desk.answerAll();
}

function isGone(t: ExecutionContext, {rig}: Desk): void {
  for (const table of ['batch', 'page', 'vote', 'report', 'doubt', 'check'] as const)
    t.deepEqual(rig.scan(table), [], table);
  t.is(rig.core.context.rechecks.size, 0);
  t.is(rig.core.context.running.size, 0);
}

test('deleted while its results are listed, taken out or computed again, a batch leaves nothing', t => {
  for (const answers of [1, 2, 3]) {
    const {desk, rig, id, bad, good} = computedBy('true', rangeOf(COUNT));
    desk.revoke(bad);
    for (let i = 0; i < answers; i++) desk.answer();
    t.is(desk.row(id).rechecking, COUNT);
    const work = answers > 1 ? rig.pull(good, 4) : [];
    if (work.length > 0) rig.report(good, work.slice(0, 1), () => inline('true0'));
    const credit = desk.creditOf(bad, good);
    remove(t, desk, id);
    isGone(t, desk);
    t.deepEqual(desk.creditOf(bad, good), credit, 'what was withdrawn and earned stays so');
    t.true(stateOf(rig, bad).row.rechecked, 'nothing of it is left to be checked');
    // What was handed out is acknowledged and changes nothing.
    if (work.length > 0)
      t.is(only(rig.report(good, work.slice(1)), 'receipt').length, 1, `${answers} answers`);
    isGone(t, desk);
    desk.kill();
    desk.answerAll();
    isGone(t, desk);
    t.deepEqual(desk.asked, []);
  }
});

test('a master that dies between the deletion and its end finds no checks of the batch', t => {
  const {desk, rig, id, bad} = computedBy('true', rangeOf(COUNT));
  desk.revoke(bad);
  desk.answerAll();
  const large = rig.submit({minQuorum: 1}, rangeOf(LARGE)); // one goes after the other
  for (const batchId of [large, id]) rig.ask({kind: 'deleteBatch', batchId, force: true});
  t.true(rig.scan('check').length > 0);
  const first: MasterEffect[] = [];
  rig.kill(effects => {
    t.is(rig.core.context.rechecks.size, 0);
    first.push(...effects);
  });
  goOn(rig, first);
  desk.answerAll();
  isGone(t, desk);
  t.true(stateOf(rig, bad).row.rechecked);
});

test('another batch of the same node is checked to its end', t => {
  const {desk, rig, id, bad, good} = computedBy('lie', rangeOf(COUNT));
  const other = rig.submit({minQuorum: 1}, rangeOf(COUNT));
  desk.compute(bad, 'lie');
  t.like(desk.row(other), {state: 'done', done: COUNT});
  desk.revoke(bad);
  desk.answer(); // both are listed, and nothing is taken out yet
  goOn(rig, rig.asked({kind: 'deleteBatch', batchId: id, force: true}).effects);
  desk.answerAll();
  desk.compute(good, 'true');
  t.like(desk.row(other), {state: 'done', done: COUNT, rechecking: 0, replaced: COUNT});
  t.deepEqual(desk.creditOf(bad, good), [COUNT, COUNT], 'credit for what was deleted stays');
  t.deepEqual(
    rig.scan('check').map(([key]) => Number.parseInt(key.slice(0, 8), 16)),
    rig.scan('page').map(() => other),
  );
  t.true(stateOf(rig, bad).row.rechecked);
});
