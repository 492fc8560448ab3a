import test from 'ava';
import type {Tables} from '../../src/core/journal-salvage.ts';
import {decodeCredit, encodeCredit, TABLES, type TableName} from '../../src/core/tables.ts';
import {MasterSalvage} from '../../src/master/salvage.ts';
import {BAD, decided, keyOf, mend, mendTables} from './damage.ts';
import {computedBy, Desk, rangeOf} from './desk.ts';
import {creditOf} from './look.ts';
import {MasterRig} from './rig.ts';
import {inline, TestNode} from './test-node.ts';

/** The rig's store put right, with one row of checks that cannot be read; and a master on it. */
function mended(rig: MasterRig, check: string) {
  const tables: Tables = new Map();
  for (const table of Object.keys(TABLES) as TableName[])
    tables.set(table, new Map(rig.scan(table)));
  tables.get('check')?.set(check, Uint8Array.of(200));
  const loss = new MasterSalvage({tables, damaged: new Set(), hasGaps: false}).mend(
    rig.now.wall,
    1,
  );
  const rows = new Map<string, Uint8Array>();
  for (const [table, own] of tables)
    for (const [key, value] of own) rows.set(`${table}/${key}`, value);
  return {loss, next: new MasterRig(rows, rig.mono + 1_000)};
}

test('checks that are open begin anew: what still rests on a revoked node is listed once more', t => {
  for (const answers of [1, 2, 4]) {
    const {desk, rig, id, bad} = computedBy('lie', rangeOf(200));
    desk.revoke(bad);
    for (let i = 0; i < answers; i++) desk.answer();
    const good = new TestNode('good');
    rig.join(good);
    rig.report(good, rig.pull(good, 10), ({index}) => inline(`true${index}`));
    const {next, loss} = mended(rig, rig.scan('check')[1]?.[0] ?? '');
    t.is(loss.rows.length, 1);
    const again = new Desk(next);
    again.kill(); // the first turn of the mended store, and a second life
    again.answerAll();
    next.join(good);
    for (let i = 0; i < 10; i++) {
      again.answerAll();
      again.compute(good, 'true');
    }
    t.like(again.row(id), {state: 'done', done: 200, rechecking: 0}, `${answers}`);
    t.is(creditOf(next, bad).credit, 0);
    t.is(creditOf(next, good).credit, 200);
  }
});

test('nodes whose rows are lost or out of date are named, unless they are revoked for all we know', t => {
  const {desk, rig, bad: revoked, good: kept} = computedBy('lie', rangeOf(2));
  desk.revoke(revoked);
  desk.answerAll();
  const [lost, old] = rig.nodes(2) as [TestNode, TestNode];
  const tables: Tables = new Map([['node', new Map(rig.scan('node'))]]);
  tables.get('node')?.delete(lost.id);
  const {doubtfulNodes} = mendTables(
    tables,
    [lost, old, revoked].map(({id}) => `node/${id}`),
  );
  t.deepEqual(doubtfulNodes, [lost.id, old.id].sort());
  t.false(doubtfulNodes.includes(kept.id));
});

test('credit that may be older than a page is counted anew, and can be taken back', t => {
  const {rig, a} = decided(6);
  const key = `credit/${a.id}`;
  const [page, now] = [keyOf(rig, 'page'), decodeCredit(rig.rows.get(key) ?? BAD)];
  t.is(now.validated, 6);
  rig.rows.set(key, encodeCredit({...now, validated: 4, credit: 4}));
  t.false(mend(rig).loss.recounted, 'it is not known to be older');
  for (const made of [mend(rig, [], [], [page]), mend(rig, [], [], [], true)]) {
    t.true(made.loss.recounted);
    t.deepEqual(made.loss.batches, []);
    t.deepEqual(decodeCredit(made.rows.get(key) ?? BAD), now);
    const desk = new Desk(made.next);
    desk.revoke(a);
    desk.answerAll();
    t.like(creditOf(made.next, a), {validated: 0, credit: 0});
  }
});
