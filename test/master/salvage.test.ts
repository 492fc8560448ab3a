// What a damaged store is worth: a master must come up from what is left, and the loss must be told whole.

import test from 'ava';
import type {Tables} from '../../src/core/journal-salvage.ts';
import {
  type BatchRow,
  decodeCredit,
  decodeVote,
  encodeJson,
  encodeVote,
  jsonRow,
  TABLES,
  type TableName,
} from '../../src/core/tables.ts';
import {RECOVERED_KEY, type RecoveredRow} from '../../src/master/context.ts';
import {BAD, decided, finish, keyOf, mend, mendTables, rangeOf, rowOf, WALL} from './damage.ts';
import {Desk} from './desk.ts';
import {batchOf, receiptsOf, resultsOf, sentTo, stateOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {TestNode, TOKEN_ID} from './test-node.ts';

test('of a store without damage nothing is lost, and the epoch goes far ahead', t => {
  const {rig} = decided(5);
  const epoch = rig.core.context.epoch;
  const {loss, rows, next} = mend(rig);
  t.deepEqual(loss, {
    batches: [],
    missingBatches: [],
    rows: [],
    doubtfulNodes: [],
    recounted: false,
    voidAfter: 7,
  });
  t.true(next.core.context.epoch > epoch + 999);
  for (const [key, value] of rig.rows)
    if (key !== 'meta/epoch' && key !== `meta/${RECOVERED_KEY}`)
      t.deepEqual(rows.get(key), value, key);
});

test('without a row of the epoch it begins far above the first one', t => {
  const {rig} = decided(1);
  const {next} = mend(
    rig,
    [...rig.rows.keys()].filter(key => key.startsWith('meta/')),
  );
  t.is(next.core.context.epoch, 1_001);
});

test('workunits of a lost page are open again, an ended batch goes on and comes to its end', t => {
  const {rig, a} = decided(6);
  t.is(rowOf(rig).state, 'done');
  const {loss, next} = mend(rig, [keyOf(rig, 'page')]);
  t.deepEqual(loss.batches, [
    {batchId: 1, name: 'b', reopened: [0, 1, 2, 3, 4, 5], decisionsLost: 6},
  ]);
  t.true(loss.recounted);
  t.like(rowOf(next), {state: 'running', endedAt: 0, done: 0});
  t.is(decodeCredit(next.scan('credit')[0]?.[1] ?? BAD).credit, 0, 'nothing is decided');
  finish(next, a);
  t.is(batchOf(next, rowOf(rig).id).counters.done, 6);
});

test('a page that cannot be read is as good as lost, and named', t => {
  const {rig} = decided(3);
  const page = keyOf(rig, 'page');
  const {loss, next} = mend(rig, [], [page]);
  t.deepEqual(loss.rows, [{rowKey: page, reason: 'it cannot be read'}]);
  t.deepEqual(loss.batches[0]?.reopened, [0, 1, 2]);
  t.is(rowOf(next).state, 'running');
});

test('a decision whose report is lost is open again, the others stand, credit follows', t => {
  const {rig, a} = decided(6);
  const {loss, next} = mend(rig, [keyOf(rig, 'report')]);
  t.deepEqual(loss.batches[0]?.reopened, [0, 1]);
  t.like(rowOf(next), {state: 'running', done: 4});
  t.like(decodeCredit(next.scan('credit')[0]?.[1] ?? BAD), {validated: 4, credit: 4});
  finish(next, a);
  t.like(batchOf(next, rowOf(rig).id).counters, {done: 6, failed: 0});
});

test('a report that cannot be read is left out, and named', t => {
  const {rig} = decided(2);
  const report = keyOf(rig, 'report');
  const {loss} = mend(rig, [], [report]);
  t.deepEqual(loss.rows, [{rowKey: report, reason: 'it cannot be read'}]);
  t.deepEqual(loss.batches[0]?.reopened, [0, 1]);
});

test('of a batch whose row is lost a tombstone is left, its number is not given again', t => {
  const {rig} = decided(3);
  const page = keyOf(rig, 'page');
  const {loss, next} = mend(rig, [keyOf(rig, 'batch')]);
  t.deepEqual(loss.batches, [{batchId: 1, name: '', reopened: undefined, decisionsLost: 0}]);
  t.deepEqual(loss.rows, [{rowKey: page, reason: 'its batch is lost'}]);
  t.like(rowOf(next), {state: 'failed', name: 'lost-1', count: 0});
  next.turn();
  t.is(next.submit({minQuorum: 1}, rangeOf(1)), 2 as BatchRow['id']);
});

test('lost credit is counted from the reports: agreement, disagreement and errors', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 3, maxErrorReplicas: 3}, rangeOf(2));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [forA, forB, forC] = [rig.pull(a), rig.pull(b), rig.pull(c)] as const;
  const failed = resultsOf(forC).map(item => ({...item, status: 'trapped', reason: 'x'}) as const);
  rig.says(c, rig.reportOf(c, failed.slice(0, 1)));
  rig.says(
    c,
    rig.reportOf(
      c,
      resultsOf(forC.slice(1), () => ({kind: 'inline', bytes: BAD})),
    ),
  );
  rig.report(a, forA);
  rig.report(b, forB);
  t.is(batchOf(rig, id).counters.done, 2);
  const before = new Map(rig.scan('credit').map(([key, row]) => [key, decodeCredit(row)]));
  const {loss, next} = mend(
    rig,
    rig.scan('credit').map(([key]) => `credit/${key}`),
  );
  t.true(loss.recounted);
  for (const [key, row] of next.scan('credit'))
    t.deepEqual(
      decodeCredit(row),
      before.get(key) ?? {validated: 0, disagreed: 0, errors: 0, credit: 0},
    );
  t.like(before.get(a.id), {validated: 2, credit: 2});
  t.like(before.get(c.id), {disagreed: 1, errors: 1});
});

