import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {BASE_KEY, EMPTY_HEAD, encodeHead, HEAD_KEY, journalOps} from '../../src/core/journal.ts';
import {JournalSalvage, newStore, type Readable} from '../../src/core/journal-salvage.ts';
import {del, type Op, put} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';

const crypto = new NodeCrypto();
const node = (key: string, text: string): Op => put('node', key, toUtf8(text));

/** Rows after these commits, each journaled. */
function stored(...commits: readonly (readonly Op[])[]): Map<string, Uint8Array> {
  const rows = new Map<string, Uint8Array>();
  let head = EMPTY_HEAD;
  for (const commit of commits) {
    const made = journalOps(crypto, head, commit);
    head = made.head;
    for (const op of made.ops)
      if (op.type === 'put') rows.set(`${op.table}/${op.key}`, op.value);
      else rows.delete(`${op.table}/${op.key}`);
  }
  return rows;
}

const journal = (no: number): string => `journal/${no.toString(16).padStart(14, '0')}`;

function salvaged(rows: ReadonlyMap<string, Uint8Array>, isWhole: boolean, bad = ''): Readable {
  const salvage = new JournalSalvage(crypto, isWhole);
  // In any order.
  for (const [rowKey, payload] of [...rows].reverse())
    salvage.row(rowKey, payload, rowKey === bad ? 'the checksum is wrong' : undefined);
  return salvage.end();
}

const nodesOf = ({tables}: Readable): string[] => [...(tables.get('node')?.keys() ?? [])].sort();

test('of a whole store all is kept but the ends of its journal', t => {
  const found = salvaged(stored([node('a', '1')], [node('b', '2')]), true);
  t.deepEqual(nodesOf(found), ['a', 'b']);
  t.deepEqual([...found.tables.keys()], ['node']);
  t.is(found.damaged.size, 0);
  t.is(found.lastGood.journalNo, 2);
});

test('a row that is missing, unreadable or an older one is damaged, and nothing behind it is good', t => {
  const rows = stored([node('a', '1')], [node('b', '2')], [node('b', '3')], [node('c', '4')]);
  const without = new Map(rows);
  without.delete('node/b');
  const older = new Map(rows).set('node/b', toUtf8('2'));
  for (const found of [salvaged(without, true), salvaged(rows, true, 'node/b')]) {
    t.deepEqual(nodesOf(found), ['a', 'c']);
    t.deepEqual([...found.damaged], ['node/b']);
    t.is(found.lastGood.journalNo, 2);
    t.deepEqual(found.lastGood.hash, crypto.sha256(rows.get(journal(2)) ?? new Uint8Array()));
  }
  const kept = salvaged(older, true);
  t.deepEqual(nodesOf(kept), ['a', 'b', 'c'], 'an older row may be of use');
  t.deepEqual([...kept.damaged], ['node/b']);
});

test('a row that was deleted and came back is not kept, whole journal or not', t => {
  const commits = [[node('a', '1')], [del('node', 'a')], [node('b', '2')], [node('c', '3')]];
  const rows = stored(...commits).set('node/a', toUtf8('1'));
  t.deepEqual(nodesOf(salvaged(rows, true)), ['b', 'c']);
  rows.delete(journal(3));
  const found = salvaged(rows, false);
  t.deepEqual(nodesOf(found), ['b', 'c'], 'b may be of the commit that is lost');
  t.is(found.lastGood.journalNo, 2);
});

test('a row that was deleted and written again is there', t => {
  const commits = [[node('a', '1')], [del('node', 'a')], [node('a', '2')], [node('c', '3')]];
  const rows = stored(...commits);
  rows.delete(journal(4));
  t.deepEqual(nodesOf(salvaged(rows, false)), ['a', 'c']);
});

test('commits that are lost before others are a gap, a lost tail and lost rows are none', t => {
  const commits = [[node('a', '1')], [node('b', '2')], [node('c', '3')]];
  const rows = stored(...commits);
  const without = (...keys: string[]) =>
    new Map([...rows].filter(([rowKey]) => !keys.includes(rowKey)));
  t.false(salvaged(rows, true).hasGaps);
  t.false(salvaged(without('node/b'), true).hasGaps);
  t.false(salvaged(without(journal(3), 'node/c'), false).hasGaps);
  t.true(salvaged(without(journal(2)), false).hasGaps);
  t.true(salvaged(without(journal(1), journal(2)), false).hasGaps);
  t.true(salvaged(rows, false, journal(2)).hasGaps);
});

test('a new store begins behind what was good, and claims every row', t => {
  const {tables, lastGood} = salvaged(stored([node('a', '1')], [node('b', '2')]), true);
  const rows = new Map<string, Uint8Array>();
  for (const ops of newStore(tables, lastGood, crypto))
    for (const op of ops) if (op.type === 'put') rows.set(`${op.table}/${op.key}`, op.value);
  t.deepEqual(rows.get(`meta/${BASE_KEY}`), encodeHead(lastGood));
  t.true(rows.has(`meta/${HEAD_KEY}`));
  const again = salvaged(rows, true);
  t.deepEqual(nodesOf(again), ['a', 'b']);
  t.is(again.damaged.size, 0);
  t.false(again.hasGaps, 'it begins at its base');
  t.is(again.lastGood.journalNo, 3);
});

test('rows of no table and a base that cannot be read do no harm', t => {
  const rows = stored([node('a', '1')])
    .set('nonsense/x', toUtf8('?'))
    .set('odd', toUtf8('?'));
  rows.set(`meta/${BASE_KEY}`, toUtf8('x'));
  const found = salvaged(rows, false);
  t.deepEqual([...found.tables.keys()], ['node']);
  t.is(found.lastGood.journalNo, 1);
});
