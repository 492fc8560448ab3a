import test from 'ava';
import {decodeChecks} from '../../src/core/checks.ts';
import {decodeJson} from '../../src/core/tables.ts';
import {computedBy, Desk, rangeOf} from './desk.ts';
import {batchOf, creditOf, only, refOf, resultsOf, stateOf} from './look.ts';
import {retry} from './shelving.ts';
import {blobOf, inline, type TestNode, type Work} from './test-node.ts';

const statesOf = (desk: Desk): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const [, , state] of desk.checks()) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
};

test('what rests on a revoked node alone is computed again, and what comes out equal is confirmed', t => {
  const {desk, id, bad, good} = computedBy('true');
  t.like(desk.row(id), {state: 'done', done: 100, rechecking: 0});
  t.deepEqual(desk.creditOf(bad, good), [100, 0]);
  desk.revoke(bad);
  desk.answerAll();
  t.like(desk.row(id), {state: 'running', endedAt: 0, done: 0, rechecking: 100});
  t.deepEqual(statesOf(desk), {open: 100});
  t.deepEqual(desk.creditOf(bad, good), [0, 0], 'what it stood for is withdrawn');
  t.is(desk.compute(good, 'true'), 100);
  t.like(desk.row(id), {
    state: 'done',
    done: 100,
    rechecking: 0,
    confirmed: 100,
    replaced: 0,
    singles: 0,
    disagreements: 0,
  });
  t.deepEqual(statesOf(desk), {confirmed: 100});
  t.deepEqual(desk.creditOf(bad, good), [0, 100], 'one grant for each workunit');
  t.false(desk.notes.some(note => note.includes('replaced')));
  t.is(creditOf(desk.rig, bad).validated, 0);
});

test('what comes out otherwise replaces it, is counted, and is told', t => {
  const {desk, rig, id, bad, good} = computedBy('lie', rangeOf(3));
  desk.revoke(bad);
  desk.answerAll();
  desk.compute(good, 'true');
  t.like(desk.row(id), {state: 'done', done: 3, confirmed: 0, replaced: 3});
  t.deepEqual(statesOf(desk), {replaced: 3});
  t.is(desk.notes.filter(note => note.includes('wrong and is replaced')).length, 3);
  rig.kill();
  t.like(batchOf(rig, id).counters, {state: 'done', replaced: 3});
});

test('outputs that are files are compared by their hashes', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 1}, rangeOf(2));
  const bad = rig.node('bad');
  const say = (node: TestNode, texts: readonly string[]): void => {
    for (const text of texts) rig.turn({type: 'blobStored', ...blobOf(text)});
    const output = ({index}: Work) => ({kind: 'blob', ...blobOf(texts[index] ?? '')}) as const;
    rig.report(node, rig.pull(node, 2), output);
  };
  say(bad, ['same', 'lie']);
  desk.revoke(bad);
  desk.answerAll();
  say(rig.node('good'), ['same', 'true']);
  t.like(desk.row(id), {state: 'done', confirmed: 1, replaced: 1});
});

test('one that comes to no result is failed as any other', t => {
  const {desk, rig, id, bad, good} = computedBy('true', rangeOf(2));
  desk.revoke(bad);
  desk.answerAll();
  const [first, ...rest] = rig.pull(good, 2) as [Work, ...Work[]];
  const trap = {...refOf(first), cpuMs: 1, status: 'trapped', reason: 'unreachable'} as const;
  rig.says(good, rig.reportOf(good, [trap, ...resultsOf(rest, () => inline('true1'))]));
  t.like(desk.row(id), {state: 'failed', done: 1, failed: 1, rechecking: 0, confirmed: 1});
  t.deepEqual(statesOf(desk), {failed: 1, confirmed: 1});
});

test('a running batch goes on, and is not done before its checks are', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 1}, rangeOf(8));
  const [bad, good] = rig.nodes(2) as [TestNode, TestNode];
  rig.report(bad, rig.pull(bad, 4), ({index}) => inline(`true${index}`));
  desk.revoke(bad);
  desk.answer(); // listed, and nothing is taken out yet
  t.like(desk.row(id), {state: 'running', done: 4, rechecking: 4});
  rig.report(good, rig.pull(good, 4));
  t.like(desk.row(id), {state: 'running', done: 8, rechecking: 4}, 'all is decided, and not over');
  desk.answerAll();
  t.like(desk.row(id), {state: 'running', done: 4, rechecking: 4});
  desk.compute(good, 'true');
  t.like(desk.row(id), {state: 'done', done: 8, rechecking: 0, confirmed: 4});
});