test('errors of undecided workunits are not forgotten when credit is counted anew; credit of nobody goes', t => {
  const {rig, a} = decided(2);
  const key = `credit/${a.id}`;
  const stranger = `credit/${'0'.repeat(32)}`;
  const row = rig.rows.get(key) ?? BAD;
  rig.rows.set(stranger, row);
  const {next} = mend(rig, [keyOf(rig, 'page')]);
  t.false(next.rows.has(stranger));
  t.is(decodeCredit(next.rows.get(key) ?? BAD).errors, decodeCredit(row).errors);
});

test('a node whose row is lost has its credit again when it is let in', t => {
  const {rig, a} = decided(2);
  const before = decodeCredit(rig.rows.get(`credit/${a.id}`) ?? BAD);
  t.is(before.credit, 2);
  for (const lost of [[`node/${a.id}`], [`node/${a.id}`, `credit/${a.id}`]]) {
    const {next} = mend(rig, lost);
    t.is(next.core.context.roster.size, 0);
    next.link(a);
    next.says(a, a.hello());
    t.like(stateOf(next, a).credit, {credit: 2, validated: 2});
    next.submit({minQuorum: 1}, rangeOf(1));
    next.report(a, next.pull(a, 1));
    t.is(decodeCredit(next.rows.get(`credit/${a.id}`) ?? BAD).credit, 3);
  }
});

test('a workunit that failed stays failed, what it cost too', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1, targetReplicas: 1, maxErrorReplicas: 1}, rangeOf(2));
  const a = rig.node('a');
  const [one, other] = rig.pull(a, 2);
  if (!one || !other) return t.fail();
  const failed = resultsOf([one]).map(item => ({...item, status: 'trapped', reason: 'x'}) as const);
  rig.says(a, rig.reportOf(a, failed));
  rig.report(a, [other]);
  t.like(batchOf(rig, id).counters, {done: 1, failed: 1});
  const {loss, next} = mend(rig, [`credit/${a.id}`]);
  t.deepEqual(loss.batches, []);
  t.like(rowOf(next), {state: 'failed', done: 1, failed: 1});
  t.like(decodeCredit(next.rows.get(`credit/${a.id}`) ?? BAD), {errors: 1, credit: 1});
});

test('a batch whose last decisions are there and whose row is old is ended', t => {
  const {rig} = decided(2);
  const key = keyOf(rig, 'batch');
  rig.rows.set(key, encodeJson({...rowOf(rig), state: 'running', endedAt: 0, done: 0}));
  const {loss, next} = mend(rig);
  t.deepEqual(loss.batches, []);
  t.like(rowOf(next), {state: 'done', done: 2, endedAt: WALL});
});

test('decisions beyond the end of a batch do not stand', t => {
  const {rig} = decided(4);
  const key = keyOf(rig, 'batch');
  rig.rows.set(key, encodeJson({...rowOf(rig), input: rangeOf(3), count: 3}));
  const {loss, next} = mend(rig);
  t.deepEqual(loss.batches[0]?.reopened, [3]);
  t.like(rowOf(next), {state: 'done', done: 3});
});

