import {createHash} from 'node:crypto';
import test from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {
  decodeHead,
  decodeJournalRow,
  digestOf,
  EMPTY_HEAD,
  encodeHead,
  HEAD_KEY,
  journalOps,
} from '../../src/core/journal.ts';
import {del, journalKey, type Op, put} from '../../src/core/tables.ts';

const crypto = {
  sha256: (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(createHash('sha256').update(bytes).digest()),
};

const rowOf = (ops: readonly Op[]): Uint8Array => {
  const row = journalOps(crypto, EMPTY_HEAD, ops).ops.at(-2);
  return row?.type === 'put' ? row.value : new Uint8Array();
};

test('a commit gets a journal row and a head behind its own operations', t => {
  const ops = [put('node', 'a', toUtf8('x')), del('node', 'b')];
  const {ops: all, head} = journalOps(crypto, EMPTY_HEAD, ops);
  t.deepEqual(all.slice(0, 2), ops);
  t.deepEqual(
    all.slice(2).map(({table, key}) => `${table}/${key}`),
    [`journal/${journalKey(1)}`, `meta/${HEAD_KEY}`],
  );
  t.is(head.journalNo, 1);
  const row = rowOf(ops);
  t.deepEqual(head.hash, crypto.sha256(row));
  t.deepEqual(decodeJournalRow(row), {
    journalNo: 1,
    previous: new Uint8Array(32),
    claims: [
      {rowKey: 'node/a', digest: digestOf(crypto, toUtf8('x'))},
      {rowKey: 'node/b', digest: undefined},
    ],
  });
});

test('a claim costs the name of the row and seven or eight bytes', t => {
  t.is(rowOf([]).length, 33);
  t.is(rowOf([put('page', '0'.repeat(16), new Uint8Array(500))]).length, 33 + 1 + 21 + 6);
  t.is(rowOf([put('vote', '0'.repeat(56), new Uint8Array(50))]).length, 33 + 1 + 61 + 6);
  t.is(rowOf([put('meta', '0'.repeat(90), new Uint8Array(50))]).length, 33 + 2 + 95 + 6);
  const long = decodeJournalRow(rowOf([put('meta', '0'.repeat(90), new Uint8Array(50))]));
  t.is(long.claims[0]?.rowKey, `meta/${'0'.repeat(90)}`);
});

test('a head comes back as it was, and one that is cut short throws', t => {
  const {head} = journalOps(crypto, EMPTY_HEAD, []);
  t.deepEqual(decodeHead(encodeHead(head)), head);
  t.throws(() => decodeHead(encodeHead(head).slice(0, -1)), {instanceOf: RangeError});
  const long = new Uint8Array([...encodeHead(head), 0]);
  t.throws(() => decodeHead(long), {instanceOf: RangeError, message: /too long/});
  t.throws(() => decodeJournalRow(rowOf([put('node', 'a', toUtf8('x'))]).slice(0, -1)), {
    instanceOf: RangeError,
  });
});

test('any change of the operations changes the row', t => {
  const base: Op[] = [
    put('node', 'ab', toUtf8('cd')),
    put('vote', 'e', toUtf8('')),
    del('node', 'f'),
  ];
  const others: Op[][] = [
    base.slice(1),
    [base[1], base[0], base[2]] as Op[],
    [put('node', 'a', toUtf8('bcd')), ...base.slice(1)],
    [put('node', 'ab', toUtf8('ce')), ...base.slice(1)],
    [put('vote', 'ab', toUtf8('cd')), ...base.slice(1)],
    [...base.slice(0, 2), put('node', 'f', toUtf8(''))],
    [...base.slice(0, 2), del('node', 'g')],
    [],
  ];
  const rows = [base, ...others].map(ops => toHex(rowOf(ops)));
  t.is(new Set(rows).size, rows.length);
  t.is(
    rows[0]?.slice(66),
    '0f6e6f64652f616221e721c35a580d766f74652f65e3b0c44298fc0c6e6f64652f66',
    'stored for ever',
  );
});