test('what others agreed on, and batches with a larger quorum, stay as they are', t => {
  const desk = new Desk();
  const {rig} = desk;
  const two = rig.submit({minQuorum: 2}, rangeOf(2));
  const one = rig.submit({minQuorum: 1}, rangeOf(2));
  const [bad, good] = rig.nodes(2) as [TestNode, TestNode];
  rig.report(bad, rig.pull(bad, 2));
  rig.report(good, rig.pull(good, 4));
  t.like(desk.row(two), {state: 'done'});
  t.like(desk.row(one), {state: 'done'});
  const pages = rig.scan('page');
  desk.revoke(bad);
  desk.answerAll();
  t.deepEqual(rig.scan('page'), pages);
  t.is(rig.scan('check').length, 0);
  t.true(stateOf(rig, bad).row.rechecked);
});

test('batches that were cancelled, or given up, are left alone', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 1}, rangeOf(8));
  const bad = rig.node('bad');
  rig.report(bad, rig.pull(bad, 4));
  rig.ask({kind: 'cancelBatch', batchId: id});
  const before = desk.row(id);
  desk.revoke(bad);
  desk.answerAll();
  t.deepEqual(desk.row(id), before);
  t.is(stateOf(rig, bad).row.doubts, 4, 'they are listed');
  t.is(rig.scan('check').length, 0);
  t.true(stateOf(rig, bad).row.rechecked);
});

test('a batch that is cancelled while it is checked keeps what was not taken out', t => {
  for (const answers of [1, 2]) {
    const {desk, rig, id, bad} = computedBy('true', rangeOf(4));
    desk.revoke(bad);
    for (let i = 0; i < answers; i++) desk.answer();
    rig.ask({kind: 'cancelBatch', batchId: id});
    desk.answerAll();
    t.like(desk.row(id), {state: 'cancelled', done: answers === 1 ? 4 : 0, rechecking: 4});
    t.is(rig.core.context.rechecks.size, 0);
    desk.kill();
    desk.answerAll();
    t.like(desk.row(id), {state: 'cancelled'});
  }
});

test('inputs of lines are read again', t => {
  const blobId = 'ab'.repeat(32) as never;
  const lines = {kind: 'lines', blobId, indexBlobId: blobId, count: 5} as const;
  const {desk, id, bad, good} = computedBy('true', lines);
  t.like(desk.row(id), {state: 'done'});
  desk.revoke(bad);
  desk.answerAll();
  t.is(desk.compute(good, 'true'), 5);
  t.like(desk.row(id), {state: 'done', confirmed: 5});
});

/** 100 pages, so that the slices of the simulator's disk are many, and more than may be open at once. */
const MANY = 6_400;

test('many are taken out slice by slice, and no more than some hundred are open', t => {
  const {desk, rig, id, bad, good} = computedBy('true', rangeOf(MANY));
  desk.revoke(bad);
  desk.answerAll();
  const {rechecks} = rig.core.context;
  t.true(rechecks.size >= 512 && rechecks.size < 512 + 1_024, `${rechecks.size}`);
  t.like(desk.row(id), {state: 'running', rechecking: MANY, done: MANY - rechecks.size});
  let most = 0;
  for (let round = 0; round < 1_000 && batchOf(rig, id).running; round++) {
    rig.report(good, rig.pull(good, 64), ({index}) => inline(`true${index}`));
    desk.answerAll();
    most = Math.max(most, rechecks.size);
  }
  t.true(most < 512 + 1_024, `${most}`);
  t.like(desk.row(id), {state: 'done', done: MANY, rechecking: 0, confirmed: MANY});
  t.deepEqual(desk.creditOf(bad, good), [0, MANY]);
});

test('a master that dies at any moment goes on where it was, and nothing is counted twice', t => {
  const {desk, rig, id, bad, good} = computedBy('true', rangeOf(1_000));
  desk.revoke(bad);
  for (let round = 0; round < 300 && (round < 3 || batchOf(rig, id).running); round++) {
    if (round % 3 === 0) desk.kill();
    if (round % 2 === 0) desk.answer();
    else desk.answerAll();
    rig.join(good);
    rig.report(good, rig.pull(good, 40), ({index}) => inline(`true${index}`));
    const {done, failed, rechecking, confirmed} = desk.row(id);
    t.is(failed, 0);
    t.true(done + rechecking >= 1_000 && confirmed <= 1_000);
    t.is(
      desk.creditOf(bad, good).reduce((sum, credit) => sum + credit, 0),
      done,
    );
  }
  t.like(desk.row(id), {state: 'done', done: 1_000, rechecking: 0, confirmed: 1_000});
  desk.kill();
  t.deepEqual(desk.asked, [], 'once it is over, no more');
});