test('votes of open workunits stay, those without report, unreadable, or that would decide go', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(4));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  const [forA, forB] = [rig.pull(a), rig.pull(b)];
  rig.report(a, forA);
  rig.says(b, rig.reportOf(b, resultsOf(forB.slice(0, 1))));
  t.is(rig.scan('vote').length, 3);
  t.is(mend(rig).next.scan('vote').length, 3);
  t.is(mend(rig, [], [keyOf(rig, 'vote')]).next.scan('vote').length, 2);
  t.is(mend(rig, [keyOf(rig, 'report')]).next.scan('vote').length, 0);
  const [key, row] = rig.scan('vote')[0] ?? ['', BAD];
  const {nodeId: _, ...vote} = {nodeId: a.id, ...decodeVote(row)};
  rig.rows.set(`vote/${key.replace(a.id, b.id)}`, encodeVote(vote));
  const {loss, next} = mend(rig);
  t.is(next.scan('vote').length, 2, 'both votes of one workunit');
  t.like(loss.batches[0], {batchId: id, reopened: [1]}, 'acknowledged votes do not go in silence');
  finish(next, a);
  finish(next, b);
  t.is(batchOf(next, id).counters.done, 4);
});

test('an ended batch that goes on has the votes that an older disk has again', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(1));
  const [a, b] = rig.nodes(2) as [TestNode, TestNode];
  rig.report(a, rig.pull(a));
  const [vote] = rig.scan('vote') as [[string, Uint8Array]];
  rig.report(b, rig.pull(b));
  t.is(rowOf(rig).state, 'done');
  rig.rows.set(`vote/${vote[0]}`, vote[1]);
  const {next} = mend(rig, [keyOf(rig, 'page')]);
  t.is(next.scan('vote').length, 1);
  finish(next, b);
  t.is(batchOf(next, id).counters.done, 1);
});

test('a vote of a revoked node that an older disk has again counts no more', t => {
  const desk = new Desk();
  const {rig} = desk;
  const id = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(1));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  rig.report(a, rig.pull(a));
  const [vote] = rig.scan('vote') as [[string, Uint8Array]];
  desk.revoke(a);
  t.deepEqual(rig.scan('vote'), []);
  rig.rows.set(`vote/${vote[0]}`, vote[1]);
  const {next} = mend(rig);
  t.deepEqual(next.scan('vote'), []);
  finish(next, b);
  t.is(batchOf(next, id).counters.done, 0, 'one vote');
  finish(next, c);
  t.is(batchOf(next, id).counters.done, 1);
});

test('a token that may have been used, or cannot be read, is gone; so are other rows that make no sense', t => {
  const {rig, a} = decided(1);
  const token = `token/${TOKEN_ID}`;
  const [lost, key] = [mend(rig, [token]), keyOf(rig, 'token')];
  t.is(key, token);
  t.false(lost.rows.has(token));
  rig.addToken(8, 3);
  const kept = new Map(rig.rows);
  const tables: Tables = new Map();
  for (const table of Object.keys(TABLES) as TableName[])
    tables.set(table, new Map(rig.scan(table)));
  const loss = mendTables(tables, [token]);
  t.deepEqual(loss.rows, [{rowKey: token, reason: 'it may have been used'}]);
  t.true(kept.has(token) && tables.get('token')?.has('8'));
  const wrong = [keyOf(rig, 'app'), 'token/8', `node/${a.id}`, `credit/${a.id}`];
  const left = mend(rig, [], wrong);
  t.deepEqual(
    left.loss.rows,
    wrong.map(rowKey => ({rowKey, reason: 'it cannot be read'})),
  );
  t.is(left.next.core.context.roster.size, 0);
});

test('shots stay with their capture; without it, or unreadable, they are named', t => {
  const rig = MasterRig.ready();
  const node = rig.node('a', {actions: ['camera']});
  const {id} = rig.capture();
  rig.says(node, rig.shotOf(node, {captureId: id}));
  const shot = keyOf(rig, 'shot');
  t.deepEqual(mend(rig).loss.rows, []);
  t.true(mend(rig).next.rows.has(shot));
  t.deepEqual(mend(rig, [keyOf(rig, 'capture')]).loss.rows, [
    {rowKey: shot, reason: 'its capture is lost'},
  ]);
  t.deepEqual(mend(rig, [], [shot]).loss.rows, [{rowKey: shot, reason: 'it cannot be read'}]);
});

test('a node whose report was lost says it again to the mended master and is believed', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 1}, rangeOf(2));
  const a = rig.node('a');
  const report = rig.reportOf(a, resultsOf(rig.pull(a, 2)));
  rig.says(a, report);
  const {next} = mend(rig, [keyOf(rig, 'report')]);
  next.turn();
  next.join(a);
  t.is(receiptsOf(next.says(a, report), a).length, 1);
  t.is(batchOf(next, id).counters.done, 2);
});