test('who computed it again may be revoked too', t => {
  const {desk, rig, id, bad, good} = computedBy('lie', rangeOf(3));
  desk.revoke(bad);
  desk.answerAll();
  desk.compute(good, 'lie');
  t.like(desk.row(id), {state: 'done', confirmed: 3});
  desk.revoke(good);
  desk.answerAll();
  const third = rig.node('third');
  desk.compute(third, 'true');
  t.like(desk.row(id), {state: 'done', confirmed: 3, replaced: 3});
  t.deepEqual(desk.creditOf(bad, good, third), [0, 0, 3]);
});

test('two nodes that are revoked together are checked one after the other', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 1}, rangeOf(8));
  const [a, b, good] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  for (const node of [a, b]) rig.report(node, rig.pull(node, 4));
  for (const node of [a, b]) desk.revoke(node);
  desk.answerAll();
  t.like(desk.row(id), {state: 'running', rechecking: 8, done: 0});
  desk.compute(good, 'out');
  t.like(desk.row(id), {state: 'done', confirmed: 8});
});

test('a page that is read before its last decision was written is read again', t => {
  const {desk, rig, id, bad, good} = computedBy('true', rangeOf(64));
  desk.revoke(bad);
  desk.answer();
  const nodeId = bad.id;
  const [page] = rig.scan('check');
  const checks = decodeChecks(page?.[1] ?? new Uint8Array());
  rig.turn({
    type: 'checksRead',
    nodeId,
    pages: [{batchId: id, pageNo: 0, decisions: new Map(), checks}],
    isLast: true,
  });
  t.like(desk.row(id), {done: 64, rechecking: 64});
  t.deepEqual(desk.asked, ['readChecks', 'readChecks']);
  desk.answerAll();
  t.is(desk.compute(good, 'true'), 64);
  t.like(desk.row(id), {state: 'done', confirmed: 64});
});

test('what an earlier version only listed is listed once more, and checked', t => {
  const {desk, rig, id, bad} = computedBy('true', rangeOf(3));
  const key = `node/${bad.id}`;
  const row = decodeJson(rig.rows.get(key) ?? new Uint8Array()) as object;
  const old = {...row, revokedAt: 5, doubts: 3};
  rig.rows.set(key, new TextEncoder().encode(JSON.stringify(old)));
  desk.kill();
  desk.answerAll();
  t.like(desk.row(id), {state: 'running', rechecking: 3});
});

test('watchers are told of each step: checked again, and over', t => {
  const {desk, rig, bad, good} = computedBy('true', rangeOf(1));
  const seen: [string, number, number][] = [];
  const turn = rig.turn.bind(rig);
  rig.turn = (...events) => {
    const effects = turn(...events);
    for (const {row} of only(effects, 'announce'))
      if (row) seen.push([row.state, row.rechecking, row.confirmed]);
    return effects;
  };
  desk.revoke(bad);
  desk.answerAll();
  desk.compute(good, 'true');
  t.deepEqual(seen, [
    ['running', 1, 0],
    ['running', 1, 0],
    ['done', 0, 1],
  ]);
});

test('what had begun anew is checked in its own try, whatever restarts lie between', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(2));
  const bad = rig.node('bad');
  const [first, second] = rig.pull(bad);
  if (!first || !second) throw new Error('no work');
  const failed = {...refOf(first), cpuMs: 1, status: 'timedOut', reason: ''} as const;
  rig.says(bad, rig.reportOf(bad, [failed]));
  t.true(retry(rig, id).ok);
  rig.report(bad, [second, ...rig.pull(bad)]);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2});
  desk.kill();
  desk.revoke(bad);
  desk.answerAll();
  const good = rig.node('good');
  const work = rig.pull(good);
  t.deepEqual(
    work.map(({index, replicaNo}) => [index, replicaNo]).sort(([a = 0], [b = 0]) => a - b),
    [
      [0, 256],
      [1, 0],
    ],
  );
  rig.kill();
  rig.join(good);
  rig.report(good, work);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 2, rechecking: 0, confirmed: 2});
});