test('damage of one batch leaves the pages and votes of another as they are', t => {
  const rig = MasterRig.ready();
  const a = rig.node('a');
  const first = rig.submit({minQuorum: 1}, rangeOf(2));
  rig.report(a, rig.pull(a, 2));
  const second = rig.submit({minQuorum: 2, targetReplicas: 2}, rangeOf(2));
  rig.report(a, rig.pull(a, 2));
  t.is(rig.scan('vote').length, 2);
  const {loss, next} = mend(rig, [keyOf(rig, 'page')]);
  t.deepEqual(loss.batches, [{batchId: first, name: 'b', reopened: [0, 1], decisionsLost: 2}]);
  t.is(next.scan('vote').length, 2);
  const b = new TestNode('b');
  finish(next, a);
  next.join(b);
  finish(next, b);
  for (const id of [first, second]) t.is(batchOf(next, id).counters.done, 2);
});

test('a batch whose row is older than its last failure is ended as failed', t => {
  const rig = MasterRig.ready();
  rig.submit({minQuorum: 1, maxErrorReplicas: 1}, rangeOf(1));
  const a = rig.node('a');
  const items = resultsOf(rig.pull(a, 1)).map(
    item => ({...item, status: 'trapped', reason: ''}) as const,
  );
  rig.says(a, rig.reportOf(a, items));
  const key = keyOf(rig, 'batch');
  t.is(rowOf(rig).state, 'failed');
  rig.rows.set(key, encodeJson({...rowOf(rig), state: 'running', endedAt: 0, failed: 0}));
  t.like(rowOf(mend(rig).next), {state: 'failed', failed: 1, endedAt: WALL});
});

test('what was recovered says from which commit on the receipts of earlier epochs are void', t => {
  const {rig} = decided(8);
  const before = rig.core.context.epoch;
  const {rows, next, loss} = mend(rig, [keyOf(rig, 'credit')]);
  t.is(loss.voidAfter, 7);
  const row = jsonRow<RecoveredRow>(rows.get(`meta/${RECOVERED_KEY}`) ?? BAD);
  t.is(row.journalNo, 7);
  t.true(row.epoch > before && row.epoch <= next.core.context.epoch);
  const node = new TestNode('late');
  const [welcome] = sentTo(next.join(node), node, 'welcome');
  t.like(welcome, {lostEpoch: row.epoch, lostAfter: 7});
});

test('when a decision is lost all receipts are void: older ones may be for the votes behind it', t => {
  const {rig} = decided(8);
  const {rows, loss} = mend(rig, [keyOf(rig, 'page')]);
  t.true((loss.batches[0]?.reopened?.length ?? 0) > 0);
  t.is(loss.voidAfter, 0);
  t.is(jsonRow<RecoveredRow>(rows.get(`meta/${RECOVERED_KEY}`) ?? BAD).journalNo, 0);
});

test('a second recovery still tells of the first one, and of all when its row is lost', t => {
  const {rig} = decided(8);
  const tables = (): Tables =>
    new Map([
      ['meta', new Map([[RECOVERED_KEY, encodeJson({epoch: 5, journalNo: 3})]])],
      ['node', new Map(rig.scan('node'))],
    ]);
  const after = (damaged: readonly string[]): number => {
    const mended = tables();
    mendTables(mended, damaged);
    return jsonRow<RecoveredRow>(mended.get('meta')?.get(RECOVERED_KEY) ?? BAD).journalNo;
  };
  t.is(after(['node/x']), 3);
  t.is(after([`meta/${RECOVERED_KEY}`]), 0);
});

test('a decision that is open again is paid for once, though two other reports would prove it', t => {
  const rig = MasterRig.ready();
  const id = rig.submit({minQuorum: 2, targetReplicas: 3}, rangeOf(2));
  const [a, b, c] = rig.nodes(3) as [TestNode, TestNode, TestNode];
  const [forA, forB, forC] = [rig.pull(a), rig.pull(b), rig.pull(c)] as const;
  rig.report(a, forA.slice(0, 1));
  rig.report(b, forB.slice(0, 1));
  rig.report(c, forC); // too late for the first, in time for the second
  t.is(batchOf(rig, id).counters.done, 1);
  const {loss, next} = mend(rig, [keyOf(rig, 'report')]);
  t.deepEqual(loss.batches[0]?.reopened, [0]);
  for (const [, row] of next.scan('credit')) t.is(decodeCredit(row).credit, 0);
  next.turn();
  for (const node of [a, b, c]) next.join(node);
  next.rest();
  for (const node of [a, b, c]) next.report(node, next.pull(node, 4));
  t.is(batchOf(next, id).counters.done, 2);
  const paid = next.scan('credit').reduce((sum, [, row]) => sum + decodeCredit(row).credit, 0);
  t.is(paid, 4);
});
